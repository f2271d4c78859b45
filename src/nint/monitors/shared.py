"""Evaluation and checkpoints of a run over several processes: all take part at the same steps, the first one writes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from nint.distributed.group import Group
from nint.monitors.base import BaseMonitor
from nint.monitors.evaluate import evaluate
from nint.probe.cost import Cost
from nint.runs.checkpoint import Whole, save_checkpoint
from nint.runs.model import Fit
from nint.training.engine import Run

SHARE = 0.1
"""Most of the time of a run that evaluations during it take, where no interval is given."""

_EVALUATIONS = 50


class SharedEvaluation(BaseMonitor):
    """Adds a row to `run.curve`, the same on every process: every `every` steps, or about fifty times in a tenth of the run's time.

    Decisions follow the common clock and what evaluations took on the first process.

    Args:
        group: The processes.
        every: Steps between evaluations; None leaves it to the time.
    """

    def __init__(self, group: Group, every: int | None) -> None:
        self._group, self._every = group, every
        self._spent_s = self._last_s = 0.0
        self._next_part = 1 / _EVALUATIONS

    def start(self, run: Run) -> None:
        """Begins with the pace of a run, resumed ones where they are."""
        self._next_part = self._following(run)

    def after_step(self, run: Run) -> None:
        """Evaluates where it is due and affordable."""
        if self._every is not None:
            if run.step % self._every == 0:
                self._evaluate(run)
            return
        if run.done_part < self._next_part or run.done_part >= 1:
            return
        if run.budget.psnr is None and self._spent_s + self._last_s > SHARE * run.clock.wall_s:
            return  # later
        self._evaluate(run)
        self._next_part = self._following(run)

    def finish(self, run: Run, reason: str) -> None:
        """Evaluates the last step, unless that was done."""
        if not run.curve or run.curve[-1]["step"] != run.step:
            self._evaluate(run)

    def _following(self, run: Run) -> float:
        return (math.floor(_EVALUATIONS * run.done_part) + 1) / _EVALUATIONS

    def _evaluate(self, run: Run) -> None:
        began = time.perf_counter()
        evaluate(run)
        seconds = torch.tensor([time.perf_counter() - began], dtype=torch.float64)
        self._last_s = float(self._group.first_(seconds))
        self._spent_s += self._last_s


class SharedCheckpoint(BaseMonitor):
    """Collects a checkpoint from all processes, as one process would write it, after the first step, every `seconds`, and at the end.

    Args:
        group: The processes.
        path: The file, which the first process writes; None writes nothing.
        fit: The model around the run's field.
        settings: What a resume must match.
        seconds: Wall time between checkpoints, on the common clock.

    Attributes:
        step: Of the last one; None before the first.
    """

    def __init__(self, group: Group, path: Path | None, fit: Fit, settings: dict[str, Any], seconds: float = 30.0) -> None:
        self._group, self._path, self._fit, self._settings, self._seconds = group, path, fit, settings, seconds
        self._last = -math.inf
        self.step: int | None = None

    def after_step(self, run: Run) -> None:
        """Saves where the interval has passed."""
        if run.clock.wall_s - self._last >= self._seconds:
            self._save(run)

    def finish(self, run: Run, reason: str) -> None:
        """Saves the last state."""
        self._save(run)

    def _save(self, run: Run) -> None:
        self._last = run.clock.wall_s
        if self._path is None or not all(bool(torch.isfinite(p).all()) for p in run.field.parameters()):
            return
        cost = summed_cost(run.cost, self._group.total)
        whole = Whole(run.teacher.whole_state(everywhere=False), cost, summed_cost(run.teacher.cost, self._group.total))
        if self._group.rank == 0:
            save_checkpoint(self._path, run, self._fit, self._settings, whole)
        self.step = run.step


def summed_cost(cost: Cost, total: Callable[[int], int]) -> Cost:
    """A cost with each count summed over the processes."""
    return Cost(**{name: total(int(count)) for name, count in vars(cost).items()})
