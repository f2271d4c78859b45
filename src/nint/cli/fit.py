"""`nint fit`: options -> `nint.fitting`, with what a person wants to see before, during and after."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nint.cli.models import model_path
from nint.cli.parsing import command_line, flag, number, positional, text, whole
from nint.cli.records import STDOUT, check_target, write_record
from nint.cli.signal_options import SignalOptions
from nint.errors import UsageError

if TYPE_CHECKING:
    from nint.budgets import Budget
    from nint.cli.show import Show
    from nint.engine import Monitor
    from nint.fitted import Fit
    from nint.job import Job

_ABORTED = 130


@dataclass(frozen=True)
class FitOptions(SignalOptions):
    """Fits a network to a signal, training at each step only on the points that teach it most.

    Attributes:
        input: file, or sample:NAME (nint list samples)
        recipe: who chooses what is left out: default (the fastest way to a good fit that was measured) or paper
        out: folder for the model, its checkpoint, record and pictures; nint-out/NAME if left out
        field: network, as NAME:SETTING=VALUE,... (nint list fields); siren if left out
        size: hidden layers x width of the network, short for its setting size
        sampler: which points to train on, as NAME:SETTING=VALUE,... (nint list samplers); the recipe's if left out
        batch_share: share of the points in a batch, short for the sampler's setting batch_share
        batch_size: points in a batch, short for the sampler's setting batch_size
        steps: stop after this many steps
        seconds: stop after this much training time
        psnr: stop at this quality in dB
        total_steps: length that schedules are laid out for, and the most steps without --steps or --seconds; the recipe's if left out
        lr: learning rate; the recipe's, or the network's own default, if left out
        lr_schedule: course of the learning rate over the run; the recipe's if left out
        warm_up: share of the run in which the learning rate rises; the recipe's if left out
        optimizer: adam, muon or sgd, with settings as NAME:SETTING=VALUE,...; the recipe's if left out
        loss: l2, l1 or huber
        seed: of the start weights and of the sampler
        device: auto, cpu, cuda or mps
        threads: CPU threads; PyTorch's own choice if left out
        score_precision: of forwards that only score points: float32, or bf16 for their large products
        compile: compile the network first (torch.compile; needs a C++ compiler), apart from the training time
        resume: go on with the run in the output folder
        force: replace the run in the output folder
        init: model whose weights to start from
        eval_every: steps between evaluations; about fifty over the run if left out
        half: store the model in half precision
        json: also write the record to this file (- is standard output)
        tensorboard: also log to OUT/tensorboard for TensorBoard (needs nint[tensorboard])
        no_pictures: draw no pictures of the result
        html: also write OUT/report.html, one page that opens without a network (needs nint[report])
        quiet: print nothing but errors
    """

    input: Annotated[str, *positional("INPUT")]
    recipe: Annotated[str, *text("default|paper")] = "default"
    out: Annotated[str | None, *text("DIR")] = None
    field: Annotated[str | None, *text("FIELD")] = None
    size: Annotated[str | None, *text("LAYERSxWIDTH")] = None
    sampler: Annotated[str | None, *text("SAMPLER")] = None
    batch_share: Annotated[float | None, *number("SHARE")] = None
    batch_size: Annotated[int | None, *whole("N")] = None
    steps: Annotated[int | None, *whole("N")] = None
    seconds: Annotated[float | None, *number("S")] = None
    psnr: Annotated[float | None, *number("DB")] = None
    total_steps: Annotated[int | None, *whole("N")] = None
    lr: Annotated[float | None, *number("RATE")] = None
    lr_schedule: Annotated[str | None, *text("constant|cosine|exponential")] = None
    warm_up: Annotated[float | None, *number("SHARE")] = None
    optimizer: Annotated[str | None, *text("OPTIMIZER")] = None
    loss: Annotated[str, *text("LOSS")] = "l2"
    seed: Annotated[int, *whole("N")] = 0
    device: Annotated[str, *text("DEVICE")] = "auto"
    threads: Annotated[int | None, *whole("N")] = None
    score_precision: Annotated[str, *text("float32|bf16")] = "float32"
    compile: Annotated[bool, *flag()] = False
    resume: Annotated[bool, *flag()] = False
    force: Annotated[bool, *flag()] = False
    init: Annotated[str | None, *text("MODEL")] = None
    eval_every: Annotated[int | None, *whole("N")] = None
    half: Annotated[bool, *flag()] = False
    json: Annotated[str | None, *text("FILE")] = None
    tensorboard: Annotated[bool, *flag()] = False
    no_pictures: Annotated[bool, *flag()] = False
    html: Annotated[bool, *flag()] = False
    quiet: Annotated[bool, *flag()] = False


def run(options: FitOptions) -> int:
    from nint.budgets import Budget
    from nint.cli.choices import folder_of, job_of, use_threads
    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import ProgressBar
    from nint.cli.show import Show
    from nint.fitting import default_eval_every, run_job

    if options.eval_every is not None and options.eval_every < 1:
        raise UsageError(f"--eval-every {options.eval_every} must be a whole number of at least 1.")
    budget = Budget(steps=options.steps, seconds=options.seconds, psnr=options.psnr)
    use_threads(options.threads)
    job, folder = job_of(options, budget), folder_of(options)
    init = None if options.init is None else model_path(options.init)
    check_target(options.json, options.force)
    if options.html:
        from nint.reporting.html.place import check_target as check_report

        check_report(folder)
    # The record alone belongs on standard output where it is asked for there.
    show = Show(sys.stderr if options.json == STDOUT else None, options.quiet)
    every = options.eval_every or default_eval_every(budget, job.total_steps)
    logs = _logs(folder) if options.tensorboard else []
    _prepare(options, job, budget, folder, init, show, every)

    with Interrupts() as interrupts, ProgressBar(quiet=options.quiet) as bar:
        try:
            fit = run_job(
                job,
                budget,
                out=folder,
                resume=options.resume,
                force=options.force,
                init=init,
                eval_every=options.eval_every,
                half=options.half,
                monitors=[bar, *logs],
                interrupted=interrupts,
                restarting=lambda restart: _tell(restart, options.quiet),
            )
        except KeyboardInterrupt:
            kept = (folder / "checkpoint.safetensors").exists()
            print(f"nint: Aborted. {_how_to_resume(options) if kept else 'Nothing had been saved yet.'}", file=sys.stderr)
            return _ABORTED
    stopped_early = fit.record["stopped"] == "interrupted"
    write_record(options.json, fit.record)
    if not (options.no_pictures or stopped_early):
        _draw_pictures(folder, job, fit)
    _summary(show, folder, job, fit)
    if options.html:
        from nint.cli.report import show_report
        from nint.reporting.html.page import write_report

        show_report(write_report(folder, original=job.signal), show)
    if stopped_early:
        print(f"nint: Stopped after step {fit.record['steps']:,}; everything is saved. {_how_to_resume(options)}", file=sys.stderr)
        return interrupts.exit_code
    return 0


def _tell(restart: dict[str, Any], quiet: bool) -> None:
    from nint.restarts import sentence

    if not quiet:
        print(f"nint: {sentence(restart)}", file=sys.stderr)


def _prepare(options: FitOptions, job: Job, budget: Budget, folder: Path, init: Path | None, show: Show, every: int) -> None:
    """Refuses what cannot be done while nothing has been written, then says what will be done.

    The run that is built here is for measuring; the real one is built anew, so that nothing of the measuring can leak into it.
    """
    from nint.build import build_run
    from nint.checkpoint import CHECKPOINT, restore
    from nint.cli.announce import announce
    from nint.rundir import check_writable, claim

    trial = build_run(job, budget, None if options.resume else init)
    if options.force and not options.resume:
        check_writable(folder)  # the old run goes only once the new one is ready to start
    else:
        claim(folder, resume=options.resume, force=options.force)
    notes = restore(folder / CHECKPOINT, trial, job.settings()) if options.resume else ()
    if not show.quiet:
        announce(show, job, trial, budget, folder, every, notes)
        show.line()


def _logs(folder: Path) -> list[Monitor]:
    from nint.monitors.tensorboard import TensorBoard
    from nint.rundir import TENSORBOARD

    return [TensorBoard(folder / TENSORBOARD)]


def _draw_pictures(folder: Path, job: Job, fit: Fit) -> None:
    try:
        from nint.reporting.fit_pictures import write_pictures
    except ImportError:  # without matplotlib there is everything but the pictures
        return
    write_pictures(folder, job.signal, fit)


def _summary(show: Show, folder: Path, job: Job, fit: Fit) -> None:
    from nint.cli.words import duration, memory, metric, metric_label
    from nint.rundir import OURS, PICTURES

    record = fit.record
    training, selection = record["training_seconds"], record["selection_seconds"]
    files = [name for name in (*OURS, *PICTURES) if (folder / name).exists()]
    layout = job.signal.layout
    twice = ("-x2", "--scale", "2") if layout.kind == "image" else ("",)
    show.facts(
        [
            *((metric_label(name), metric(name, value)) for name, value in fit.metrics.items()),
            ("steps", f"{record['steps']:,} ({record['stopped']})"),
            *(("restarts", _restarts_text(record["restarts"])) for _ in record["restarts"][:1]),
            ("training", f"{duration(training)}, of which {selection / training if training else 0:.0%} chose the points"),
            ("work", f"{record['units']:,.1f} forwards over all points"),
            ("peak memory", memory(record["peak_memory_bytes"])),
            ("files", f"in {folder}: {', '.join(files)}"),
            ("next", _command("decode", folder, f"{folder.resolve().name}{twice[0]}{layout.suffixes[0]}", *twice[1:])),
            ("", _command("inspect", folder)),
        ]
    )


def _restarts_text(restarts: list[dict[str, Any]]) -> str:
    steps = ", ".join(f"{restart['step']:,}" for restart in restarts)
    return f"{len(restarts)}, having diverged at step {steps}; learning rate {restarts[-1]['lr']:g} in the end"


def _command(*words: object) -> str:
    return shlex.join(["nint", *map(str, words)])


def _how_to_resume(options: FitOptions) -> str:
    again = dataclasses.replace(options, resume=True, force=False)
    return f"Go on with: {command_line(again, 'fit')}"
