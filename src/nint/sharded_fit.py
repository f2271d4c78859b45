"""One fit over several processes: as `nint.fitting.run_job`, with every decision made alike on all of them and files written by one."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nint.bandwidth.auto import without_auto
from nint.distributed.group import Group
from nint.distributed.reading import open_sharded
from nint.distributed.signal import ShardedSignal
from nint.distributed.states import check_sampler
from nint.errors import DivergedError, LostProcessError, UsageError
from nint.files import write_json
from nint.machine.devices import peak_memory_bytes
from nint.machine.matmul import matmul_backend
from nint.monitors.shared import SharedCheckpoint, SharedEvaluation, summed_cost
from nint.probe.cost import Cost
from nint.runs.build import build_run
from nint.runs.checkpoint import restore
from nint.runs.contents import CHECKPOINT, FIT, MODEL, RECORD, of_fit
from nint.runs.folder import OutputFolder
from nint.runs.job import Job, read_job, whereabouts
from nint.runs.model import Fit, round_to_half
from nint.runs.options import FitSettings
from nint.runs.record import record_of
from nint.runs.restarts import restarted, start_weights
from nint.runs.start import check_start
from nint.samplers import SAMPLERS
from nint.samplers.candidates import effective
from nint.settings import current_options
from nint.training.budgets import Budget
from nint.training.engine import Monitor, Run, train


def read_sharded_job(source: Any, asked: FitSettings, budget: Budget | None, group: Group) -> Job:
    """As `read_job`, of a signal of which each process reads its own rows; all call it together.

    Args:
        source: As for `nint.fit`.
        asked: What the user has named.
        budget: What the run will have.
        group: The processes.

    Raises:
        UsageError: says what is wrong, and for what does not work over several processes, what does.
    """
    asked.check()
    if asked.compile:
        raise UsageError("--compile does not work over several processes; leave it away, or start one process.")
    if without_auto(asked.field)[1]:
        raise UsageError("A bandwidth of 'auto' does not work over several processes; nint tune finds it in one, then name the value.")
    if asked.sampler is not None:  # before the file is read, which takes longer
        sampler = SAMPLERS.parse(asked.sampler)
        check_sampler(effective(sampler), SAMPLERS.name_of(sampler))
    signal = open_sharded(source, dict(asked.signal), group)
    outlined = dataclasses.replace(asked, signal={}, device=group.device)
    job = group.agreed(lambda: read_job(signal.outline(), outlined, budget))
    check_sampler(effective(job.sampler), SAMPLERS.name_of(job.sampler))
    options = {key: value for key, value in current_options(asked.signal).items() if value is not None}
    return dataclasses.replace(job, signal=signal, signal_options=options, source=whereabouts(source))


def run_sharded_job(
    job: Job,
    budget: Budget,
    group: Group,
    *,
    out: str | Path | OutputFolder | None = None,
    resume: bool = False,
    force: bool = False,
    init: str | Path | None = None,
    eval_every: int | None = None,
    half: bool = False,
    monitors: Sequence[Monitor] = (),
    threads: int | None = None,
    already_s: float = 0.0,
    interrupted: Callable[[], bool] = lambda: False,
    starting: Callable[[Run, tuple[str, ...]], None] = lambda run, notes: None,
    restarting: Callable[[dict[str, Any]], None] = lambda restart: None,
) -> Fit:
    """Runs a job over several processes, all of which call this together with the same arguments.

    Args:
        job: Of `read_sharded_job`.
        budget: When to stop; its seconds are those of wall time of the first process.
        group: The processes.
        out: Folder for model, checkpoint and record, which the first process writes and all can read.
        resume: Go on with the run in `out`, whatever the number of processes that made it.
        force: Replace the run in `out`.
        init: A model to start from.
        eval_every: As for `nint.fit`.
        half: As for `nint.fit`.
        monitors: Further ones, of this process alone.
        threads: CPU threads of each process; None leaves PyTorch's number.
        already_s: Seconds of the budget that have passed before.
        interrupted: Asked at each step of every process; true of any stops the run.
        starting: Called before the first step with the run and what has changed since its checkpoint.
        restarting: Called with each try that has diverged.

    Raises:
        UsageError: for a folder that cannot be used, before anything is written.
        DivergedError: as `nint.fit`.
        LostProcessError: where another process has ended, or does not answer while this one was told to end; says which checkpoint is kept.
    """
    group.told_to_end = interrupted
    with contextlib.ExitStack() as stack:
        path = None if out is None else out.path if isinstance(out, OutputFolder) else Path(out)
        folder = group.agreed(lambda: _opened(out, stack, job, init) if group.rank == 0 else None)
        begun = group.agreed(lambda: folder is not None and check_start(folder, resume=resume, force=force))
        resuming = group.total(int(begun)) > 0
        run = build_run(job, budget, None if resuming else init, interrupted, group)
        _as_the_first(run, group, threads, already_s)
        settings, start = job.settings(), start_weights(run.field)
        notes: tuple[str, ...] = ()
        if resuming and path is not None:
            notes = restore(path / CHECKPOINT, run, settings, init)
            init = run.init
            _divide_costs(run, group)
        elif folder is not None:
            folder.clear()
        starting(run, notes)
        saved: SharedCheckpoint | None = None
        try:
            while True:
                result = Fit(run.field, None if isinstance(job.field, nn.Module) else job.field, job.signal.layout)
                saved = SharedCheckpoint(group, None if path is None else path / CHECKPOINT, result, settings)
                run.field.train()
                try:
                    reason = train(run, [SharedEvaluation(group, eval_every), saved, *monitors])
                    break
                except DivergedError as error:
                    try:
                        run = restarted(job, run, error, start, init)
                    except DivergedError as last:
                        kept = None if path is None or saved.step is None else str(path / CHECKPOINT)
                        raise DivergedError(last.step, last.reason, kept) from None
                    _as_the_first(run, group, threads, None)
                    restarting(run.restarts[-1])
            run.field.eval()
            _finish(result, job, run, settings, reason, group, half)
        except LostProcessError as error:
            raise LostProcessError(error.reason, _kept(run, saved, path)) from error
        if folder is not None:
            result.save(folder / MODEL, half=half)
            write_json(folder / RECORD, result.record)
    return result


def _opened(out: str | Path | OutputFolder | None, stack: contextlib.ExitStack, job: Job, init: str | Path | None) -> OutputFolder | None:
    if out is None or isinstance(out, OutputFolder):
        return out
    names = of_fit(pictures=False, report=False, log=False, snapshots=False)
    return stack.enter_context(OutputFolder(out, FIT, names, (job.source, init)))


def _as_the_first(run: Run, group: Group, threads: int | None, already_s: float | None) -> None:
    """Gives a run what must be the same everywhere: weights, library of products, clock."""
    with torch.no_grad():
        for value in run.field.state_dict().values():
            group.first_(value)
    run.matmul = group.texts(matmul_backend(run.teacher.probe.device))[0]
    run.threads = torch.get_num_threads() if threads is None else threads
    run.by_wall = True
    if already_s is not None:
        run.clock.wall_s = already_s
    if run.shared is not None:
        run.shared.tell_time()


def _divide_costs(run: Run, group: Group) -> None:
    """Leaves each process its part of the points that a checkpoint counts, so that their sum stays right."""
    run.cost = _part(run.cost, group)
    vars(run.teacher.cost).update(vars(_part(run.teacher.cost, group)))


def _part(cost: Cost, group: Group) -> Cost:
    return Cost(**{name: int(count) // group.size + (group.rank < int(count) % group.size) for name, count in vars(cost).items()})


def _finish(result: Fit, job: Job, run: Run, settings: dict[str, Any], reason: str, group: Group, half: bool) -> None:
    """Metrics and record, the same on every process."""
    assert run.shared is not None
    run.shared.tell_time()
    result.metrics = {name: run.curve[-1][name] for name in job.signal.metrics if name in run.curve[-1]}
    cost = summed_cost(run.cost + run.teacher.cost, group.total)
    peaks = group.counts(peak_memory_bytes(job.device) or 0)
    signal = job.signal
    held = group.counts(len(signal.shard) if isinstance(signal, ShardedSignal) else len(run.teacher.probe))
    result.record = record_of(job, run, settings, reason) | {
        "init": run.init,
        "half": half,
        "restarts": run.restarts,
        "processes": group.size,
        "points": run.teacher.points,
        "points_by_process": held,
        "peak_memory_bytes_by_process": [peak or None for peak in peaks],
        "points_trained": summed_cost(run.cost, group.total).backward,
        "points_forwarded": cost.forward,
        "points_backwarded": cost.backward,
        "points_in_jvps": cost.jvp,
        "forward_equivalents": cost.forward_equivalents(run.teacher.points),
    }
    if half:
        round_to_half(run.field)
        result.metrics = job.signal.evaluate(result.predict)
        result.record |= result.metrics


def _kept(run: Run, saved: SharedCheckpoint | None, path: Path | None) -> str:
    """What is left of a run that a process has left."""
    if path is None:
        return f"at step {run.step:,}"
    if saved is None or saved.step is None:
        return f"at step {run.step:,}, before a checkpoint was written" if run.step == 0 else f"at step {run.step:,}"
    return (
        f"at step {run.step:,}; {path / CHECKPOINT} holds step {saved.step:,}, from which the same command with --resume goes on, over any "
        "number of processes"
    )
