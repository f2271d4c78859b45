"""NINT: train on the points that move the whole function most.

Source: Sec. 3.3, Sec. 4.1.1 and Algorithm 1 of the paper. Differs from the authors' code, which is `nint-reference`; see the
method card docs/samplers/nint.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nint.probe.probe import Probe
from nint.samplers.base import CachedBatch, ScoredSampler, Selection
from nint.samplers.picker import Picker, picker_for
from nint.samplers.schedules import last_scoring, scores_at
from nint.scores.ntk import ntk_gradient_norm
from nint.scores.residual import error
from nint.settings import renamed, setting

_NEGLIGIBLE = 1e-4  # fraction of a batch that is less than one point in pools of usual size


@dataclass(frozen=True)
class NintState:
    """The stale NTK scores and the last batch.

    Attributes:
        total_steps: The run length that schedules are laid out for.
        ntk_scores: Norm of K g for each point at the last refresh, `[n]`.
        ntk_epoch: Pool epoch of `ntk_scores`.
        ntk_step: Step of that refresh.
        cached: The last scored batch.
    """

    total_steps: int
    ntk_scores: Tensor | None = None
    ntk_epoch: int = -1
    ntk_step: int = -1
    cached: CachedBatch | None = field(default=None, metadata=renamed("held"))


@dataclass(frozen=True)
class Nint(ScoredSampler[NintState]):
    """Batch of B = random part + NTK part + error part (Sec. 4.1.1).

    random_share=0, decay_rate=0, refresh_interval=1 is Algorithm 1: the whole batch by NTK score, rescored at every step.

    Cost: N forwards a step; at a refresh also N backwards and N forward-mode passes, until the NTK part is empty.
    """

    random_share: float = setting(0.7, "fraction of the batch drawn uniformly", symbol="xi", at_least=0, at_most=1)
    refresh_interval: int = setting(
        10, "steps between recomputations of K g, and the time scale of the decay", symbol="alpha", at_least=1, at_most=2**31
    )
    decay_rate: float = setting(
        1.0, "decay of the NTK part: fraction (1 - xi) exp(-lambda t / alpha)", symbol="lambda", at_least=0, at_most=1e6
    )

    State = NintState
    needs = frozenset({"prediction", "kernel"})

    def decay(self, step: int) -> float:
        """Fraction of the scored points that the NTK score chooses at a step, from 1 down."""
        return math.exp(-self.decay_rate * step / self.refresh_interval)

    def ntk_share(self, step: int) -> float:
        """Fraction of the batch chosen by NTK score at a step, (1 - xi) exp(-lambda t / alpha)."""
        return (1 - self.random_share) * self.decay(step)

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """6 where K g is recomputed, 1 where only errors are needed, 0 at a step without scoring."""
        if not scores_at(self.interval, step, total_steps):
            return 0.0
        ntk = self.ntk_share(step)
        last = last_scoring(self.interval, step, total_steps)
        if ntk > _NEGLIGIBLE and step // self.refresh_interval > last // self.refresh_interval:
            return 6.0  # a forward and a backward, which also give the errors, then a forward-mode pass
        return 1.0 if 1 - self.random_share - ntk > _NEGLIGIBLE else 0.0

    def select(self, state: NintState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, NintState]:
        """NTK part, error part and random part of the batch, or the cached batch at a step without scoring."""
        cached = state.cached
        if cached and cached.epoch == probe.epoch and not scores_at(self.interval, step, state.total_steps):
            return self.cached_selection(cached, probe, rng), state
        batch = self.count(step, state.total_steps, len(probe))
        n_random = int(self.random_share * batch)
        n_ntk = int(self.decay(step) * (batch - n_random))
        n_error = batch - n_random - n_ntk

        picker = picker_for(probe, rng)
        if n_ntk > 0:
            scores, state = self._ntk_scores(state, step, probe, rng)
            self.take(picker, scores, n_ntk)
        if n_error > 0:
            picker.top(error(probe), n_error)
        scored = len(picker.indices)
        picker.random(n_random)
        return Selection(picker.indices), replace(state, cached=CachedBatch(picker.indices, scored, probe.epoch))

    def scores(self, probe: Probe, rng: torch.Generator) -> Tensor:
        """What the NTK part ranks by: the norm over channels of K g, `[n]`."""
        return ntk_gradient_norm(probe)

    def take(self, picker: Picker, scores: Tensor, count: int) -> None:
        """Takes the NTK part: the points of highest score."""
        picker.top(scores, count)

    def _ntk_scores(self, state: NintState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Tensor, NintState]:
        scores = state.ntk_scores if state.ntk_epoch == probe.epoch else None
        # At multiples of alpha, or at the first scoring step after one that the scoring schedule skips.
        if scores is None or step // self.refresh_interval > state.ntk_step // self.refresh_interval:
            scores = self.scores(probe, rng)
            state = replace(state, ntk_scores=scores, ntk_epoch=probe.epoch, ntk_step=step)
        return scores, state
