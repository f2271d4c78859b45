"""Cells: groups of neighbouring points that share one entry of an error map.

Space is cut into equal boxes along each axis. The boxes stay for the whole run, also where points are redrawn; the points are
sorted into them once for each pool.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nint.probe.probe import Probe
from nint.samplers.curve import curve_rank

MOST_SORTED = 2**22
"""Above this many points the boxes are ranges of rows, so that no list as long as the pool is kept."""

MOST_CELLS = 2**14
"""Cells of a pool where the user has not named their size: a few passes over them take a step, and more gained nothing."""

LEAST_POINTS = 16
"""Points of the smallest cell there."""

UNIT_BITS = 30
UNIT = 2**UNIT_BITS  # fixed-point unit of one point: integer sums are exact in whatever order a device adds


@dataclass(frozen=True)
class Boxes:
    """How space is cut.

    Attributes:
        low: Smallest coordinate on each axis, `[d_in]`.
        high: Largest.
        bins: Boxes along each axis; 1 where all points share the coordinate.
        rank: Number of each box in row-major order, `[count]`: its place on a space-filling curve, along which batches are spread. None
            numbers them row by row (as before version 0.2).
    """

    low: Tensor
    high: Tensor
    bins: tuple[int, ...]
    rank: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of boxes."""
        return math.prod(self.bins)

    def of(self, coords: Tensor) -> Tensor:
        """Number of the box of each point, `[n]`; points outside belong to the nearest box."""
        number = torch.zeros(len(coords), dtype=torch.long, device=coords.device)
        extent = (self.high - self.low).clamp(min=1e-30)
        for axis, bins in enumerate(self.bins):
            place = (coords[:, axis] - self.low[axis]) / extent[axis] * bins
            number = number * bins + place.nan_to_num(0.0).clamp(0, bins - 1).long()
        return number if self.rank is None else self.rank.take(number)


@dataclass(frozen=True)
class Cells:
    """The points of one pool by cells.

    Attributes:
        size: Points in each cell, `[c]`.
        start: Where each cell begins in `order`, `[c]`.
        order: Rows of the pool sorted by cell, in random order within each, `[n]`; None where a cell is a range of rows.
        turn: How many points each cell has given so far, `[c]`.
    """

    size: Tensor
    start: Tensor
    order: Tensor | None
    turn: Tensor

    def take(self, counts: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor, Cells]:
        """`counts[c]` points of each cell, at most `size[c]`. A cell repeats a point only once all its points are used up.

        Returns:
            rows `[b]`, the cell of each `[b]`, and the cells after their turn.

        Rows come by rising cell. Where a cell is a range of rows, they are evenly spaced from a random start instead.
        """
        cells = torch.repeat_interleave(counts)
        place = torch.arange(len(cells), device=cells.device)  # in the batch; less `first`, in the cell's part of it
        first = torch.cumsum(counts, 0) - counts
        size, start = self.size.take(cells), self.start.take(cells)
        if self.order is None:
            nth = place - first.take(cells)
            offset = (torch.rand(len(counts), generator=rng, device=rng.device) * self.size).long()
            return start + (nth * size + offset.take(cells)) // counts.take(cells), cells, self
        place += (self.turn - first).take(cells)
        rows = self.order.take(start + place % size)
        return rows, cells, replace(self, turn=self.turn + counts)


