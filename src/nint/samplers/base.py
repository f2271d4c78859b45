"""The sampler contract: frozen hyper-parameters, state in and out; a sampler has no access to the trainer.

state = sampler.init(probe, total_steps, rng)
for step in range(...):
    selection, state = sampler.select(state, step, probe, rng)
    ...                                  # train on selection.indices
    state = sampler.observe(state, step, selection, feedback)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from nint.errors import UsageError, what_is
from nint.ntk.products import Params
from nint.probe.objectives import Objective
from nint.probe.probe import Probe
from nint.samplers.picker import picker_for
from nint.samplers.schedules import SHARE_SCHEDULES, batch_share, check_interval, scores_at
from nint.settings import check, label_of, renamed, setting
from nint.signals.base import Pool

S = TypeVar("S")
"""State of a sampler: a frozen dataclass of tensors and plain values."""


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
    """By-products of the training step: values before the update, detached.

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
    """State of samplers that keep nothing between steps."""


@dataclass(frozen=True)
class Sampler(ABC, Generic[S]):
    """Base of every strategy, generic in its state. Hyper-parameters are the fields of the dataclass.

    Class attributes:
        State: Class of the state, a frozen dataclass of tensors and plain values; a checkpoint rebuilds it from its fields.
        needs: What the pool, the loop or the network must offer, checked before step 0: "grid2d" (points fill a 2-D image grid),
            "coord_gradient" (the loop reports d objective / d coords), "prediction" (the network, called by the probe, returns one
            tensor), "kernel" (J^T u and J v; forward mode must go through the network).
        works_on_subpools: Whether it chooses anew at each step, so that the pool may be a fresh random part (`Candidates`).
        looks_at_points: Whether it asks for predictions of points that it does not train on; where not, a random part gains nothing.
        compared: Whether a comparison without named samplers takes it.
    """

    State: ClassVar[type[Any]] = NoState
    needs: ClassVar[frozenset[str]] = frozenset()
    works_on_subpools: ClassVar[bool] = True
    looks_at_points: ClassVar[bool] = True
    compared: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check(self, label_of(type(self)))

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> S:
        """State before step 0.

        Args:
            probe: The network and the first pool.
            total_steps: The run length that schedules are laid out for.
            rng: The sampler's own generator, on the pool's device.
        """
        state: S = self.State()
        return state

    @abstractmethod
    def select(self, state: S, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, S]:
        """The batch of a step and the state after choosing it.

        Args:
            state: What `init`, or the step before, returned.
            step: 0-based.
            probe: The network at its current parameters, and the current pool.
            rng: The sampler's own generator, on the pool's device.
        """

    def observe(self, state: S, step: int, selection: Selection, feedback: Feedback) -> S:
        """The state after the training step, which reports its own predictions, losses and gradients.

        Args:
            state: What `select` returned.
            step: 0-based.
            selection: What `select` returned.
            feedback: By-products of the step.
        """
        return state

    def requires(self) -> frozenset[str]:
        """What this one needs: `needs`, where settings do not change it."""
        return self.needs

    def note(self, probe: Probe) -> str:
        """A sentence to show before the run where the strategy works differently on this pool; else empty."""
        return ""

    def expected_share(self, step: int, total_steps: int) -> float:
        """Fraction of the pool that a step will train on, in (0, 1]; only used for estimates before a run."""
        return 1.0

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """Work of choosing the batch of a step, in forwards over the whole pool (`Cost.forward_equivalents`); for estimates only."""
        return 0.0


@dataclass(frozen=True)
class BatchState:
    """State of samplers that keep nothing but the length of the run.

    Attributes:
        total_steps: The run length that schedules are laid out for.
    """

    total_steps: int


