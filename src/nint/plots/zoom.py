"""Reconstructions side by side, each with the crop in which the samplers differ most."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from nint.plots.style import INK, NORMAL, as_rgb, as_unit, head, new_figure, save, show_image, wrapped

_BOX = "#ffdd00"
_COLUMNS = 5


def choose_crop(target: np.ndarray, images: list[np.ndarray]) -> tuple[int, int, int]:
    """The square in which the mean absolute errors of the images differ most; with one image, where its error is largest.

    Args:
        target: `[h, w]` or `[h, w, c]`.
        images: Reconstructions of the same shape and type.

    Returns:
        (top, left, side) in pixels; the side is a quarter of the shorter side, at least 8.
    """
    original = as_unit(target)
    height, width = original.shape[:2]
    side = min(max(min(height, width) // 4, 8), height, width)
    errors = []
    for image in images:
        error = np.abs(as_unit(image).reshape(original.shape) - original).astype(np.float64)
        errors.append(_window_means(error.mean(axis=-1) if error.ndim == 3 else error, side))
    spread = np.std(errors, axis=0) if len(errors) > 1 else errors[0]
    top, left = np.unravel_index(int(spread.argmax()), spread.shape)
    return int(top), int(left), side


def _window_means(values: np.ndarray, side: int) -> np.ndarray:
    """Mean of every square of a side, `[h - side + 1, w - side + 1]`, by a summed-area table."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    return (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) / side**2


def write_reconstructions(
    target: np.ndarray, images: dict[str, np.ndarray], quality: dict[str, float | None], field: str, path: Path
) -> Path:
    """Writes the original and the last reconstruction of each sampler (or network), with the enlarged crop below.

    Args:
        target: The original pixels, `[h, w]` or `[h, w, c]`.
        images: Sampler -> reconstruction, of the same shape and type.
        quality: Sampler -> PSNR of the run in dB.
        field: What is the same for all, for the heading.
        path: File to write.
    """
    from matplotlib.patches import Rectangle

    why = "they differ most" if len(images) > 1 else "the error is largest"
    top, left, side = choose_crop(target, list(images.values()))
    tiles = [
        ("original", "", target),
        *((s, "" if quality.get(s) is None else f"{quality[s]:.2f} dB", image) for s, image in images.items()),
    ]
    columns = min(_COLUMNS, len(tiles))
    bands = math.ceil(len(tiles) / columns)
    height, width = target.shape[:2]
    tile_width = 2.6
    tile_height = min(max(tile_width * height / width, 0.6), 5.2)
    names = {name: wrapped(name, 26) for name, _, _ in tiles}
    lines = 2 + max(name.count("\n") for name in names.values())
    figure = new_figure(columns * (tile_width + 0.08), bands * (tile_height + tile_width + 0.1 + 0.18 * lines) + 0.4)
    head(figure, f"Last reconstructions, {field}; the box is where {why}")
    grid = figure.subplots(2 * bands, columns, squeeze=False, height_ratios=[tile_height, tile_width] * bands)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, (name, caption, image) in enumerate(tiles):
        whole, zoom = grid[2 * (number // columns), number % columns], grid[2 * (number // columns) + 1, number % columns]
        for axes in (whole, zoom):
            axes.set_axis_on()
        picture = as_rgb(image)
        show_image(whole, picture)
        # Two strokes, so that the box is visible on light and on dark.
        for colour, stroke in (("black", 2.6), (_BOX, 1.2)):
            whole.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=colour, linewidth=stroke))
        show_image(zoom, picture[top : top + side, left : left + side])
        whole.set_title(f"{names[name]}\n{caption}", fontsize=NORMAL, color=INK)
    return save(figure, path)
