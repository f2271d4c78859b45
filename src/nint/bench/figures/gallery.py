"""Figures that are rows of reconstructions: which pictures, with which captions and numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Kept, decibels
from nint.bench.inputs import pixels_of
from nint.bench.tables.rows import network_size
from nint.plots.gallery import Row, Tile, best_of, write_gallery
from nint.plots.zoom import choose_crop


def by_sampler(run: Kept) -> str:
    """A tile's title where columns are strategies."""
    return run.spec.sampler


def by_size(run: Kept) -> str:
    """A tile's title where columns are networks: "5x256"."""
    return network_size(run.spec.field)


def gallery(
    rows: Sequence[tuple[str, list[Kept]]],
    title: str,
    path: Path,
    column: str,
    *,
    columns: int | None = None,
    titled: Callable[[Kept], str] = by_sampler,
    captioned: Callable[[Kept], str] = lambda run: decibels(run.last.get("psnr")),
    named: Callable[[Kept], str] = by_sampler,
) -> dict[str, Any]:
    """Draws the original and the final reconstruction of each run, and returns what it shows.

    Args:
        rows: (label, runs of one image) each.
        title: Heading.
        path: Where to write.
        column: Name of the PSNR in "rows" of the result.
        columns: Tiles side by side; None is the longest row.
        titled: A run -> title of its tile.
        captioned: A run -> caption of its tile.
        named: A run -> its row in the result.

    Returns:
        rows: mean PSNR of the runs of a name; images: PSNR and name of each tile; crops: (top, left, side) of the enlarged parts.
    """
    drawn, shown = [], []
    found: dict[str, list[float]] = {}
    decoded = [(label, [(run, picture) for run in runs if (picture := run.picture) is not None]) for label, runs in rows]
    for label, pictures in decoded:
        if not pictures:
            continue
        values = [run.last.get("psnr") for run, _ in pictures]
        best = best_of(values) if titled is by_sampler else [False] * len(values)
        target = pixels_of(pictures[0][0].signal)
        tiles = [Tile("original", target)]
        tiles += [Tile(titled(run), picture, captioned(run), first) for (run, picture), first in zip(pictures, best, strict=True)]
        # Rows of one image are compared with each other, so the same part of it is enlarged.
        source = pictures[0][0].spec.input
        alike = [picture for _, others in decoded for run, picture in others if run.spec.input == source]
        drawn.append(Row(label, target, tiles, choose_crop(target, alike)))
        for run, _ in pictures:
            value = run.last.get("psnr")
            shown.append({"key": run.spec.key, "image": run.signal.name, "row": named(run), "psnr": value, **run.cost()})
            if value is not None:
                found.setdefault(named(run), []).append(value)
    if not drawn:
        return {"rows": {}, "note": "The models of the runs are not there."}
    crops = write_gallery(drawn, title, path, columns)
    return {"rows": {name: {column: statistics.fmean(values)} for name, values in found.items()}, "images": shown, "crops": crops}
