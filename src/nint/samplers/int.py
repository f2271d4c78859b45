"""INT, nonparametric teaching: the points of largest error.

Source: Zhang et al., ICML 2024. Its own recipe is schedule=step, interval=incremental and a cosine learning rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from nint.probe.probe import Probe
from nint.samplers.base import CachedBatch, ScoredSampler, ScoredState, Selection
from nint.samplers.picker import picker_for
from nint.samplers.schedules import scores_at
from nint.scores.residual import residual_l1


@dataclass(frozen=True)
class Int(ScoredSampler[ScoredState]):
    """The B points with the largest sum of absolute residuals; no random part.

    Cost: N forwards at each scoring step.
    """

    State = ScoredState
    needs = frozenset({"prediction"})

    def select(self, state: ScoredState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, ScoredState]:
        """The points of largest error, or the cached batch at a step without scoring."""
        cached = state.cached
        if cached and cached.epoch == probe.epoch and not scores_at(self.interval, step, state.total_steps):
            return self.cached_selection(cached, probe, rng), state
        picker = picker_for(probe, rng)
        picker.top(residual_l1(probe), self.count(step, state.total_steps, len(probe)))
        indices = picker.indices
        return Selection(indices), replace(state, cached=CachedBatch(indices, len(indices), probe.epoch))
