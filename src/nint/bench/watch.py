"""What watches a run of a benchmark, with its clock stopped: quality at given points and regularly, pictures at the checkpoints."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from nint.errors import DivergedError
from nint.monitors.base import BaseMonitor
from nint.monitors.evaluate import evaluate
from nint.monitors.snapshots import Snapshots
from nint.training.engine import Run


class Quality(BaseMonitor):
    """Evaluates every so many steps or training seconds, at given points and at the end.

    What is due by the clock is measured after the first step that ends past it: a multiple of `every_seconds`, or a point of `at_seconds`.

    Args:
        metric: The leading metric.
        every: Steps between evaluations.
        every_seconds: Training seconds between evaluations.
        at: Further steps.
        at_seconds: Further training seconds.

    Raises:
        DivergedError: where the leading metric is no number.
    """

    def __init__(
        self,
        metric: str,
        *,
        every: int | None = None,
        every_seconds: float | None = None,
        at: Iterable[float] = (),
        at_seconds: Iterable[float] = (),
    ) -> None:
        self._metric, self._every, self._every_seconds = metric, every, every_seconds
        self._at = frozenset(at)
        self._due = every_seconds or math.inf
        self._seconds = sorted(at_seconds)

    def start(self, run: Run) -> None:
        """Leaves out what an earlier sitting of the run has done."""
        now = run.clock.training_s
        self._seconds = [point for point in self._seconds if point > now]
        if self._every_seconds is not None:
            self._due = (now // self._every_seconds + 1) * self._every_seconds

    def after_step(self, run: Run) -> None:
        """Evaluates where it is due."""
        now = run.clock.training_s
        due = run.step in self._at or (self._every is not None and run.step % self._every == 0)
        if self._every_seconds is not None and now >= self._due:
            due = True
            self._due = (now // self._every_seconds + 1) * self._every_seconds
        if self._seconds and now >= self._seconds[0]:
            due = True
            self._seconds = [point for point in self._seconds if point > now]
        if due:
            self._evaluate(run)

    def finish(self, run: Run, reason: str) -> None:
        """Evaluates the last step, where that is not done yet."""
        if not run.curve or run.curve[-1]["step"] != run.step:
            self._evaluate(run)

    def _evaluate(self, run: Run) -> None:
        value = evaluate(run).get(self._metric)
        if value is not None and math.isnan(value):
            raise DivergedError(run.step, f"the {self._metric} is not a number")


class CheckpointSnapshots(Snapshots):
    """Snapshots after the first step, at each checkpoint and at the end: the columns of the picture of selected points.

    Args:
        folder: Where to write.
        checkpoints: Steps, or training seconds.
        in_seconds: Which of them.
    """

    def __init__(self, folder: Path, checkpoints: Iterable[float], in_seconds: bool) -> None:
        super().__init__(folder)
        self._in_seconds = in_seconds
        self._left = [0.0, *sorted(checkpoints)]

    def start(self, run: Run) -> None:
        """Leaves out what an earlier sitting of the run has written."""
        self._drop(run)

    def after_step(self, run: Run) -> None:
        """Writes one where it is due."""
        if self._drop(run):
            self._write(run)

    def _drop(self, run: Run) -> bool:
        """Takes the points that have passed off the list; whether there were any."""
        now, before = run.clock.training_s if self._in_seconds else run.step, len(self._left)
        self._left = [point for point in self._left if point > now]
        return len(self._left) < before


def clear_snapshots(folder: Path) -> None:
    """Removes the snapshots of an earlier try."""
    for path in folder.glob("step-*.npz"):
        path.unlink()
