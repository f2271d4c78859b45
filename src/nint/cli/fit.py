"""`nint fit`: runs `nint.fitting` with a summary before, a progress bar during and a summary after the run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nint.cli.models import model_path
from nint.cli.options import FitOptions
from nint.cli.parsing import command_line
from nint.cli.records import STDOUT, check_target, write_record
from nint.cli.shell import path_word, shell_line
from nint.cli.show import Show, complain
from nint.errors import UsageError
from nint.runs.contents import CHECKPOINT, FIT, MODEL, PACKED, PICTURES, RECORD, SNAPSHOTS, TENSORBOARD, of_fit

if TYPE_CHECKING:
    from nint.runs.folder import OutputFolder
    from nint.runs.job import Job
    from nint.runs.model import Fit
    from nint.runs.threads import Threads
    from nint.signals.base import Layout
    from nint.training.budgets import Budget
    from nint.training.engine import Monitor

_ABORTED = 130
_PACKING, _TUNING = 0.25, 0.17
"""Parts of a budget of seconds that packing takes, with measuring and files, and of it fine-tuning."""


def run(options: FitOptions) -> int:
    """Runs `nint fit`; returns the exit code.

    Raises:
        UsageError: for an input that cannot be read, a setting out of range, or an output that cannot be written.
        DivergedError: where training diverges and the recipe does not restart it.
    """
    from nint.cli.choices import folder_of, job_of
    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import ProgressBar
    from nint.cli.started import elapsed_s
    from nint.fitting import run_job
    from nint.runs.folder import OutputFolder
    from nint.training.budgets import Budget

    training, packing = _shared(options)
    budget = Budget(steps=options.steps, seconds=training, psnr=options.psnr)
    job, folder = job_of(options, budget), folder_of(options)
    init = None if options.init is None else model_path(options.init)
    inputs = (options.input, init)
    check_target(options.json, inputs, [folder / name for name in FIT.may if name != RECORD])
    if options.html:
        from nint.report.place import check_target as check_report

        check_report(folder)
    if options.live_port is not None and not options.live:
        raise UsageError("--live-port needs --live.")
    if options.live:
        from nint.live.beside import check_packages

        check_packages()
    # With --json -, standard output holds the record and nothing else.
    show = Show(sys.stderr if options.json == STDOUT else None, options.quiet)
    logs = _logs(folder, options)
    names = of_fit(
        pictures=not options.no_pictures,
        report=options.html,
        log=options.tensorboard,
        live=options.live,
        packed=options.max_kilobytes is not None,
    )
    with OutputFolder(folder, FIT, names, inputs) as out, _page(options, folder, show):
        threads = _prepare(options, job, budget, out, init, show)
        with Interrupts() as interrupts, ProgressBar(quiet=options.quiet) as bar:
            try:
                fit = run_job(
                    job,
                    budget,
                    out=out,
                    resume=options.resume,
                    force=options.force,
                    init=init,
                    eval_every=options.eval_every,
                    half=options.half,
                    monitors=[bar, *logs],
                    threads=threads,
                    already_s=elapsed_s(),
                    packing_s=packing,
                    interrupted=interrupts,
                    restarting=lambda restart: report_restart(restart, options.quiet),
                )
            except KeyboardInterrupt:
                kept = (out / CHECKPOINT).exists()
                complain(f"Aborted. {resume_hint(options) if kept else 'Nothing had been saved yet.'}")
                return _ABORTED
        stopped_early = fit.record["stopped"] == "interrupted"
        write_record(options.json, fit.record)
        if not (options.no_pictures or stopped_early):
            _draw_pictures(folder, job, fit)
        _summary(show, folder, job, fit)
        if options.html:
            from nint.cli.report import show_report
            from nint.report.page import write_report

            show_report(write_report(folder, original=job.signal), show)
    if stopped_early:
        complain(f"Stopped after step {fit.record['steps']:,}; everything is saved. {resume_hint(options)}")
        return interrupts.exit_code
    return 0


def _shared(options: FitOptions) -> tuple[float | None, float | None]:
    """Seconds of training and of fine-tuning; where the model is packed too, all of it together takes about the seconds of the budget."""
    if options.max_kilobytes is None or options.seconds is None:
        return options.seconds, None
    return (1 - _PACKING) * options.seconds, _TUNING * options.seconds


def report_restart(restart: dict[str, Any], quiet: bool) -> None:
    """Says that a try has diverged and the next one starts."""
    from nint.runs.restarts import sentence

    if not quiet:
        complain(sentence(restart))


def _prepare(options: FitOptions, job: Job, budget: Budget, out: OutputFolder, init: Path | None, show: Show) -> Threads:
    """Checks everything while nothing has been written, chooses the threads, then prints the settings and an estimate.

    The run that is built here is timed and discarded; the real one is built again, so that the timing cannot change its result.
    """
    from nint.cli.announce import announce
    from nint.fitting import threads_for
    from nint.runs.build import build_run
    from nint.runs.checkpoint import restore
    from nint.runs.start import check_start
    from nint.runs.threads import given
    from nint.training.threads import using

    resuming = check_start(out, resume=options.resume, force=options.force)
    trial = build_run(job, budget, None if resuming else init)
    threads = threads_for(job, budget, out.path if resuming else None, trial) if options.threads is None else given(options.threads)
    threads.give_to(trial)
    notes = restore(out / CHECKPOINT, trial, job.settings(), init) if resuming else ()
    if not show.quiet:
        with using(threads.number, trial.field):
            announce(show, job, trial, budget, out.path, options.eval_every, notes)
        show.line()
    return threads


def _logs(folder: Path, options: FitOptions) -> list[Monitor]:
    found: list[Monitor] = []
    if options.tensorboard:
        from nint.monitors.tensorboard import TensorBoard

        found.append(TensorBoard(folder / TENSORBOARD))
    if options.live:
        from nint.monitors.live import LiveState

        found.append(LiveState(folder))
    return found


def _page(options: FitOptions, folder: Path, show: Show) -> contextlib.AbstractContextManager[None]:
    """The live page while the run goes on; nothing without --live."""
    if not options.live:
        return contextlib.nullcontext()
    from nint.live.beside import page_beside

    return page_beside(folder, options.live_port, show.line)


def _draw_pictures(folder: Path, job: Job, fit: Fit) -> None:
    try:
        from nint.report.pictures import write_pictures
    except ImportError:  # matplotlib is missing
        return
    write_pictures(folder, job.signal, fit)


def _summary(show: Show, folder: Path, job: Job, fit: Fit) -> None:
    from nint.report.sizes import packed_rows, size_rows
    from nint.report.words import duration, memory, metric, metric_label

    record = fit.record
    training, selection = record["training_seconds"], record["selection_seconds"]
    written = (MODEL, PACKED, CHECKPOINT, RECORD, SNAPSHOTS, TENSORBOARD, *PICTURES)
    files = [name for name in written if (folder / name).exists()]
    layout = job.signal.layout
    show.facts(
        [
            *((metric_label(name), metric(name, value)) for name, value in fit.metrics.items()),
            ("steps", f"{record['steps']:,} ({record['stopped']})"),
            *(("restarts", _restarts_text(record["restarts"])) for _ in record["restarts"][:1]),
            ("training", f"{duration(training)}, of which {selection / training if training else 0:.0%} for selecting points"),
            ("wall time", f"{duration(record['wall_seconds'])} with evaluation and files, on {_threads_text(record['threads'])}"),
            ("work", f"{record['forward_equivalents']:,.1f} forward equivalents (one is a forward over all points; a backward counts 2)"),
            *(("peak memory", memory(peak)) for peak in [record["peak_memory_bytes"]] if peak is not None),
            *size_rows(record, (folder / MODEL).stat().st_size if (folder / MODEL).exists() else None, layout),
            *packed_rows(record, layout),
            ("files", f"in {folder}: {', '.join(files)}"),
            ("next", _command("decode", folder, *_decoded_as(folder.resolve().name, layout))),
            ("", _command("inspect", folder)),
        ]
    )


def _decoded_as(name: str, layout: Layout) -> tuple[object, ...]:
    """File and options of a decoding worth trying: an image at twice its size; a file of this name, which may be the input, is avoided."""
    if layout.kind == "image":
        return Path(f"{name}-x2{layout.suffixes[0]}"), "--scale", "2"
    plain = Path(f"{name}{layout.suffixes[0]}")
    return (Path(f"{name}-decoded{layout.suffixes[0]}") if os.path.lexists(plain) else plain,)


def _threads_text(threads: int) -> str:
    return f"{threads} thread{'s' if threads != 1 else ''}"


def _restarts_text(restarts: list[dict[str, Any]]) -> str:
    steps = ", ".join(f"{restart['step']:,}" for restart in restarts)
    return f"{len(restarts)}, having diverged at step {steps}; learning rate {restarts[-1]['lr']:g} in the end"


def _command(*words: object) -> str:
    return shell_line(["nint", *(path_word(str(word)) if isinstance(word, Path) else str(word) for word in words)])


def resume_hint(options: FitOptions) -> str:
    """The command that continues a run."""
    again = dataclasses.replace(options, resume=True, force=False)
    return f"Continue with: {command_line(again, 'fit')}"
