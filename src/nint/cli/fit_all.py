"""`nint fit-all`: many signals into one dataset of fields."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from nint.cli.options import SignalOptions
from nint.cli.parsing import FRACTION, MAX_STEPS, MAX_THREADS, POSITIVE, Bounds, command_line, flag, number, positionals, text, whole
from nint.cli.shell import path_word, shell_line
from nint.cli.show import Show, complain
from nint.errors import UsageError

if TYPE_CHECKING:
    from nint.many.batch import Order
    from nint.many.dispatch import Report

_SHOWN_FAILURES, _SHOWN_NOTES = 20, 20


@dataclass(frozen=True)
class FitAllOptions(SignalOptions):
    """Fits a network to each of many signals, into one folder: a dataset of fields. Signals of one shape train as one batched network.

    The same command with --resume goes on after an interruption or a crash: finished signals are never repeated, and new ones are added.

    Attributes:
        inputs: files, folders, patterns, @LIST (a file of paths), arrays of signals (.npy, .zarr) or Parquet files of images
        out: folder of the dataset
        recipe: source of the defaults: default (the fastest settings that were measured) or paper
        like: model whose settings all signals get, where no option here says otherwise
        field: network, as NAME:SETTING=VALUE,... (nint list fields); the recipe's if left out
        size: hidden layers x width of the network, short for its setting size
        sampler: which points to train on, as NAME:SETTING=VALUE,... (nint list samplers); the recipe's if left out
        batch_share: fraction of the points in a batch, short for the sampler's setting batch_share
        batch_size: points in a batch, short for the sampler's setting batch_size
        steps: stop each signal after this many steps
        seconds: stop each signal after this long
        psnr: stop each signal at this quality in dB
        total_steps: steps along which schedules are laid out, and the limit without --steps or --seconds; the recipe's if left out
        lr: learning rate; the recipe's, or the network's own default, if left out
        lr_schedule: learning-rate schedule; the recipe's if left out
        warm_up: fraction of the run over which the learning rate rises; the recipe's if left out
        optimizer: adam, muon or sgd, with settings as NAME:SETTING=VALUE,...; the recipe's if left out
        loss: l2, l1 or huber
        seed: random seed of the initial weights and of the samplers
        own_seeds: give each signal a seed of its own, made of SEED and its name; else all start from the same weights
        init: model whose weights all signals start from
        device: auto, cpu, cuda or mps
        leading_axis: .npy and .zarr arrays hold signals along their first axis; so does one that is the only input
        column: column of Parquet files that holds the images; found if left out
        splits: fractions of the signals by name, such as train=0.8,val=0.1,test=0.1
        workers: processes that share the signals; one a core if left out, and one under --seconds
        scheduler: Dask scheduler whose workers fit them instead, such as tcp://host:8786
        threads: CPU threads of each process
        resume: go on with the dataset in the output folder, and add what is new
        force: replace the dataset in the output folder
        html: also write OUT/report.html, one page that opens without a network (needs nint[report])
        quiet: print errors only
    """

    inputs: Annotated[tuple[str, ...], *positionals("INPUT")] = ()
    out: Annotated[str | None, *text("DATASET")] = None
    recipe: Annotated[str, *text("default|paper")] = "default"
    like: Annotated[str | None, *text("MODEL")] = None
    field: Annotated[str | None, *text("FIELD")] = None
    size: Annotated[str | None, *text("LAYERSxWIDTH")] = None
    sampler: Annotated[str | None, *text("SAMPLER")] = None
    batch_share: Annotated[float | None, *number("FRACTION", FRACTION)] = None
    batch_size: Annotated[int | None, *whole("N", 1, 2**40)] = None
    steps: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    seconds: Annotated[float | None, *number("S", POSITIVE)] = None
    psnr: Annotated[float | None, *number("DB", Bounds(-1000, 1000))] = None
    total_steps: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    lr: Annotated[float | None, *number("RATE", POSITIVE)] = None
    lr_schedule: Annotated[str | None, *text("constant|cosine|exponential")] = None
    warm_up: Annotated[float | None, *number("FRACTION", Bounds(0, 1, open_high=True))] = None
    optimizer: Annotated[str | None, *text("OPTIMIZER")] = None
    loss: Annotated[str | None, *text("LOSS")] = None
    seed: Annotated[int, *whole("N", 0, 2**62 - 1)] = 0
    own_seeds: Annotated[bool, *flag()] = False
    init: Annotated[str | None, *text("MODEL")] = None
    device: Annotated[str, *text("DEVICE")] = "auto"
    leading_axis: Annotated[bool, *flag()] = False
    column: Annotated[str | None, *text("NAME")] = None
    splits: Annotated[str | None, *text("NAME=FRACTION,...")] = None
    workers: Annotated[int | None, *whole("N", 1, MAX_THREADS)] = None
    scheduler: Annotated[str | None, *text("ADDRESS")] = None
    threads: Annotated[int | None, *whole("N", 1, MAX_THREADS)] = None
    resume: Annotated[bool, *flag()] = False
    force: Annotated[bool, *flag()] = False
    html: Annotated[bool, *flag()] = False
    quiet: Annotated[bool, *flag()] = False


# Options that `nint.fit` calls the same.
_SETTINGS = ("sampler", "batch_share", "batch_size", "total_steps", "lr", "lr_schedule", "warm_up", "optimizer", "loss", "seed", "device")


def run(options: FitAllOptions) -> int:
    """Runs `nint fit-all`; returns the exit code: 0 where any signal could be fitted.

    Raises:
        UsageError: says what is wrong and what would be right; also where no signal could be fitted.
    """
    if not options.inputs:
        raise UsageError("fit-all needs INPUT; see nint fit-all --help.")
    if options.out is None:
        raise UsageError("fit-all needs --out, the folder of the dataset.")

    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import runs_bar
    from nint.many.inputs import items_of
    from nint.many.run import run_order

    order, show = order_of(options), Show(quiet=options.quiet)
    if options.html:
        from nint.report.place import check_target

        check_target(Path(options.out))
    items = items_of(options.inputs, leading_axis=options.leading_axis or None, column=options.column, kind=options.kind)
    began, left_over = time.perf_counter(), [len(items)]
    with Interrupts() as interrupts, runs_bar(len(items), "signals") as told:

        def started(left: int, workers: int) -> None:
            left_over[0] = left
            show.facts(_facts(options, order, len(items), left, workers))

        report = run_order(
            items,
            order,
            options.out,
            splits=options.splits,
            resume=options.resume,
            force=options.force,
            workers=options.workers,
            scheduler=options.scheduler,
            threads=options.threads,
            inputs=(*options.inputs, options.like),
            progress=lambda done, what: told(len(items) - left_over[0] + done, what),
            started=started,
            interrupted=interrupts,
        )
    _summary(show, options, report, time.perf_counter() - began)
    if report.interrupted:
        again = dataclasses.replace(options, resume=True, force=False)
        complain(f"Stopped; finished signals are kept. Continue with: {command_line(again, 'fit-all')}")
        return interrupts.exit_code or 1
    if options.html:
        from nint.cli.report import show_report
        from nint.report.page import write_report

        show_report(write_report(Path(options.out)), show)
    if _nothing_fitted(report):
        (_, error), *others = report.failed
        which = f"None of the {1 + len(others):,} signals" if others else "The signal"
        also = f" All reasons are in {options.out}/failed.json." if others else ""
        raise UsageError(f"{which} could{'' if others else ' not'} be fitted{'; the first' if others else ''}: {error.rstrip('.')}.{also}")
    return 0


def order_of(options: FitAllOptions) -> Order:
    """How every signal is fitted.

    Raises:
        UsageError: for a setting that cannot be.
    """
    from nint.cli.choices import with_setting
    from nint.cli.models import model_path
    from nint.cli.options import signal_options
    from nint.many.run import read_order
    from nint.training.budgets import Budget

    for key in ("batch_share", "batch_size"):
        with_setting(options.sampler or "", key, getattr(options, key))
    field: Any = options.field
    if options.size is not None:
        field = with_setting(options.field or "siren", "size", options.size)
    given = {name: getattr(options, name) for name in _SETTINGS}
    return read_order(
        options.recipe,
        Budget(steps=options.steps, seconds=options.seconds, psnr=options.psnr),
        None if options.like is None else model_path(options.like),
        None if options.init is None else model_path(options.init),
        options.own_seeds,
        {"field": field, **given, **signal_options(options)},  # type: ignore[typeddict-item]
    )


def _facts(options: FitAllOptions, order: Order, wanted: int, left: int, workers: int) -> list[tuple[str, str]]:
    there = f", {wanted - left:,} of them in {options.out} already" if left < wanted else ""
    where = f"the workers of {options.scheduler}" if options.scheduler else f"{workers} process{'' if workers == 1 else 'es'}"
    return [("signals", f"{wanted:,}{there}"), ("where", where), ("output", str(options.out))]


def _nothing_fitted(report: Report) -> bool:
    return bool(report.failed) and not report.fitted and not report.before


def _summary(show: Any, options: FitAllOptions, report: Report, seconds: float) -> None:
    from nint.many.notes import counted
    from nint.report.words import duration

    notes, noted = counted(report.notes, report.fitted), len({id for id, _ in report.notes})
    rate = f", {report.fitted / seconds:.3g} a second" if report.fitted and seconds else ""
    show.facts(
        [
            *(("mended", said) for said in report.mended),
            ("fitted", f"{report.fitted:,} in {duration(seconds)}{rate}"),
            ("notes", f"on {noted:,} of {report.fitted:,} (all in {options.out}/notes.json)" if notes else ""),
            ("failed", f"{len(report.failed):,} (all in {options.out}/failed.json)" if report.failed else ""),
        ]
    )
    for said in notes[:_SHOWN_NOTES]:
        show.line(f"note: {said}")
    if len(notes) > _SHOWN_NOTES:
        show.line(f"and {len(notes) - _SHOWN_NOTES:,} more notes")
    for id, error in report.failed[:_SHOWN_FAILURES]:
        show.line(f"failed: {id}: {error}")
    if len(report.failed) > _SHOWN_FAILURES:
        show.line(f"and {len(report.failed) - _SHOWN_FAILURES:,} more")
    if not report.interrupted and not _nothing_fitted(report):
        folder = path_word(str(options.out))
        show.facts(
            [("next", shell_line(["nint", "inspect", folder])), ("", shell_line(["nint", "decode-all", folder, "--out", "decoded"]))]
        )
