"""Selected points over time: the last batch of each moment over the reconstruction, a row for each sampler."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nint.plots.style import INK, LETTER, SMALL, head, new_figure, save, show_image, with_points, wrapped


@dataclass(frozen=True)
class Batch:
    """The points of one moment.

    Attributes:
        title: When.
        image: The reconstruction, `[h, w]` or `[h, w, c]`.
        selected: Rows of the pool, pixels counted in row order.
        pool: Points that could have been chosen.
    """

    title: str
    image: np.ndarray
    selected: np.ndarray
    pool: int


def write_selection(batches: Mapping[str, Sequence[Batch]], title: str, path: Path) -> Path:
    """Writes a row for each sampler: the last batch in red over the dimmed reconstruction.

    Args:
        batches: Sampler -> its moments; at least one.
        title: Heading.
        path: Where to write.
    """
    columns = max(len(series) for series in batches.values())
    rows, across = next(iter(batches.values()))[0].image.shape[:2]
    width = 2.1 * min(1.0, max(across / rows, 0.5))
    height = width * rows / across if across >= rows / 2 else 2.1
    figure = new_figure(columns * (width + 0.06) + 0.45, len(batches) * (height + 0.24) + 0.4)
    head(figure, title)
    grid = figure.subplots(len(batches), columns, squeeze=False)
    for row, (sampler, series) in zip(grid, batches.items(), strict=True):
        for axes in row[len(series) :]:
            axes.set_axis_off()
        for axes, batch in zip(row, series, strict=False):
            show_image(axes, with_points(batch.image, batch.selected))
            fraction = len(batch.selected) / batch.pool
            axes.set_title(f"{batch.title}, {fraction:.0%}", fontsize=SMALL, color=INK)
        row[0].set_ylabel(wrapped(sampler, int(height / LETTER)), fontsize=SMALL, color=INK)
    return save(figure, path)
