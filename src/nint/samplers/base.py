"""The sampler contract: frozen hyper-parameters, state in and out, the trainer never seen.

state = sampler.init(probe, total_steps, rng)
for step in range(...):
    selection, state = sampler.select(state, step, probe, rng)
    ...                                  # train on selection.indices
    state = sampler.observe(state, step, selection, feedback)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.ntk.products import Params
from nint.probe.objectives import Objective
from nint.probe.probe import Probe
from nint.samplers.picker import Picker
from nint.samplers.schedules import SHARE_SCHEDULES, batch_share, check_interval, scores_at
from nint.settings import check, label_of, setting


@dataclass(frozen=True)
class Selection:
    """Which points to train on now.

    Attributes:
        indices: Rows of the probe's pool, `[b]`.
        objective: What to minimise on them; None is the run's own loss.
    """

    indices: Tensor
    objective: Objective | None = None


@dataclass(frozen=True)
class Feedback:
    """What the training step paid for anyway: values before the update, detached.

    Attributes:
        prediction: `[b, c]`.
        point_loss: The run's own loss of each point, `[b]`.
        coord_gradient: d objective / d coords, `[b, d_in]`, in coordinate units; only for samplers that need it.
        gradient: The parameter gradient the optimizer is about to use, by parameter name.
    """

    prediction: Tensor
    point_loss: Tensor
    coord_gradient: Tensor | None = None
    gradient: Params | None = None


@dataclass(frozen=True)
class NoState:
    """State of samplers that remember nothing."""


@dataclass(frozen=True)
class Sampler(ABC):
    """Base of every strategy. Hyper-parameters are the fields of the dataclass; `State` is a frozen dataclass of tensors and plain values.

    Class attributes:
        State: Class of the state; a checkpoint rebuilds it from its fields.
        needs: What the pool or the loop must offer, checked before step 0: "grid2d" (points fill a 2-D image grid),
            "coord_gradient" (the loop reports d objective / d coords).
        works_on_subpools: Whether it chooses anew at each step, so that the pool may be a fresh random part (`Candidates`).
    """

    State: ClassVar[type] = NoState
    needs: ClassVar[frozenset[str]] = frozenset()
    works_on_subpools: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(self, label_of(type(self)))

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> Any:
        """State before step 0.

        Args:
            probe: The network and the first pool.
            total_steps: What schedules read.
            rng: The sampler's own generator, on the pool's device.
        """
        return self.State()

    @abstractmethod
    def select(self, state: Any, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, Any]:
        """The batch of a step and the state after choosing it."""

    def observe(self, state: Any, step: int, selection: Selection, feedback: Feedback) -> Any:
        """The state after the training step has reported what it saw."""
        return state

    def note(self, probe: Probe) -> str:
        """A sentence to show before the run where the strategy works differently on this pool; empty where it does not."""
        return ""

    def expected_share(self, step: int, total_steps: int) -> float:
        """Share of the pool that a step will train on, in (0, 1]. For estimates before a run; nothing else reads it."""
        return 1.0

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """Work of choosing the batch of a step, in forwards over the whole pool as `Cost.units` counts them. For estimates only."""
        return 0.0


@dataclass(frozen=True)
class BatchState:
    """State of samplers that remember nothing but the length of the run.

    Attributes:
        total_steps: What schedules read.
    """

    total_steps: int


@dataclass(frozen=True)
class BatchSampler(Sampler):
    """A strategy that trains on a share of the pool.

    Attributes:
        batch_share: B / N, the share of the pool in a batch (the paper's B).
        schedule: How the share grows over the run.
        batch_size: B in points, for pools of which no share is handy.
        candidates: Size of the random sub-pool that is scored instead of the whole; see `Candidates`.
    """

    batch_share: float = setting(0.2, "share of the pool in each batch", symbol="B", above=0, at_most=1)
    schedule: str = setting("constant", "how the batch share grows over the run", choices=SHARE_SCHEDULES)
    batch_size: int | None = setting(None, "points in each batch, instead of a share", at_least=1)
    candidates: int | None = setting(None, "choose among this many random points instead of all", at_least=1)

    State = BatchState

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size is not None and self.batch_share != type(self).batch_share:
            name = label_of(type(self))
            raise UsageError(
                f"{name}: batch_share={self.batch_share} and batch_size={self.batch_size} both set the batch; give one of them."
            )

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> Any:
        return self.State(total_steps)

    def count(self, step: int, total_steps: int, n: int) -> int:
        """Batch size B at a step, from 1 to n: `batch_size`, else int(share * N); a schedule lets either grow to n."""
        if self.schedule == "constant" and self.batch_size is not None:
            return min(self.batch_size, n)
        return max(int(batch_share(self.schedule, self.start_share(n), step, total_steps) * n), 1)

    def start_share(self, n: int) -> float:
        """Share of a pool of n points that the schedule starts from."""
        return self.batch_share if self.batch_size is None else min(self.batch_size / n, 1.0)

    def expected_share(self, step: int, total_steps: int) -> float:
        return batch_share(self.schedule, self.batch_share, step, total_steps)


@dataclass(frozen=True)
class Held:
    """A batch that steps without scoring go back to.

    Attributes:
        indices: The batch, scored part first, `[b]`.
        scored: How many of it were chosen by score.
        epoch: Pool epoch in which it was chosen.
    """

    indices: Tensor
    scored: int
    epoch: int


@dataclass(frozen=True)
class ScoredState:
    """State of a scored sampler that caches nothing but its batch."""

    total_steps: int
    held: Held | None = None


@dataclass(frozen=True)
class ScoredSampler(BatchSampler):
    """A strategy that scores points, densely or at intervals.

    Attributes:
        interval: Steps at which the scores are recomputed (Table 8).
        between: What a step that does not score trains on: the whole previous batch, random part included (INT's and NINT's
            code), or its scored part with a fresh random rest (EVOS's way).
    """

    interval: str = setting("dense", "when points are scored: dense, every-K, incremental or decremental")
    between: str = setting("keep", "batch of a step without scoring: keep it whole, or redraw its random part", choices=("keep", "redraw"))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval(self.interval)

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        return 1.0 if scores_at(self.interval, step, total_steps) else 0.0

    def held_selection(self, held: Held, probe: Probe, rng: torch.Generator) -> Selection:
        """The batch of a step that does not score."""
        if self.between == "keep":
            return Selection(held.indices)
        picker = Picker(len(probe), rng)
        picker.take(held.indices[: held.scored])
        picker.random(len(held.indices) - held.scored)
        return Selection(picker.indices)


def check_needs(sampler: Sampler, probe: Probe, name: str) -> None:
    """Checks, before step 0, that the pool offers what a sampler needs.

    Raises:
        UsageError: says what is missing and which samplers work without it.
    """
    if "grid2d" in sampler.needs and (probe.grid is None or len(probe.grid) != 2):
        shape = "points without a grid" if probe.grid is None else f"a {len(probe.grid)}-D grid"
        raise UsageError(f"{name} needs an image (a 2-D grid of points) but this signal is {shape}; use nint, int, evos or uniform.")
