"""A teacher where `torch.utils.data` expects a loader, a sampler or a batch sampler.

Each batch depends on what the one before has reported, so nothing can be fetched ahead: a `DataLoader` needs `num_workers=0`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from torch import Tensor
from torch.utils.data import Sampler

from nint.errors import UsageError
from nint.samplers.batch import Batch
from nint.settings import whole
from nint.teacher import Teacher

T = TypeVar("T", covariant=True)


_WORKERS = "num_workers=0, because workers fetch ahead"
_WHOLE = f"batch_size=None, because a TeacherSampler gives whole batches, and {_WORKERS}"
"""What a DataLoader must be given, for the message."""


def _count(teacher: Teacher, steps: int | None) -> int:
    return teacher.total_steps if steps is None else whole(steps, "steps")


def _next(teacher: Teacher, loader: str = _WORKERS) -> Batch:
    """The next batch.

    Args:
        teacher: Chooses the points.
        loader: What a DataLoader must be given, for the message.

    Raises:
        UsageError: where the last one was not reported.
    """
    if teacher.pending is not None:
        raise UsageError(
            f"The next batch was asked for before the last one was reported; call teacher.observe() in each step, and give a DataLoader "
            f"{loader}."
        )
    return teacher.next()


class TeacherBatches:
    """A loader of a teacher's batches, for loops that take any iterable: `for batch in TeacherBatches(teacher)`.

    It says that it can be resumed, because the teacher's own state can: keep that with `teacher.state_dict()` or a `TeacherCallback`.

    Args:
        teacher: Chooses the points.
        steps: Batches of one pass (an epoch); None is the teacher's `total_steps`.

    Raises:
        UsageError: for less than one step.
    """

    def __init__(self, teacher: Teacher, steps: int | None = None) -> None:
        self.teacher, self.steps = teacher, _count(teacher, steps)

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.steps):
            yield _next(self.teacher)

    def state_dict(self) -> dict[str, Any]:
        """The finished steps, for information."""
        return {"step": self.teacher.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: where the next batch comes from is the teacher's state."""


class _FromTeacher(Sampler[T], Generic[T]):
    """Base of samplers that a teacher drives.

    Args:
        teacher: Chooses the points; its pool has a row for each item of the data set, in the same order.
        steps: Batches of one pass (an epoch); None is the teacher's `total_steps`.

    Attributes:
        batch: What was chosen last; `batch.loss(prediction)` is the loss to differentiate.

    Raises:
        UsageError: for less than one step.
    """

    _loader = _WORKERS

    def __init__(self, teacher: Teacher, steps: int | None = None) -> None:
        super().__init__()
        self.teacher, self.steps = teacher, _count(teacher, steps)
        self.batch: Batch | None = None

    def __len__(self) -> int:
        return self.steps

    def _batches(self) -> Iterator[Batch]:
        for _ in range(self.steps):
            self.batch = _next(self.teacher, self._loader)
            yield self.batch


class TeacherBatchSampler(_FromTeacher[list[int]]):
    """Lists of item numbers: `DataLoader(dataset, batch_sampler=TeacherBatchSampler(teacher))` for data sets of single items."""

    def __iter__(self) -> Iterator[list[int]]:
        return (batch.indices.tolist() for batch in self._batches())


class TeacherSampler(_FromTeacher[Tensor]):
    """Item numbers as one tensor `[b]`: `DataLoader(dataset, sampler=TeacherSampler(teacher), batch_size=None)`.

    For data sets that give many items at once, such as `TensorDataset`; much faster than one item after another.
    """

    _loader = _WHOLE

    def __iter__(self) -> Iterator[Tensor]:
        return (batch.indices for batch in self._batches())
