"""`nint-fast` of a stack of signals: one error map each over common cells."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.many.draws import Draws
from nint.many.selection import StackedProbe, StackedSampler, common
from nint.samplers.cells import UNIT, UNIT_BITS, averages, cut, sort_into
from nint.samplers.nint_fast import NintFast


class StackedNintFast(StackedSampler[NintFast]):
    """As `NintFast`: the batch of each signal by its own error map.

    Args:
        sampler: Its settings.
        total_steps: The run length that schedules are laid out for.
        probe: The networks, for the coordinates; not more points than are sorted into cells (`nint.samplers.cells.MOST_SORTED`).
        draws: Random numbers of the signals.
    """

    def __init__(self, sampler: NintFast, total_steps: int, probe: StackedProbe, draws: Draws) -> None:
        super().__init__(sampler, total_steps)
        pool: Any = _Sized(probe.coords)
        boxes = cut(pool, sampler.points_per_cell)
        first: list[Any] = []

        def order(generator: torch.Generator) -> Tensor:
            cells = sort_into(boxes, pool, generator)
            first.append(cells)
            if cells.order is None:
                raise UsageError("So many points are not sorted into cells; fit such signals one at a time.")
            return cells.order

        self._order = draws.each(order)
        self._size, self._start = first[0].size, first[0].start
        shape = (probe.signals, len(self._size))
        self._turn = torch.zeros(shape, dtype=torch.long, device=probe.coords.device)
        self._error = torch.full(shape, torch.nan, device=probe.coords.device)
        self._counts: Tensor | None = None

    def select(self, step: int, probe: StackedProbe, draws: Draws) -> Tensor | None:
        """As `NintFast.select`."""
        count = self.sampler.count(step, self.total_steps, len(probe.coords))
        offset = draws.each(lambda generator: torch.randint(UNIT, (), generator=generator, device=generator.device))
        counts = rounded(expected(self._density(), self._size, count), count, offset)
        rows = self._take(counts, count)
        turn = self._turn + counts
        self._turn = torch.where(turn < self._size, turn, turn - self._size)
        self._counts = counts
        return common(rows)

    def _density(self) -> Tensor:
        """Relative probability of a point of each cell, `[s, c]`."""
        size, error, share = self._size, self._error, self.sampler.random_share
        known = ~torch.isnan(error)
        points = (size * known).to(error.dtype)
        mean = (error.nan_to_num() * points).sum(1, keepdim=True) / points.sum(1, keepdim=True).clamp(min=1)
        filled = torch.where(known, error, mean).clamp(min=1e-30)
        peak = (filled / filled.amax(1, keepdim=True)) ** self.sampler.power
        peak = peak * (size.sum() / (peak * size).sum(1, keepdim=True).clamp(min=1e-30))
        density: Tensor = (share + (1 - share) * peak).clamp(min=1e-6)
        return density

    def _take(self, counts: Tensor, total: int) -> Tensor:
        """`counts[s, c]` points of each cell in turn, `[s, total]`; as `Cells.take`."""
        signals, flat = len(counts), counts.reshape(-1)
        which = torch.repeat_interleave(flat, output_size=signals * total)
        size, start = self._size.repeat(signals), self._start.repeat(signals)
        begun = self._turn.reshape(-1) - torch.cumsum(flat, 0) + flat
        place = torch.arange(len(which), device=which.device) + begun.take(which)
        sizes = size.take(which)
        place = start.take(which) + torch.where(place < sizes, place, place - sizes)
        if len(self._order) == 1:
            return self._order[0].take(place).view(signals, total)
        return self._order.gather(1, place.view(signals, total))

    def observe(self, point_loss: Tensor) -> None:
        """The error maps with the batch's losses averaged in; as `NintFast.observe`."""
        seen, self._counts = self._counts, None
        if seen is None:
            return
        fresh = averages(point_loss.reshape(-1), seen.reshape(-1)).sqrt().to(self._error.dtype).view(seen.shape)
        before = torch.where(torch.isnan(self._error), fresh, self._error)
        error = torch.lerp(fresh, before, self.sampler.ema_decay**seen)
        self._error = torch.where(fresh < torch.inf, error, self._error)

    def keep(self, rows: Tensor) -> None:
        """Drops the maps and turns of the others."""
        self._turn, self._error = self._turn[rows], self._error[rows]
        if self._counts is not None:
            self._counts = self._counts[rows]
        if len(self._order) > 1:
            self._order = self._order[rows]


class _Sized:
    """What cells ask of a probe: its coordinates, which are also their places."""

    def __init__(self, coords: Tensor) -> None:
        self.coords, self.places, self.device = coords, coords, coords.device

    def __len__(self) -> int:
        return len(self.coords)


def expected(weight: Tensor, size: Tensor, total: int) -> Tensor:
    """Expected number of points of each cell and signal, `[s, c]`; as `nint.samplers.cells.allot`, a row each.

    Args:
        weight: `[s, c]`, above 0.
        size: Points in each cell, `[c]`.
        total: Points wanted of each signal.
    """
    weight = weight.double()
    level = total / (weight * size).sum(1, keepdim=True)
    crowded = torch.nonzero(level[:, 0] * weight.amax(1) > 1)[:, 0]  # signals of which some cells would get more than they have
    if len(crowded):
        lightest, order = torch.sort(weight[crowded], dim=1)
        points = size[order]
        held = torch.cumsum(points, 1)
        levels = (held - held[:, -1:] + total) / torch.cumsum(lightest * points, 1).clamp(min=1e-300)
        level[crowded] = levels.amax(1, keepdim=True)
    return (level * weight).clamp(max=1) * size


def rounded(wanted: Tensor, total: int, offset: Tensor) -> Tensor:
    """Each number rounded up or down, `total` in all of a signal; `offset` `[s]` or `[1]` decides which."""
    reached = torch.cumsum((wanted * UNIT).round().long(), 1)
    missing = total * UNIT - reached[:, -1]
    below = (reached + torch.clamp(offset, missing, missing + UNIT - 1)[:, None]) >> UNIT_BITS
    counts = below.clone()
    counts[:, 1:] -= below[:, :-1]
    return counts