@dataclass(frozen=True)
class BatchSampler(Sampler[S]):
    """A strategy that trains on a fraction of the pool. Its default `init` calls `State(total_steps)`.

    Attributes:
        batch_share: B / N, the fraction of the pool in a batch (the paper's B).
        schedule: How that fraction grows over the run.
        batch_size: B in points, instead of a fraction.
        candidates: Size of the random sub-pool that is scored instead of the whole; see `Candidates`.
    """

    batch_share: float = setting(0.2, "fraction of the pool in each batch", symbol="B", above=0, at_most=1)
    schedule: str = setting("constant", "how the batch share grows over the run", choices=SHARE_SCHEDULES)
    batch_size: int | None = setting(None, "points in each batch, instead of a fraction", at_least=1, at_most=2**53)
    candidates: int | None = setting(None, "choose among this many random points instead of all", at_least=1, at_most=2**53)

    State: ClassVar[type[Any]] = BatchState

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size is not None and self.batch_share != type(self).batch_share:
            name = label_of(type(self))
            raise UsageError(
                f"{name}: batch_share={self.batch_share} and batch_size={self.batch_size} both set the batch; give one of them."
            )

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> S:
        """State before step 0, `State(total_steps)`."""
        state: S = self.State(total_steps)
        return state

    def count(self, step: int, total_steps: int, n: int) -> int:
        """Batch size B at a step, from 1 to n: `batch_size`, else int(fraction * N); a schedule lets either grow to n."""
        if self.schedule == "constant" and self.batch_size is not None:
            return min(self.batch_size, n)
        points = batch_share(self.schedule, self.start_share(n), step, total_steps) * n
        return max(int(points if self.batch_size is None else round(points, 9)), 1)

    def start_share(self, n: int) -> float:
        """Fraction of a pool of n points that the schedule starts from."""
        return self.batch_share if self.batch_size is None else min(self.batch_size / n, 1.0)

    def expected_share(self, step: int, total_steps: int) -> float:
        """Fraction of the pool that a step will train on, from `batch_share` and `schedule`."""
        return batch_share(self.schedule, self.batch_share, step, total_steps)


@dataclass(frozen=True)
class CachedBatch:
    """The last scored batch, which steps without scoring reuse.

    Attributes:
        indices: The batch, scored part first, `[b]`.
        scored: How many of its points were chosen by score.
        epoch: Pool epoch in which it was chosen.
    """

    indices: Tensor
    scored: int
    epoch: int


@dataclass(frozen=True)
class ScoredState:
    """State of a scored sampler that caches nothing but its batch.

    Attributes:
        total_steps: The run length that schedules are laid out for.
        cached: The last scored batch.
    """

    total_steps: int
    cached: CachedBatch | None = field(default=None, metadata=renamed("held"))


@dataclass(frozen=True)
class ScoredSampler(BatchSampler[S]):
    """A strategy that scores points, at every step or by a scoring schedule.

    Attributes:
        interval: The scoring schedule: steps at which the scores are recomputed (Table 8).
        between: What a step that does not score trains on: the whole previous batch, random part included (INT's and NINT's
            code), or its scored part with a fresh random rest (EVOS's way).
    """

    interval: str = setting("dense", "when points are scored: dense, every-K, incremental or decremental")
    between: str = setting("keep", "batch of a step without scoring: keep it whole, or redraw its random part", choices=("keep", "redraw"))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_interval(self.interval)

    def scoring_forwards(self, step: int, total_steps: int) -> float:
        """One forward over the pool at a scoring step, else none."""
        return 1.0 if scores_at(self.interval, step, total_steps) else 0.0

    def cached_selection(self, cached: CachedBatch, probe: Probe, rng: torch.Generator) -> Selection:
        """The batch of a step that does not score: the cached one, its random part redrawn where `between` says so."""
        if self.between == "keep":
            return Selection(cached.indices)
        picker = picker_for(probe, rng)
        picker.take(cached.indices[: cached.scored])
        picker.random(picker.summed(len(cached.indices) - cached.scored))
        return Selection(picker.indices)


def require_sampler(sampler: Any) -> Sampler[Any]:
    """A sampler, if it is one.

    Raises:
        UsageError: for anything else.
    """
    if not isinstance(sampler, Sampler):
        raise UsageError(f"sampler= must be a text form such as 'nint', or a Sampler; {what_is(sampler)} is not a sampler.")
    return sampler


def check_needs(sampler: Sampler[Any], probe: Probe | Pool, name: str, otherwise: str = "") -> None:
    """Checks, before step 0, that the pool offers what a sampler needs.

    Args:
        sampler: Sampler.
        probe: Of the pool, or the pool.
        name: What messages call the sampler.
        otherwise: What else would help, as the end of the message.

    Raises:
        UsageError: says what is missing and which samplers work without it.
    """
    if "grid2d" in sampler.requires() and (probe.grid is None or len(probe.grid) != 2):
        shape = "points without a grid" if probe.grid is None else f"a {len(probe.grid)}-D grid"
        raise UsageError(
            f"{name} needs an image (a 2-D grid of points) but this signal is {shape}; use nint, int, evos or uniform{otherwise}."
        )
