"""Small patches of neighbouring points, drawn where a signal varies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nint.signals.base import Pool

_CANDIDATES = 32
_STEPS = {1: 256, 2: 16, 3: 6, 4: 4}
"""Axes -> points along each of a patch."""

_POINTS = 256


@dataclass(frozen=True)
class Patch:
    """Neighbouring points.

    Attributes:
        coords: `[n, d_in]`.
        values: `[n, c]`.
    """

    coords: Tensor
    values: Tensor

    @property
    def variance(self) -> float:
        """Mean over channels of the variance of the values."""
        return float(self.values.double().var(0, unbiased=False).mean())


def patches_of(pool: Pool, count: int, generator: torch.Generator) -> list[Patch]:
    """Patches among those of most variance out of `_CANDIDATES` random ones.

    Every second one of the candidates, from the one of most variance on, so that flat parts decide little and no single edge decides all.

    Args:
        pool: All points, on a grid or not.
        count: How many, at most.
        generator: Decides where, on the CPU.
    """
    found = [_patch(pool, generator) for _ in range(_CANDIDATES)]
    found = sorted((patch for patch in found if patch.variance > 0), key=lambda patch: -patch.variance)
    return found[: 2 * count : 2] if len(found) >= 2 * count else found[:count]


def _patch(pool: Pool, generator: torch.Generator) -> Patch:
    rows = _block(pool.grid, generator) if pool.grid is not None else _nearest(pool, generator)
    rows = rows.to(pool.device)
    return Patch(pool.coords[rows].detach().cpu(), pool.values[rows].detach().cpu())


def _block(grid: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Rows of a random block of the grid: axes of one point are left out, the others share `_POINTS`."""
    axes = sum(points > 1 for points in grid)
    side = _STEPS.get(axes, max(round(_POINTS ** (1 / max(axes, 1))), 2))
    rows = torch.zeros(1, dtype=torch.long)
    for points in grid:
        length = min(side, points)
        start = int(torch.randint(points - length + 1, (1,), generator=generator))
        rows = (rows[:, None] * points + torch.arange(start, start + length)).reshape(-1)
    return rows


def _nearest(pool: Pool, generator: torch.Generator) -> Tensor:
    """Rows of the points nearest to a random one, among at most 2^17 of the pool."""
    n = len(pool)
    among = torch.arange(n) if n <= 2**17 else torch.unique(torch.randint(n, (2**17,), generator=generator))
    coords = pool.coords[among.to(pool.device)].detach().cpu()
    centre = coords[int(torch.randint(len(among), (1,), generator=generator))]
    distances = (coords - centre).square().sum(1)
    return among[torch.topk(distances, min(_POINTS, len(among)), largest=False).indices]