def cut(probe: Probe, points_per_cell: int | None) -> Boxes | None:
    """Boxes that hold about `points_per_cell` points each where points fill space evenly; None for pools too large to sort.

    Args:
        probe: Of the pool.
        points_per_cell: None is `LEAST_POINTS`, or more where there would be more than `MOST_CELLS` boxes.
    """
    if len(probe) > MOST_SORTED:
        return None
    if points_per_cell is None:
        points_per_cell = max(LEAST_POINTS, len(probe) // MOST_CELLS)
    coords = probe.places[:]
    low, high = coords.min(0).values, coords.max(0).values
    spread = [bool(extent > 0) for extent in high - low]
    axes = max(sum(spread), 1)
    bins = max(round((len(probe) / points_per_cell) ** (1 / axes)), 1)
    if bins**axes > len(probe):  # along many axes rounding up makes more boxes than points
        bins -= 1
    along = tuple(bins if extended else 1 for extended in spread)
    return Boxes(low, high, along, curve_rank(along).to(probe.device))


def sort_into(boxes: Boxes | None, probe: Probe, rng: torch.Generator) -> Cells:
    """The points of a pool by cells. Cost: one sort of n numbers."""
    n, device = len(probe), probe.device
    if boxes is None:
        edges = torch.arange(MOST_CELLS + 1, device=device) * n // MOST_CELLS
        return Cells(torch.diff(edges), edges[:-1], None, torch.zeros(MOST_CELLS, dtype=torch.long, device=device))
    shuffled = torch.randperm(n, generator=rng, device=device)
    cell = boxes.of(probe.places[:])
    order = shuffled[torch.argsort(cell[shuffled], stable=True)]
    size = torch.bincount(cell, minlength=boxes.count)
    return Cells(size, torch.cumsum(size, 0) - size, order, torch.zeros_like(size))


def allot(weight: Tensor, size: Tensor, total: int, rng: torch.Generator) -> Tensor:
    """Whole numbers of points for each cell, in proportion to weight x size, at most `size`, `total` in all.

    Args:
        weight: Of a point of each cell, `[c]`, above 0.
        size: Points in each cell, `[c]`.
        total: Points wanted, at most the sum of sizes.
        rng: Generator on the device.

    Every cell gets its expected number rounded up or down, so that no part of the pool is missed by chance; the mean over draws
    is exactly the expected number (systematic sampling, Madow 1949). Cells that would get more than they have give all their
    points, and the others share the rest.
    """
    offset = torch.randint(UNIT, (), generator=rng, device=rng.device)
    if weight.device.type == "mps":  # which has no float64
        return _rounded(_expected(weight.cpu(), size.cpu(), total), total, offset.cpu()).to(weight.device)
    return _rounded(_expected(weight, size, total), total, offset)


def _expected(weight: Tensor, size: Tensor, total: int) -> Tensor:
    """Expected number of points of each cell, size x min(level x weight, 1) with the level that makes `total` of them, `[c]`."""
    weight = weight.double()
    level = total / (weight * size).sum()
    if bool(level * weight.max() > 1):  # some cells would get more than they have
        lightest, order = torch.sort(weight)
        points = size.take(order)
        held = torch.cumsum(points, 0)
        # If all but the k lightest cells are full, these k share the rest, at that level. The right k is the one of highest level.
        level = ((held - held[-1] + total) / torch.cumsum(lightest * points, 0).clamp(min=1e-300)).max()
    return (level * weight).clamp(max=1) * size


def _rounded(expected: Tensor, total: int, offset: Tensor) -> Tensor:
    """Each number rounded up or down, `total` in all; the offset, from 0 to UNIT - 1, decides which."""
    reached = torch.cumsum((expected * UNIT).round().long(), 0)
    missing = total * UNIT - reached[-1]  # a few fixed-point units at most, from rounding each term
    below = (reached + offset.clamp(missing, missing + UNIT - 1)) >> UNIT_BITS
    counts = below.clone()
    counts[1:] -= below[:-1]
    return counts


def averages(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the values of each cell, `[c]`; NaN for a cell without any. Bit-reproducible, also on a GPU.

    Args:
        values: By rising cell, `[b]`.
        counts: How many each cell has, `[c]`.
    """
    if values.device.type == "mps":  # which has no segment_reduce
        return averages(values.cpu(), counts.cpu()).to(values.device)
    return torch.segment_reduce(values, "mean", lengths=counts, unsafe=True)
