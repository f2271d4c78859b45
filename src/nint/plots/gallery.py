"""Rows of reconstructions beside their original, each with a zoomed crop, in the style of the paper's Figs. 3, 5, 8, 9 and 10."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.plots.style import INK, NORMAL, SMALL, as_rgb, head, new_figure, save, show_image
from nint.plots.zoom import choose_crop

_BOX = "#ffdd00"
_TILE = 1.9  # inches


@dataclass(frozen=True)
class Tile:
    """One picture of a gallery.

    Attributes:
        title: Heading, for example the sampler.
        image: `[h, w]` or `[h, w, c]`.
        caption: Text below, for example the PSNR.
        best: Whether the caption is bold.
    """

    title: str
    image: np.ndarray
    caption: str = ""
    best: bool = False


@dataclass(frozen=True)
class Row:
    """Pictures of one original.

    Attributes:
        label: Label at the left.
        target: The original, `[h, w]` or `[h, w, c]`; the tiles have its shape.
        tiles: Pictures to show.
        crop: (top, left, side) of the enlarged part in pixels; None chooses where the tiles differ most.
    """

    label: str
    target: np.ndarray
    tiles: Sequence[Tile]
    crop: tuple[int, int, int] | None = None


def write_gallery(rows: Sequence[Row], title: str, path: Path, columns: int | None = None) -> list[tuple[int, int, int]]:
    """Writes the rows below each other and returns their crops.

    Args:
        rows: At least one, each with at least one tile.
        title: Heading.
        path: File to write.
        columns: Number of tiles side by side; a longer row is wrapped. None is the length of the longest row.

    Returns:
        (top, left, side) of each row's enlarged part, in pixels.
    """
    columns = columns or max(len(row.tiles) for row in rows)
    bands = [(row, start) for row in rows for start in range(0, len(row.tiles), columns)]
    crops = [row.crop or choose_crop(row.target, [tile.image for tile in row.tiles]) for row in rows]
    heights = [min(max(_TILE * row.target.shape[0] / row.target.shape[1], 0.6), 2 * _TILE) for row, _ in bands]
    zoomed = [height + _TILE for height in heights]
    figure = new_figure(columns * (_TILE + 0.06) + 0.35, sum(zoomed) + 0.5 * len(bands) + 0.4)
    head(figure, title)
    ratios = [part for height in heights for part in (height, _TILE)]
    grid = figure.subplots(2 * len(bands), columns, squeeze=False, height_ratios=ratios)
    for axes in grid.flat:
        axes.set_axis_off()
    for band, (row, start) in enumerate(bands):
        crop = crops[rows.index(row)]
        for column, tile in enumerate(row.tiles[start : start + columns]):
            _draw(grid[2 * band, column], grid[2 * band + 1, column], tile, crop, last=band == len(bands) - 1)
        first = grid[2 * band, 0]
        first.set_ylabel(row.label, fontsize=NORMAL, color=INK)
    save(figure, path)
    return crops


def _draw(whole: Any, zoom: Any, tile: Tile, crop: tuple[int, int, int], last: bool) -> None:
    from matplotlib.patches import Rectangle

    top, left, side = crop
    picture = as_rgb(tile.image)
    for axes in (whole, zoom):
        axes.set_axis_on()
    show_image(whole, picture)
    show_image(zoom, picture[top : top + side, left : left + side])
    # Two strokes, so that the box is visible on light and on dark.
    for colour, stroke in (("black", 2.4), (_BOX, 1.1)):
        whole.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=colour, linewidth=stroke))
    whole.set_title(tile.title, fontsize=NORMAL, color=INK, pad=3)
    # An empty line separates the caption from the titles below.
    zoom.set_xlabel(
        tile.caption if last else f"{tile.caption}\n", fontsize=SMALL, color=INK, fontweight="bold" if tile.best else "normal", labelpad=3
    )


def best_of(values: Sequence[float | None], larger: bool = True) -> list[bool]:
    """Which of several numbers are best after rounding to two decimals; none where fewer than two are known."""
    known = [round(value, 2) for value in values if value is not None and math.isfinite(value)]
    if len(known) < 2:
        return [False] * len(values)
    top = max(known) if larger else min(known)
    return [value is not None and math.isfinite(value) and round(value, 2) == top for value in values]
