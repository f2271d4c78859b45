"""One run at several steps: reconstructions above, the selected points below, in the style of the paper's Fig. 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nint.plots.style import INK, NORMAL, SMALL, as_rgb, head, new_figure, save, show_image, with_points

_TILE = 2.5  # inches


@dataclass(frozen=True)
class Moment:
    """A run at one step.

    Attributes:
        title: Label of the step.
        image: The reconstruction, `[h, w]` or `[h, w, c]`.
        selected: Indices of the points in the last batch, pixels counted in row order, `[k]`.
        caption: Text below the title, for example the PSNR.
    """

    title: str
    image: np.ndarray
    selected: np.ndarray
    caption: str = ""


def write_moments(moments: Sequence[Moment], title: str, path: Path) -> Path:
    """Writes the steps of a run side by side."""
    height = _TILE * moments[0].image.shape[0] / moments[0].image.shape[1]
    figure = new_figure(len(moments) * (_TILE + 0.06) + 0.3, 2 * height + 0.95)
    head(figure, title)
    above, below = figure.subplots(2, len(moments), squeeze=False)
    for top, bottom, moment in zip(above, below, moments, strict=True):
        show_image(top, as_rgb(moment.image))
        show_image(bottom, with_points(moment.image, moment.selected))
        top.set_title(f"{moment.title}\n{moment.caption}" if moment.caption else moment.title, fontsize=NORMAL, color=INK)
        fraction = len(moment.selected) / (moment.image.shape[0] * moment.image.shape[1])
        bottom.set_xlabel(f"{fraction:.0%} of the pixels", fontsize=SMALL, color=INK, labelpad=3)
    above[0].set_ylabel("reconstruction", fontsize=NORMAL, color=INK)
    below[0].set_ylabel("selected points (red)", fontsize=NORMAL, color=INK)
    return save(figure, path)
