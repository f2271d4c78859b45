"""Any sampler on a fresh random sub-pool: cheap selection, pools larger than memory, long videos."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, Feedback, Sampler, ScoredSampler, Selection
from nint.samplers.picker import random_rows
from nint.settings import label_of


@dataclass(frozen=True)
class CandidatesState:
    """The wrapped sampler's state and the current sub-pool.

    Attributes:
        total_steps: The run length that schedules are laid out for.
        inner: State of the wrapped sampler.
        candidates: Rows of the current sub-pool between select and observe.
        chosen: Rows of the sub-pool that were selected, likewise.
    """

    total_steps: int
    inner: Any
    candidates: Tensor | None = None
    chosen: Tensor | None = None


@dataclass(frozen=True)
class Candidates(Sampler[CandidatesState]):
    """Draws `size` points uniformly at each step; another sampler chooses the batch among them.

    The batch keeps its size B = batch_share * N of the whole pool. Each sub-pool is an epoch of its own, so that nothing that is
    cached by index outlives it; it has no grid, so samplers that look at neighbours cannot be wrapped.
    In text form it is a setting of the wrapped sampler: `nint:candidates=262144`.

    Attributes:
        inner: The wrapped sampler.
        size: Points in the sub-pool at step 0; it grows with the batch, and is never smaller than it.

    Cost: that of the wrapped sampler on the sub-pool; memory follows it, not N.
    """

    inner: BatchSampler[Any]
    size: int

    State = CandidatesState

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UsageError(f"candidates={self.size} must be at least 1.")
        name = label_of(type(self.inner))
        if not self.inner.works_on_subpools:
            raise UsageError(
                f"{name} depends on earlier steps or on neighbouring points, so it cannot choose among fresh random candidates; "
                "leave candidates out."
            )
        if isinstance(self.inner, ScoredSampler) and self.inner.interval != "dense":
            raise UsageError(
                f"{name}: fresh candidates are scored at every step, so interval={self.inner.interval} is not possible; use dense."
            )

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> CandidatesState:
        """State before step 0, with that of the wrapped sampler on a sub-pool."""
        few = probe.on(torch.arange(min(self.size, len(probe)), device=probe.device), epoch=-1)
        return CandidatesState(total_steps, self.inner.init(few, total_steps, rng))

    def select(self, state: CandidatesState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, CandidatesState]:
        """Draws the sub-pool; the wrapped sampler chooses the batch in it."""
        batch = self.inner.count(step, state.total_steps, len(probe))
        rows = random_rows(len(probe), self._count(batch, state.total_steps, len(probe)), rng)
        # No sub-pool comes twice, so each needs an epoch of its own; the step makes it unique.
        few = probe.on(rows, epoch=probe.epoch * 2**32 + step + 1)
        fixed = replace(self.inner, batch_share=type(self.inner).batch_share, batch_size=batch, schedule="constant", candidates=None)
        selection, inner = fixed.select(state.inner, step, few, rng)
        chosen = replace(state, inner=inner, candidates=rows, chosen=selection.indices)
        return Selection(rows[selection.indices], selection.objective), chosen

    def observe(self, state: CandidatesState, step: int, selection: Selection, feedback: Feedback) -> CandidatesState:
        """Reports the step to the wrapped sampler, in rows of the sub-pool.

        Raises:
            UsageError: where no batch was selected.
        """
        if state.chosen is None:
            raise UsageError("candidates: observe() reports a batch that select() has chosen; call select() first.")
        inner = self.inner.observe(state.inner, step, Selection(state.chosen, selection.objective), feedback)
        return replace(state, inner=inner, candidates=None, chosen=None)

    def note(self, probe: Probe) -> str:
        """How many candidates there are, and what the wrapped sampler has to say."""
        n, own = len(probe), self.inner.note(probe)
        batch, size = self.inner.count(0, 1, n), min(self.size, n)
        if size <= batch:
            said = f"candidates={self.size} is not more than the batch of {batch:,} points, which is therefore drawn at random; give more."
        else:
            growing = "" if self.inner.schedule == "constant" else ", which grow with the batch"
            said = f"Each step chooses among {size:,} random candidates of {n:,} points{growing}."
        return f"{said}{' ' if own else ''}{own}"

    def _count(self, batch: int, total_steps: int, n: int) -> int:
        """Points in the sub-pool of a step: as many times the batch as at step 0."""
        first = self.inner.count(0, total_steps, n)
        return min(max(-(-self.size * batch // first), batch), n)

    def expected_share(self, step: int, total_steps: int) -> float:
        """That of the wrapped sampler."""
        return self.inner.expected_share(step, total_steps)


def effective(sampler: Sampler[Any]) -> Sampler[Any]:
    """The sampler to run: wrapped where it asks for candidates."""
    if isinstance(sampler, BatchSampler) and sampler.candidates is not None:
        return Candidates(sampler, sampler.candidates)
    return sampler
