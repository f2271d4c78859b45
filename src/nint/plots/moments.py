"""One run over time: reconstructions above, the points that were chosen below. The look of the paper's Fig. 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nint.plots.style import INK, LARGE, NORMAL, SMALL, as_rgb, new_figure, save, show_image, with_points

_TILE = 2.5  # inches


@dataclass(frozen=True)
class Moment:
    """Attributes:
    title: When.
    image: The reconstruction, `[h, w]` or `[h, w, c]`.
    selected: Rows of the pool in the last batch, pixels counted in row order.
    caption: Its quality.
    """

    title: str
    image: np.ndarray
    selected: np.ndarray
    caption: str = ""


def write_moments(moments: Sequence[Moment], title: str, path: Path) -> Path:
    """Writes the moments side by side."""
    height = _TILE * moments[0].image.shape[0] / moments[0].image.shape[1]
    figure = new_figure(len(moments) * (_TILE + 0.06) + 0.3, 2 * height + 0.95)
    figure.suptitle(title, fontsize=LARGE, color=INK, x=0.01, ha="left")
    above, below = figure.subplots(2, len(moments), squeeze=False)
    for top, bottom, moment in zip(above, below, moments, strict=True):
        show_image(top, as_rgb(moment.image))
        show_image(bottom, with_points(moment.image, moment.selected))
        top.set_title(f"{moment.title}\n{moment.caption}" if moment.caption else moment.title, fontsize=NORMAL, color=INK)
        share = len(moment.selected) / (moment.image.shape[0] * moment.image.shape[1])
        bottom.set_xlabel(f"{share:.0%} of the pixels", fontsize=SMALL, color=INK, labelpad=3)
    above[0].set_ylabel("reconstruction", fontsize=NORMAL, color=INK)
    below[0].set_ylabel("chosen points (red)", fontsize=NORMAL, color=INK)
    return save(figure, path)
