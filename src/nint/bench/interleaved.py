"""Runs that take turns in one process: a block of steps each, so that a slow minute of the machine hits all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from nint.errors import sentence as sentence
from nint.runs.build import build_run
from nint.runs.job import Job
from nint.runs.record import record_of
from nint.training.budgets import Budget
from nint.training.engine import Monitor, Run, train, train_step

BLOCK_STEPS = 20
BLOCK_SECONDS = 2.0
WARM_UP_STEPS = 3

Name = TypeVar("Name", bound=Hashable)


class InterleavedRun:
    """One run, advanced block by block until it ends or fails; it has its own clock.

    Args:
        job: What to run.
        budget: When to stop.
        monitors: What watches it.

    Attributes:
        run: The run; None where it could not even be built.
        reason: Why it ended, or None.
        error: Why it failed, or None.
        setup_seconds: What building network, pool and sampler took; none of it is training.
    """

    def __init__(self, job: Job, budget: Budget, monitors: Sequence[Monitor]) -> None:
        self.job, self.budget, self.monitors = job, budget, monitors
        self.run: Run | None = None
        self.reason: str | None = None
        self.error: str | None = None
        start = time.perf_counter()
        with self._reporting():
            self.run = build_run(job, budget)
            self.run.field.train()
        self.setup_seconds = time.perf_counter() - start

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do."""
        return self.error is not None or self.reason is not None

    @property
    def used(self) -> float:
        """How much of the budget is used, in [0, 1]."""
        if self.ended or self.run is None:
            return 1.0
        if self.budget.steps is not None:
            return self.run.step / self.budget.steps
        return min(self.run.clock.training_s / self.budget.seconds, 1.0) if self.budget.seconds is not None else 0.0

    def advance(self) -> None:
        """A block of steps."""
        run, start = self.run, time.perf_counter()
        if run is None:
            return
        with self._reporting():
            for _ in range(BLOCK_STEPS):
                train_step(run)
                for monitor in self.monitors:
                    monitor.after_step(run)
                reason = run.stop_reason()
                if reason is not None:
                    for monitor in self.monitors:
                        monitor.finish(run, reason)
                    self.reason = reason
                    return
                if time.perf_counter() - start >= BLOCK_SECONDS:
                    return

    def record(self) -> dict[str, Any]:
        """The record of a run that ended; a failed one has what is known of it."""
        settings = self.job.settings()
        record: dict[str, Any] = {"settings": settings, "steps": 0, "curve": []}
        if self.run is not None and self.run.curve:
            record = record_of(self.job, self.run, settings, self.error or self.reason or "")
            del record["peak_memory_bytes"]  # of the process, which holds all runs of the group
        elif self.run is not None:
            record["steps"] = self.run.step
        return record | {"setup_seconds": self.setup_seconds}

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns any failure of a run, a plug-in's included, into its `error`, so that the others go on.

        Yields:
            Nothing.
        """
        try:
            yield
        except Exception as error:
            self.error = sentence(error)


def interleave(runs: dict[Name, InterleavedRun], interrupted: Callable[[], bool] = lambda: False) -> Iterator[tuple[Name, InterleavedRun]]:
    """Advances each run by a block in turn until all have ended.

    Args:
        runs: The runs; those that have ended are taken out.
        interrupted: Asked before each block; true stops.

    Yields:
        The name of a run and the run after each of its blocks; its `ended` is true after the last one.
    """
    while runs:
        for name, run in list(runs.items()):
            if interrupted():
                return
            if not run.ended:
                run.advance()
            if run.ended:
                del runs[name]
            yield name, run


def warm_up(job: Job) -> None:
    """A few steps that are thrown away, so that what a library loads or compiles at first use is excluded from the timing."""
    try:
        train(build_run(job, Budget(steps=WARM_UP_STEPS)))
    except Exception:  # the run itself fails in the same way and is reported then
        return
