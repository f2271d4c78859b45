"""The comparison runner: every pairing of sampler, field and seed from the same start weights, with the same engine and clock.

The samplers of one field and seed run interleaved, a block of steps each in turn, so that a slow minute of the machine hits all
of them alike; each has its own clock. Before its first timed run, each pairing of field and sampler runs a few steps that are
thrown away.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nint.bench import folder
from nint.bench.plan import Plan
from nint.bench.records import RunResult, append, plain, read
from nint.bench.watch import CheckpointSnapshots, Quality
from nint.budgets import Budget
from nint.build import build_run
from nint.engine import Monitor, Run, train, train_step
from nint.errors import NintError
from nint.job import Job
from nint.record import record_of

BLOCK_STEPS = 20
BLOCK_SECONDS = 2.0
WARM_UP_STEPS = 3

Progress = Callable[[float, str], None]
"""(runs finished so far, fractions counted, what is running)."""


@dataclass(frozen=True)
class Comparison:
    """A comparison, finished or stopped.

    Attributes:
        plan: What was asked for.
        results: One for each run that ended, in the plan's order, those of earlier launches included.
        reused: How many of them came from an earlier launch.
        problems: Sentences about lines of runs.jsonl that could not be read.
        interrupted: Whether runs are missing because it was stopped.
    """

    plan: Plan
    results: list[RunResult]
    reused: int = 0
    problems: tuple[str, ...] = ()
    interrupted: bool = False

    def of(self, field: str, sampler: str) -> list[RunResult]:
        """The runs of one pairing that did not fail, by seed."""
        return [r for r in self.results if (r.field, r.sampler) == (field, sampler) and r.error is None]

    def failed(self) -> list[RunResult]:
        return [result for result in self.results if result.error is not None]


def run_comparison(
    plan: Plan,
    out: Path,
    *,
    command: str = "",
    resume: bool = False,
    force: bool = False,
    progress: Progress = lambda done, what: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Comparison:
    """Runs what is not there yet, appending each run to `out`/runs.jsonl as it ends.

    Args:
        plan: What to compare.
        out: Folder.
        command: The exact command, for the records.
        resume: Keep the runs that are there, and do not repeat those with the same settings. Failed ones are tried again.
        force: Remove the comparison that is there.
        progress: Told after each block.
        interrupted: Asked after each block; true stops, and the runs under way are lost.

    Raises:
        UsageError: for a folder that cannot be used.
    """
    folder.claim(out, resume=resume, force=force)
    path = out / folder.RECORDS
    earlier, problems = read(path)
    results: dict[tuple[int, str, str], RunResult] = {}
    at = () if plan.in_seconds else tuple(int(step) for step in plan.checkpoints)
    for seed, field in plan.groups():
        for sampler in plan.samplers:
            wanted = identity(plan, plan.job(field, sampler, seed))
            for result in earlier:
                if result.answers(wanted, at):
                    results[seed, field, sampler] = result
    reused = len(results)
    facts = {"command": command, "launch": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    warm: set[tuple[str, str]] = set()
    for seed, field in plan.groups():
        missing = [sampler for sampler in plan.samplers if (seed, field, sampler) not in results]
        for sampler in missing:
            if (field, sampler) not in warm and not interrupted():
                progress(len(results), f"warming up {sampler} on {field}")
                _warm_up(plan.job(field, sampler, seed))
                warm.add((field, sampler))
        for result in _run_group(plan, out, seed, field, missing, facts, lambda d, what: progress(len(results) + d, what), interrupted):
            append(path, result)
            results[seed, field, result.sampler] = result
        if interrupted():
            break
    ordered = [results[key] for seed, field in plan.groups() for sampler in plan.samplers if (key := (seed, field, sampler)) in results]
    return Comparison(plan, ordered, reused, tuple(problems), len(ordered) < plan.runs)


def identity(plan: Plan, job: Job) -> dict[str, Any]:
    """What makes two runs the same for a resume: everything that changes the result or its clock, but not the name of the machine."""
    return {
        "settings": job.settings(),
        "steps": plan.budget.steps,
        "seconds": plan.budget.seconds,
        "every": plan.every,
        "chunk_size": job.chunk_size,
        "device": job.device.type,
        "threads": torch.get_num_threads(),
    }


def _warm_up(job: Job) -> None:
    try:
        train(build_run(job, Budget(steps=WARM_UP_STEPS)))
    except Exception:  # the run itself fails in the same way and is reported then
        return


class _Lane:
    """One run of a group, advanced block by block until it ends or fails."""

    def __init__(self, plan: Plan, job: Job, snapshots: Path | None) -> None:
        self.plan, self.job = plan, job
        self.run: Run | None = None
        self.reason: str | None = None
        self.error: str | None = None
        self.monitors: list[Monitor] = [Quality(plan)]
        if snapshots is not None:
            self.monitors.append(CheckpointSnapshots(snapshots, plan))
        start = time.perf_counter()
        with self._reporting():
            self.run = build_run(job, plan.budget)
            self.run.field.train()
        self.setup_seconds = time.perf_counter() - start

    @property
    def ended(self) -> bool:
        return self.error is not None or self.reason is not None

    @property
    def share(self) -> float:
        """How much of the budget is used."""
        if self.ended or self.run is None:
            return 1.0
        budget = self.plan.budget
        return self.run.clock.training_s / budget.seconds if self.plan.in_seconds else self.run.step / budget.steps

    def advance(self) -> None:
        """A block of steps."""
        run, start = self.run, time.perf_counter()
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

    def result(self, field: str, sampler: str, facts: dict[str, Any]) -> RunResult:
        """The record of a run that ended; a failed one has what is known of it."""
        settings = self.job.settings()
        record: dict[str, Any] = {"settings": settings, "steps": 0, "curve": []}
        if self.run is not None and self.run.curve:
            record = record_of(self.job, self.run, settings, self.error or self.reason or "")
            del record["peak_memory_bytes"]  # of the process, which holds all runs of the group
        elif self.run is not None:
            record["steps"] = self.run.step
        record |= {"setup_seconds": self.setup_seconds, "identity": identity(self.plan, self.job), **facts}
        return RunResult(field, sampler, self.job.seed, self.error, plain(record))

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns any failure of a run, a plug-in's included, into its `error`, so that the others go on."""
        try:
            yield
        except Exception as error:
            self.error = str(error) if isinstance(error, NintError) else f"{type(error).__name__}: {error}"


def _run_group(
    plan: Plan,
    out: Path,
    seed: int,
    field: str,
    samplers: list[str],
    facts: dict[str, Any],
    progress: Progress,
    interrupted: Callable[[], bool],
) -> Iterator[RunResult]:
    """Runs the samplers of one field and seed in turn; yields each result as it ends."""
    facts = facts | {"interleaved_with": samplers}
    lanes = {}
    for sampler in samplers:
        place = folder.snapshots(out, field, sampler) if seed == 0 else None
        if place is not None:
            folder.clear(place)
        lanes[sampler] = _Lane(plan, plan.job(field, sampler, seed), place)
    while lanes:
        for sampler, lane in list(lanes.items()):
            if interrupted():
                return
            if not lane.ended:
                lane.advance()
            if lane.ended:
                del lanes[sampler]
                yield lane.result(field, sampler, facts)
            progress(sum(other.share for other in lanes.values()), f"{field}, seed {seed}: {sampler}")
