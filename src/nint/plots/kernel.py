"""The tangent kernel around chosen pixels, and its diagonal over the whole image, in the style of the paper's Fig. 2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.plots.style import INK, NORMAL, RED, SMALL, as_rgb, head, new_figure, save, show_image

_TILE = 2.7  # inches


@dataclass(frozen=True)
class KernelView:
    """A network's kernel at one step.

    Attributes:
        title: Label of the step.
        patches: Kernel `[9, 9]` of each 3x3 region, its pixels in row order.
        diagonal: `[h', w']`, over the image or a coarser grid.
    """

    title: str
    patches: Sequence[np.ndarray]
    diagonal: np.ndarray


def write_kernel(image: np.ndarray, centres: Sequence[tuple[int, int]], views: Sequence[KernelView], title: str, path: Path) -> Path:
    """Writes a row for each step: the image with its 3x3 regions, their kernels, and log10 of the diagonal.

    Args:
        image: `[h, w]` or `[h, w, c]`.
        centres: (row, column) of the middle pixel of each region.
        views: The kernel at each step.
        title: Heading.
        path: File to write.
    """
    columns = len(centres) + 2
    figure = new_figure(columns * (_TILE + 0.45), len(views) * (_TILE + 0.2) + 0.4)
    head(figure, title)
    grid = figure.subplots(len(views), columns, squeeze=False)
    for axes, view in zip(grid, views, strict=True):
        _regions(axes[0], image, centres)
        axes[0].set_ylabel(view.title, fontsize=NORMAL, color=INK)
        for number, (place, patch) in enumerate(zip(axes[1:-1], view.patches, strict=True)):
            _bar(figure, place, show_image(place, patch, cmap="viridis", vmin=min(float(patch.min()), 0.0)))
            place.set_title(f"kernel of region {'ABCDEFGH'[number]}, 9 x 9", fontsize=NORMAL, color=INK)
        shown = show_image(axes[-1], np.log10(np.maximum(view.diagonal, np.finfo(float).tiny)), cmap="magma")
        axes[-1].set_title("diagonal, log10", fontsize=NORMAL, color=INK)
        _bar(figure, axes[-1], shown)
    return save(figure, path)


def _regions(axes: Any, image: np.ndarray, centres: Sequence[tuple[int, int]]) -> None:
    from matplotlib.patches import Rectangle

    show_image(axes, as_rgb(image))
    height, width = image.shape[:2]
    margin = max(min(height, width) // 60, 1)  # a box of exactly 3 pixels would be invisible on a large image
    for number, (row, column) in enumerate(centres):
        for colour, stroke in (("white", 3.0), (RED, 1.6)):
            corner = (column - 1.5 - margin, row - 1.5 - margin)
            axes.add_patch(Rectangle(corner, 3 + 2 * margin, 3 + 2 * margin, fill=False, edgecolor=colour, linewidth=stroke))
        aside = -1 if column > width / 2 else 1
        axes.annotate(
            "ABCDEFGH"[number],
            (column, row),
            xytext=(14 * aside, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            color="white",
            fontsize=NORMAL,
            fontweight="bold",
            bbox={"boxstyle": "round,pad=0.15", "facecolor": RED, "edgecolor": "none"},
        )


def _bar(figure: Any, axes: Any, shown: Any) -> None:
    bar = figure.colorbar(shown, ax=axes, fraction=0.046, pad=0.02)
    bar.ax.tick_params(labelsize=SMALL, colors=INK)
    bar.outline.set_visible(False)
