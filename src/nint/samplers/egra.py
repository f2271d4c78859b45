"""EGRA, edge-guided ray allocation: pixels near the target's edges are slightly more probable.

Source: Gai et al., EGRA-NeRF, 2023, as the image baselines run it. See the method card docs/samplers/egra.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, Selection
from nint.samplers.picker import Picker
from nint.scores.edges import canny, luma_8bit
from nint.settings import setting

_FLOOR = 4096 / 640_000
"""Chance of a ray in the original: 4096 of the 800 x 800 pixels of a view."""

_SHIFTS = (6, 9)


@dataclass(frozen=True)
class EgraState:
    """The target's edges, found once a pool.

    Attributes:
        total_steps: The run length that the batch schedule is laid out for.
        edges: Flat indices of the edge pixels, `[e]`.
        epoch: Pool epoch of `edges`.
    """

    total_steps: int
    edges: Tensor
    epoch: int


@dataclass(frozen=True)
class Egra(BatchSampler[EgraState]):
    """int(batch_share * N) pixels without replacement, weight p * edge + (1 - p) * 4096/640000: an edge pixel weighs 1.39 times another.

    The edges are the target's own (Canny), found once. At every step each edge pixel's flat index moves by its own random 6, 7,
    8 or 9 places from where Canny saw it, around the end of the image if need be.

    Cost: no forwards.
    """

    edge_weight: float = setting(0.0025, "weight of an edge on top of every pixel's own", symbol="p", at_least=0, at_most=1)
    canny_low: float = setting(30.0, "weaker Canny threshold, 8-bit scale", symbol="T1", at_least=0, at_most=1e4)
    canny_high: float = setting(40.0, "stronger Canny threshold, 8-bit scale", symbol="T2", at_least=0, at_most=1e4)

    State = EgraState
    works_on_subpools = False
    needs = frozenset({"grid2d"})

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> EgraState:
        """Finds the edges of the pool's image (Canny)."""
        edges = canny(luma_8bit(probe.pool), self.canny_low, self.canny_high)
        return EgraState(total_steps, torch.from_numpy(edges.ravel().nonzero()[0]).to(probe.device), probe.epoch)

    def weights(self, edges: Tensor, n: int) -> Tensor:
        """Weight of every pixel, `[n]`, for edges at these flat indices (repeats count once)."""
        weights = torch.full((n,), (1 - self.edge_weight) * _FLOOR, device=edges.device)
        weights[edges] = self.edge_weight + (1 - self.edge_weight) * _FLOOR
        return weights

    def select(self, state: EgraState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, EgraState]:
        """A weighted draw without replacement, with freshly displaced edges."""
        if state.epoch != probe.epoch:
            state = self.init(probe, state.total_steps, rng)
        n = len(probe)
        shifts = torch.randint(_SHIFTS[0], _SHIFTS[1] + 1, state.edges.shape, generator=rng, device=probe.device)
        picker = Picker(n, rng)
        picker.weighted(self.weights((state.edges + shifts) % n, n), self.count(step, state.total_steps, n))
        return Selection(picker.indices), state
