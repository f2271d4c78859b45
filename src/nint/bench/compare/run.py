"""The comparison runner: every pairing of sampler, field and seed from the same start weights, with the same engine and clock.

The samplers of one field and seed run interleaved, a block of steps each in turn, so that a slow minute of the machine hits all
of them alike; each has its own clock. Before its first timed run, each pairing of field and sampler runs a few steps that are
thrown away.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nint.bench.compare import folder
from nint.bench.compare.plan import Plan
from nint.bench.interleaved import Lane, interleave, warm_up
from nint.bench.records import RunResult, append, plain, read
from nint.bench.watch import CheckpointSnapshots, Quality
from nint.monitors.tensorboard import TensorBoard, summary_writer
from nint.runs.job import Job
from nint.training.engine import Monitor

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
    tensorboard: bool = False,
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
        tensorboard: Log every run to its own folder in `out`/tensorboard.
        progress: Told after each block.
        interrupted: Asked after each block; true stops, and the runs under way are lost.

    Raises:
        UsageError: for a folder that cannot be used.
    """
    if tensorboard:
        summary_writer()  # refused here where it is not installed, and not by each run
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
                warm_up(plan.job(field, sampler, seed))
                warm.add((field, sampler))
        for result in _run_group(
            plan, out, seed, field, missing, facts, lambda d, what: progress(len(results) + d, what), interrupted, tensorboard
        ):
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


def _run_group(
    plan: Plan,
    out: Path,
    seed: int,
    field: str,
    samplers: list[str],
    facts: dict[str, Any],
    progress: Progress,
    interrupted: Callable[[], bool],
    tensorboard: bool,
) -> Iterator[RunResult]:
    """Runs the samplers of one field and seed in turn; yields each result as it ends."""
    facts = facts | {"interleaved_with": samplers}
    lanes = {}
    for sampler in samplers:
        job = plan.job(field, sampler, seed)
        at = () if plan.in_seconds else plan.checkpoints
        monitors: list[Monitor] = [Quality(plan.metric, every=plan.every, every_seconds=plan.every_seconds, at=at)]
        if seed == 0:
            place = folder.snapshots(out, field, sampler)
            folder.clear(place)
            monitors.append(CheckpointSnapshots(place, plan.checkpoints, plan.in_seconds))
        if tensorboard:
            monitors.append(TensorBoard(folder.log(out, field, sampler, seed)))
        lanes[sampler] = Lane(job, plan.budget, monitors)
    for sampler, lane in interleave(lanes, interrupted):
        if lane.ended:
            record = lane.record() | {"identity": identity(plan, lane.job), **facts}
            yield RunResult(field, sampler, seed, lane.error, plain(record))
        progress(sum(other.share for other in lanes.values()), f"{field}, seed {seed}: {sampler}")
