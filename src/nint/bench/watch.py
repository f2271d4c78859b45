"""What watches a run of a comparison, with its clock stopped: quality about a hundred times, pictures at the checkpoints."""

from __future__ import annotations

import math
from pathlib import Path

from nint.bench.plan import Plan
from nint.engine import Run
from nint.errors import DivergedError
from nint.monitors.base import BaseMonitor
from nint.monitors.evaluate import evaluate
from nint.monitors.snapshots import Snapshots


class Quality(BaseMonitor):
    """Evaluates every so many steps (or training seconds), at checkpoint steps and at the end.

    Under a budget of seconds an evaluation is due after the first step that ends past a multiple of `plan.every_seconds`.

    Raises:
        DivergedError: where the leading metric is no number.
    """

    def __init__(self, plan: Plan) -> None:
        self._metric, self._every, self._every_seconds = plan.metric, plan.every, plan.every_seconds
        self._at = frozenset() if plan.in_seconds else frozenset(plan.checkpoints)
        self._due = self._every_seconds or math.inf

    def after_step(self, run: Run) -> None:
        due = run.step in self._at or (self._every is not None and run.step % self._every == 0)
        if run.clock.training_s >= self._due:
            due = True
            self._due = (run.clock.training_s // self._every_seconds + 1) * self._every_seconds
        if due:
            self._evaluate(run)

    def finish(self, run: Run, reason: str) -> None:
        if not run.curve or run.curve[-1]["step"] != run.step:
            self._evaluate(run)

    def _evaluate(self, run: Run) -> None:
        value = evaluate(run).get(self._metric)
        if value is not None and math.isnan(value):
            raise DivergedError(run.step, f"the {self._metric} is not a number")


class CheckpointSnapshots(Snapshots):
    """Snapshots after the first step, at each checkpoint and at the end: the columns of the picture of selected points."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        super().__init__(folder)
        self._in_seconds = plan.in_seconds
        self._left = [0.0, *plan.checkpoints]

    def after_step(self, run: Run) -> None:
        now = run.clock.training_s if self._in_seconds else run.step
        if self._left and now >= self._left[0]:
            self._left = [point for point in self._left if point > now]
            self._write(run)
