"""The NINT authors' public code: its staircase, its cached indices, its L1 errors, and its score, which is not the one of the paper.

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

SCORES = ("prediction", "kernel")


@dataclass(frozen=True)
class ReferenceState:
    """The staircase, the points of the last refresh and the last batch.

    Attributes:
        total_steps: The run length that schedules are laid out for.
        scorings: Scoring steps so far (u).
        share: Scored fraction p of the staircase.
        stopped: Whether scoring has stopped for the rest of the run.
        order: The int(B p) points of highest score at the last refresh, best first.
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
    """Scored part int(B p), error part int(B (1 - p - xi)), the rest random, with p on a staircase that is updated every alpha scorings.

    At the defaults the score is computed at t = 0, 9, 19, 29, 39, 49 only; the points of a refresh are kept, and cut to int(B p), until
    that is zero. Where int(B p) has grown beyond what was kept (a growing batch), random points fill the gap.

    Score: with "prediction", as released, the sum over channels of f(x)^2 (the code unpacks the result of `jvp` the wrong way round); with
    "kernel", as the code's description intends, that of (K r)^2 with the raw residual r. Error score: sum of |r|.

    Cost: N forwards a scoring step; with "kernel" at a refresh also N forwards, N backwards and N forward-mode passes.
    Differs: on a redrawn pool old indices are never used; the score is recomputed while its part of the batch is not empty and scoring has
    not stopped. The code also computes J^T r at a refresh, which its ranking does not use; "prediction" leaves that out.
    """

    score: str = setting("prediction", "what the scored part ranks by: prediction (as released) or kernel", choices=SCORES)
    random_share: float = setting(0.7, "fraction of the batch drawn uniformly", symbol="xi", at_least=0, at_most=1)
    refresh_interval: int = setting(10, "scoring steps between recomputations of the score", symbol="alpha", at_least=1, at_most=2**31)
    decay_rate: float = setting(
        1.0, "decay of the staircase: (1 - xi) exp(-ceil(lambda u / alpha))", symbol="lambda", at_least=0, at_most=1e6
    )

    State = ReferenceState
    needs = frozenset({"prediction"})

    def requires(self) -> frozenset[str]:
        """The kernel too, where it is the score."""
        return self.needs | {"kernel"} if self.score == "kernel" else self.needs

    def staircase(self, scorings: int) -> float:
        """Scored fraction p at the u-th scoring step, u from 1."""
        return (1 - self.random_share) * math.exp(-math.ceil(round(self.decay_rate * scorings / self.refresh_interval, 9)))

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """1 where errors or predictions are needed, 6 more where K r is recomputed; 0 at a step without scoring."""
        if not scores_at(self.interval, step, total_steps):
            return 0.0
        scorings = scorings_before(self.interval, step + 1, total_steps)
        due = scorings == 1 or scorings % self.refresh_interval == 0
        last = scorings if due else max(scorings // self.refresh_interval * self.refresh_interval, 1)
        share = self.staircase(last)
        refreshed = due and share >= _STOP_BELOW
        kernel = 6.0 if refreshed and self.score == "kernel" else 0.0  # a forward, a backward and a forward-mode pass
        return kernel + (1.0 if refreshed or 1 - share - self.random_share > 0 else 0.0)

    def select(self, state: ReferenceState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, ReferenceState]:
        """Scored part, error part and random part of the batch, or the cached batch at a step without scoring."""
        cached = state.cached
        if cached and cached.epoch == probe.epoch and not scores_at(self.interval, step, state.total_steps):
            return self.cached_selection(cached, probe, rng), state
        batch = self.count(step, state.total_steps, len(probe))
        state = self._refreshed(state, probe, batch)
        n_scored = int(batch * state.share)
        n_error = int(batch * (1 - state.share - self.random_share))

        picker = Picker(len(probe), rng)
        if state.order is not None and n_scored > 0:
            picker.take(state.order[:n_scored])
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
            order = torch.topk(self._scores(probe), int(batch * share)).indices
            state = replace(state, order=order, order_epoch=probe.epoch)
        return state

    def _scores(self, probe: Probe) -> Tensor:
        ranked = probe.jvp(probe.vjp(probe.residual())) if self.score == "kernel" else probe.prediction()
        return ranked.square().sum(1)
