"""Rows of pictures with one heading each column: frames of a video or slices of a volume, original, reconstruction and error below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.plots.style import INK, SMALL, head, new_figure, save, show_image

ERROR_COLOURS = "inferno"
_TILE, _FLATTEST = 2.1, 0.3  # inches; height of a picture, relative to its width


@dataclass(frozen=True)
class Errors:
    """A row of errors.

    Attributes:
        maps: One for each column, `[h, w]`; NaN where the original has no value.
        top: Error of the brightest colour; colours follow the square root of the error below it.
    """

    maps: Sequence[np.ndarray]
    top: float


def write_strip(
    title: str, headings: Sequence[str], rows: Mapping[str, Sequence[np.ndarray]], errors: Errors | None, path: Path, corners: bool = False
) -> Path:
    """Writes rows of pictures side by side, one column for each heading.

    Args:
        title: Heading of the whole.
        headings: Of the columns.
        rows: Label -> its pictures, `[h, w, 3]` in [0, 1]; pictures of one column are of one size.
        errors: A further row; None leaves it out.
        path: Where to write.
        corners: Whether columns differ in size, so that each keeps its own width.
    """
    shapes = [picture.shape[:2] for picture in next(iter(rows.values()))]
    tallest = max(height for height, _ in shapes)
    ratios = [max(width / tallest, _FLATTEST) for _, width in shapes] if corners else [1.0] * len(shapes)
    height = _TILE if corners else _TILE * max(min(max(h / w for h, w in shapes), 2.0), _FLATTEST)
    count = len(rows) + (errors is not None)
    width = _TILE * sum(ratios) + (1.3 if errors is not None else 0.5)
    figure = new_figure(max(width, 4.2), count * (height + 0.08) + 0.75)
    head(figure, title)
    grid = figure.subplots(count, len(shapes), squeeze=False, width_ratios=ratios)
    for axes_row, (label, pictures) in zip(grid, rows.items(), strict=False):
        for axes, picture in zip(axes_row, pictures, strict=True):
            show_image(axes, picture)
        axes_row[0].set_ylabel(label, fontsize=SMALL, color=INK)
    for axes, heading in zip(grid[0], headings, strict=True):
        axes.set_title(heading, fontsize=SMALL, color=INK)
    if errors is not None:
        shown = [show_error(axes, error, errors.top) for axes, error in zip(grid[-1], errors.maps, strict=True)]
        grid[-1, 0].set_ylabel("absolute error", fontsize=SMALL, color=INK)
        error_bar(figure, shown[-1], list(grid.flat), errors.top, "absolute error", fraction=0.04, pad=0.01)
    return save(figure, path)


def show_error(axes: Any, error: np.ndarray, top: float) -> Any:
    """Draws an error map on axes: black is 0, pale yellow `top` or more, on a square-root scale; returns what a colour bar takes.

    Args:
        axes: Of matplotlib.
        error: `[h, w]`, NaN where the original has no value.
        top: Error of the brightest colour.
    """
    from matplotlib.colors import PowerNorm

    return show_image(axes, error, cmap=ERROR_COLOURS, norm=PowerNorm(0.5, vmin=0, vmax=top, clip=True))


def error_bar(figure: Any, shown: Any, axes: Any, top: float, label: str, **place: Any) -> None:
    """Adds the colour bar of `show_error`.

    Args:
        figure: Of matplotlib.
        shown: What `show_error` returned.
        axes: Axes that make room for the bar.
        top: As for `show_error`.
        label: Text beside the bar.
        **place: Where it stands, as `Figure.colorbar` takes it.
    """
    marks = [top * (part / 4) ** 2 for part in range(5)]  # evenly spaced on the square-root scale
    bar = figure.colorbar(shown, ax=axes, extend="max", ticks=marks, format=lambda value, _: f"{value:.2g}", **place)
    bar.set_label(label, fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL, colors=INK)
    bar.outline.set_visible(False)
