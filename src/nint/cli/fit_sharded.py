"""`nint fit` over several processes, as a launcher such as torchrun starts them: all compute, the first one prints and writes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nint.cli.models import model_path
from nint.cli.options import FitOptions
from nint.cli.parsing import option_name
from nint.cli.records import STDOUT, check_target, write_record
from nint.cli.show import Show, complain
from nint.distributed.launch import is_first
from nint.errors import LostProcessError, NintError, UsageError
from nint.runs.contents import CHECKPOINT, FIT, MODEL, RECORD, of_fit

if TYPE_CHECKING:
    from pathlib import Path

    from nint.distributed.group import Group
    from nint.runs.job import Job
    from nint.runs.model import Fit
    from nint.training.engine import Run

_LATER = {
    "html": "nint report",
    "tensorboard": "the curve in run.json",
    "max_kilobytes": "nint pack",
    "live": "nint watch",
}


def run(options: FitOptions) -> int:
    """Runs this process's part of `nint fit`; returns the exit code.

    Raises:
        UsageError: as `nint fit`, on the process that prints it; so are all errors.
        SystemExit: on the others.
    """
    from nint.distributed.launch import joined

    with _heard_once():
        for name, instead in _LATER.items():
            if getattr(options, name):
                raise UsageError(f"{option_name(name)} does not work over several processes; leave it away and see {instead} afterwards.")
        with joined(options.device) as group, _not_held_up(group), _said_once(group):
            return _fit(options, group)


@contextmanager
def _heard_once() -> Iterator[None]:
    """Errors that all processes have are raised on the first one only; the others end without a word.

    Yields:
        Nothing.

    Raises:
        NintError: on the first one.
        KeyboardInterrupt: likewise.
        SystemExit: on the others.
    """
    try:
        yield
    except NintError as error:
        if is_first():
            raise
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        if is_first():
            raise
        raise SystemExit(130) from None


@contextmanager
def _not_held_up(group: Group) -> Iterator[None]:
    """Ends this process at once where an operation that was given up would keep it: the interpreter waits for its thread.

    Yields:
        Nothing.

    Raises:
        SystemExit: that of the body, where nothing is under way.
    """
    try:
        yield
    except SystemExit as end:
        if group.waiting:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise


@contextmanager
def _said_once(group: Group) -> Iterator[None]:
    """The loss of a process is told by whichever of the others notices it first, and ends them all.

    Yields:
        Nothing.

    Raises:
        SystemExit: where one was lost.
    """
    try:
        yield
    except LostProcessError as error:
        if group.claimed("lost"):
            complain(str(error))
        raise SystemExit(error.exit_code) from None


def _fit(options: FitOptions, group: Group) -> int:
    from nint.cli.choices import folder_of, settings_of
    from nint.cli.fit import report_restart, resume_hint
    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import ProgressBar
    from nint.cli.started import elapsed_s
    from nint.runs.folder import OutputFolder
    from nint.sharded_fit import read_sharded_job, run_sharded_job
    from nint.training.budgets import Budget

    first = group.rank == 0
    budget = Budget(steps=options.steps, seconds=options.seconds, psnr=options.psnr)
    folder, init = folder_of(options), None if options.init is None else model_path(options.init)
    job = read_sharded_job(options.input, settings_of(options), budget, group)
    inputs = (options.input, init)
    group.agreed(lambda: check_target(options.json, inputs, [folder / name for name in FIT.may if name != RECORD]) if first else None)
    show = Show(sys.stderr if options.json == STDOUT else None, options.quiet or not first)
    names = of_fit(pictures=False, report=False, log=False, snapshots=False)
    out = group.agreed(lambda: OutputFolder(folder, FIT, names, inputs).__enter__() if first else None)
    try:
        with Interrupts(quiet=not first) as interrupts, ProgressBar(quiet=options.quiet or not first) as bar, _said_once(group):
            fit = run_sharded_job(
                job,
                budget,
                group,
                out=folder if out is None else out,
                resume=options.resume,
                force=options.force,
                init=init,
                eval_every=options.eval_every,
                half=options.half,
                monitors=[bar] if first else [],
                threads=options.threads,
                already_s=elapsed_s(),
                interrupted=interrupts,
                starting=lambda started, notes: _announce(show, job, started, group, folder, notes),
                restarting=lambda restart: report_restart(restart, options.quiet or not first),
            )
        if first:
            write_record(options.json, fit.record)
            _summary(show, folder, fit)
    finally:
        if out is not None:
            out.__exit__(*sys.exc_info())
    if fit.record["stopped"] != "interrupted":
        return 0
    if first:
        complain(f"Stopped after step {fit.record['steps']:,}; everything is saved. {resume_hint(options)}")
    return interrupts.exit_code or 130


def _announce(show: Show, job: Job, run: Run, group: Group, folder: Path, notes: tuple[str, ...]) -> None:
    """Prints what is about to run."""
    from nint.cli.announce import budget_text, recipe_text
    from nint.fields import FIELDS
    from nint.report.words import every_setting
    from nint.samplers import SAMPLERS

    points, held = run.teacher.points, group.counts(len(run.teacher.probe))
    parameters = sum(p.numel() for p in run.field.parameters())
    start = f", continues after step {run.step:,}" if run.step else ""
    show.facts(
        [
            ("signal", f"{job.signal.name}, {job.signal.layout.describe()}, {points:,} points"),
            ("processes", f"{group.size}, each with {_span(held)} points and {run.threads} thread{'s' if run.threads != 1 else ''}"),
            ("recipe", recipe_text(job)),
            ("field", f"{every_setting(job.field, FIELDS.name_of(job.field))}, {parameters:,} parameters"),
            ("sampler", every_setting(job.sampler, SAMPLERS.name_of(job.sampler))),
            ("learning rate", f"{job.rate:g} {job.lr_schedule}, {job.rate_source}"),
            ("optimizer", job.optimizer),
            ("budget", f"{budget_text(run.budget, job.total_steps, job.by_clock)}; seed {job.seed}{start}"),
            ("device", job.device.type),
            ("output", str(folder)),
            *(("note", said) for said in (*job.signal.report(), *job.notes, *notes)),
        ]
    )
    show.line()


def _span(counts: list[int]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _summary(show: Show, folder: Path, fit: Fit) -> None:
    from nint.report.words import duration, memory, metric, metric_label

    record: dict[str, Any] = fit.record
    peaks = [peak for peak in record["peak_memory_bytes_by_process"] if peak]
    show.facts(
        [
            *((metric_label(name), metric(name, value)) for name, value in fit.metrics.items()),
            ("steps", f"{record['steps']:,} ({record['stopped']})"),
            ("training", f"{duration(record['training_seconds'])}, wall time {duration(record['wall_seconds'])}"),
            ("work", f"{record['forward_equivalents']:,.1f} forward equivalents over {record['processes']} processes"),
            *(("peak memory", f"{', '.join(memory(peak) for peak in peaks)} by process") for _ in peaks[:1]),
            ("files", f"in {folder}: {MODEL}, {CHECKPOINT}, {RECORD}"),
        ]
    )
