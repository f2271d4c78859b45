"""The NINT authors' public code, its staircase, its stale remainder and its L1 errors included.

Source: specification of the authors' repository; every difference from the paper is listed in docs/samplers/nint.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nint.probe.probe import Probe
from nint.samplers.base import CachedBatch, ScoredSampler, Selection
from nint.samplers.picker import Picker
from nint.samplers.schedules import scores_at, scorings_before
from nint.scores.residual import residual_l1
from nint.settings import renamed, setting

_STOP_BELOW = 1e-3


@dataclass(frozen=True)
class ReferenceState:
    """The staircase, the stale ranking and the last batch.

    Attributes:
        total_steps: The run length that schedules are laid out for.
        scorings: Scoring steps so far (u).
        share: NTK fraction p of the staircase.
        stopped: Whether NTK scoring has stopped for the rest of the run.
        order: Points by falling NTK score at the last refresh, `[n]`.
        order_epoch: Pool epoch of `order`.
        cached: The last scored batch.
    """

    total_steps: int
    scorings: int = 0
    share: float = 0.0
    stopped: bool = False
    order: Tensor | None = None
    order_epoch: int = -1
    cached: CachedBatch | None = field(default=None, metadata=renamed("held"))


@dataclass(frozen=True)
class NintReference(ScoredSampler[ReferenceState]):
    """NTK part int(B p), error part int(B (1 - p - xi)), the rest random, with p on a staircase that is updated every alpha scorings.

    At the defaults K g is computed at t = 0, 9, 19, 29, 39, 49 only; the stale ranking is still cut to int(B p) until that is zero.
    NTK score: sum over channels of (K r)^2 with the raw residual r. Error score: sum of |r|.

    Cost: N forwards a scoring step; at a refresh also N forwards, N backwards and N forward-mode passes.
    Differs: on a redrawn pool a stale ranking is never used; K g is recomputed while its part of the batch is not empty and
    scoring has not stopped.
    """

    random_share: float = setting(0.7, "fraction of the batch drawn uniformly", symbol="xi", at_least=0, at_most=1)
    refresh_interval: int = setting(10, "scoring steps between recomputations of K g", symbol="alpha", at_least=1, at_most=2**31)
    decay_rate: float = setting(
        1.0, "decay of the staircase: (1 - xi) exp(-ceil(lambda u / alpha))", symbol="lambda", at_least=0, at_most=1e6
    )

    State = ReferenceState
    needs = frozenset({"prediction", "kernel"})

    def staircase(self, scorings: int) -> float:
        """NTK fraction p at the u-th scoring step, u from 1."""
        return (1 - self.random_share) * math.exp(-math.ceil(round(self.decay_rate * scorings / self.refresh_interval, 9)))

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """6 where K g is recomputed, plus 1 where errors are needed too; 0 at a step without scoring."""
        if not scores_at(self.interval, step, total_steps):
            return 0.0
        scorings = scorings_before(self.interval, step + 1, total_steps)
        due = scorings == 1 or scorings % self.refresh_interval == 0
        last = scorings if due else max(scorings // self.refresh_interval * self.refresh_interval, 1)
        share = self.staircase(last)
        kernel = 6.0 if due and share >= _STOP_BELOW else 0.0  # a forward, a backward and a forward-mode pass
        return kernel + (1.0 if kernel or 1 - share - self.random_share > 0 else 0.0)

    def select(self, state: ReferenceState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, ReferenceState]:
        """NTK part, error part and random part of the batch, or the cached batch at a step without scoring."""
        cached = state.cached
        if cached and cached.epoch == probe.epoch and not scores_at(self.interval, step, state.total_steps):
            return self.cached_selection(cached, probe, rng), state
        batch = self.count(step, state.total_steps, len(probe))
        state = self._refreshed(state, probe, batch)
        n_ntk = int(batch * state.share)
        n_error = int(batch * (1 - state.share - self.random_share))

        picker = Picker(len(probe), rng)
        if state.order is not None and n_ntk > 0:
            picker.take(state.order[:n_ntk])
        if n_error > 0:
            picker.top(residual_l1(probe), n_error)
        scored = len(picker)
        picker.random(batch - scored)
        return Selection(picker.indices), replace(state, cached=CachedBatch(picker.indices, scored, probe.epoch))

    def _refreshed(self, state: ReferenceState, probe: Probe, batch: int) -> ReferenceState:
        scorings = state.scorings + 1
        due = scorings == 1 or scorings % self.refresh_interval == 0
        share = self.staircase(scorings) if due else state.share
        stopped = state.stopped or (due and share < _STOP_BELOW)
        state = replace(state, scorings=scorings, share=share, stopped=stopped)
        redrawn = state.order is not None and state.order_epoch != probe.epoch
        if redrawn:
            state = replace(state, order=None)
        if not stopped and (due or redrawn) and int(batch * share) > 0:
            scores = probe.jvp(probe.vjp(probe.residual())).square().sum(1)
            state = replace(state, order=torch.argsort(scores, descending=True), order_epoch=probe.epoch)
        return state
