"""Expansive Supervision: a fixed set of edge pixels, the anchors, plus a fresh random rest.

Source: Zhang et al., ICME 2025, and its public code. See the method card docs/samplers/expansive.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, Selection
from nint.samplers.picker import Picker, random_rows
from nint.scores.edges import canny, dilate_2x2, luma_8bit, otsu
from nint.settings import setting

_ROUNDS = 100
_GAIN = 15
_TOLERANCE = 0.2
_SMALLEST_FACTOR = 0.25
"""A round at most quarters theta, where the published rule would make it negative."""

SEARCHES = ("closest", "released")


def search_edges(image: np.ndarray, area: float, search: str = "closest") -> np.ndarray:
    """Canny edges that cover about a wanted fraction of the image, `[rows, columns]` bool.

    Thresholds (0.5 o, theta o) with Otsu's o; theta starts at 1 and is multiplied by 1 + 15 (edge fraction - wanted fraction), at
    most 100 times, until the edge fraction is within 20 % of the wanted one.

    Args:
        image: `[rows, columns]` uint8.
        area: Wanted edge fraction, 0..1.
        search: What is kept where it runs out. "released": the last edges, theta free to turn negative, as in the authors' code (which
            ends with far more edges than wanted on many photographs). "closest": the closest edges that cover enough, else the most that
            were seen, theta falling to no less than a quarter in a round.
    """
    threshold, theta, best = otsu(image), 1.0, (False, -np.inf)
    least = -np.inf if search == "released" else _SMALLEST_FACTOR
    for _ in range(1 + _ROUNDS):
        edges = canny(image, 0.5 * threshold, theta * threshold)
        excess = edges.mean() - area
        rank = (excess >= 0, -abs(excess))
        if rank > best:
            best, kept = rank, edges
        if abs(excess) <= _TOLERANCE * area:
            return edges
        theta *= max(1 + _GAIN * excess, least)
    return edges if search == "released" else kept


@dataclass(frozen=True)
class ExpansiveState:
    """The anchors, found once a pool.

    Attributes:
        total_steps: The run length that the batch schedule is laid out for.
        anchors: Flat indices of the anchors, `[m]`.
        epoch: Pool epoch of `anchors`.
    """

    total_steps: int
    anchors: Tensor
    epoch: int


@dataclass(frozen=True)
class Expansive(BatchSampler[ExpansiveState]):
    """All anchors, at most int((1 - xi) * batch_share * N) edge pixels, plus random others up to int(batch_share * N) in all.

    The anchors are found once and stay; where the batch grows over the run, only its random part grows. Of a batch that is smaller than
    the one they were found for (`growing` starts at a quarter) they have their part, drawn from all of them.

    Cost: no forwards.
    Differs: a short anchor set is made up for by random points, so that the batch always has int(batch_share * N).
    """

    random_share: float = setting(0.5, "fraction of the batch drawn uniformly", symbol="xi", at_least=0, at_most=1)
    search: str = setting(
        "closest", "edges kept where the search for a threshold runs out: closest, or released (the last)", choices=SEARCHES
    )

    State = ExpansiveState
    works_on_subpools = False
    needs = frozenset({"grid2d"})

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> ExpansiveState:
        """Finds the anchors: edges of the pool's image that cover about (1 - xi) * batch_share of it."""
        area = (1 - self.random_share) * self.start_share(len(probe))
        most = int(area * len(probe))
        if most == 0:
            return ExpansiveState(total_steps, torch.empty(0, dtype=torch.long, device=probe.device), probe.epoch)
        edges = dilate_2x2(search_edges(luma_8bit(probe.pool), area, self.search))
        anchors = torch.from_numpy(edges.ravel().nonzero()[0]).to(probe.device)
        if len(anchors) > most:
            anchors = anchors[random_rows(len(anchors), most, rng)].sort().values
        return ExpansiveState(total_steps, anchors, probe.epoch)

    def select(self, state: ExpansiveState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, ExpansiveState]:
        """The anchors and a fresh random rest."""
        if state.epoch != probe.epoch:
            state = self.init(probe, state.total_steps, rng)
        count = self.count(step, state.total_steps, len(probe))
        anchors, first = state.anchors, int(self.start_share(len(probe)) * len(probe))
        if count < first:  # of a batch that is smaller than at first, anchors have their part
            most = int((1 - self.random_share) * count)
            anchors = anchors[random_rows(len(anchors), most, rng)] if len(anchors) > most else anchors
        picker = Picker(len(probe), rng)
        picker.take(anchors)
        picker.random(count - len(picker))
        return Selection(picker.indices), state
