"""`nint compare`: samplers and fields side by side on one input."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from nint.cli.options import SignalOptions, signal_options
from nint.cli.parsing import command_line, flag, number, positional, several, text, whole


@dataclass(frozen=True)
class CompareOptions(SignalOptions):
    """Trains every pairing of sampler, field and seed from the same start weights, and writes one report and its pictures.

    Attributes:
        input: file, or sample:NAME
        out: folder for runs.jsonl, table.md and the pictures
        samplers: text forms as in nint list samplers; all adds plug-ins (default: every built-in one that the input allows)
        fields: text forms as in nint list fields, or all (default: siren)
        steps: budget of each run in steps; give this or --seconds
        seconds: budget of each run in training seconds
        seeds: runs of each pairing, with the seeds 0, 1, ...
        size: hidden layers x width of every field whose text form gives none
        batch_share: share of the points in a batch, of every sampler that has one and whose text form gives none
        recipe: who chooses what is left out, default or paper
        lr: learning rate of every field, the paper's is 1e-4 (default: the recipe's, or each field's own)
        lr_schedule: constant, cosine or exponential (default: the recipe's, which is constant in the paper's)
        warm_up: share of the run in which the learning rate rises (default: the recipe's)
        optimizer: text form of the optimizer (default: the recipe's)
        loss: l2, l1 or huber
        total_steps: what schedules read (default: the budget's steps, or 5000 with --seconds)
        checkpoints: steps (or seconds, with --seconds) at which quality is tabled (default: 10, 25, 50 and 100 % of the budget)
        targets: PSNR to reach, in dB (default: 25 28 30 35)
        device: auto, cpu, cuda or mps
        threads: CPU threads
        force: replace the comparison in OUT
        resume: go on with the comparison in OUT; finished runs are kept
        html: also write OUT/report.html, one page that opens without a network (needs nint[report])
        tensorboard: also log every run to OUT/tensorboard for TensorBoard (needs nint[tensorboard])
    """

    input: Annotated[str, *positional("INPUT")]
    out: Annotated[str, *text("DIR")]
    samplers: Annotated[tuple[str, ...], *several("SAMPLER")] = ()
    fields: Annotated[tuple[str, ...], *several("FIELD")] = ()
    steps: Annotated[int | None, *whole("N")] = None
    seconds: Annotated[float | None, *number("S")] = None
    seeds: Annotated[int, *whole("N")] = 3
    size: Annotated[str | None, *text("LxH")] = None
    batch_share: Annotated[float | None, *number("SHARE")] = None
    recipe: Annotated[str, *text("default|paper")] = "paper"
    lr: Annotated[float | None, *number("RATE")] = None
    lr_schedule: Annotated[str | None, *text("SCHEDULE")] = None
    warm_up: Annotated[float | None, *number("SHARE")] = None
    optimizer: Annotated[str | None, *text("OPTIMIZER")] = None
    loss: Annotated[str, *text("LOSS")] = "l2"
    total_steps: Annotated[int | None, *whole("N")] = None
    checkpoints: Annotated[tuple[float, ...], *several("STEP")] = ()
    targets: Annotated[tuple[float, ...], *several("DB")] = ()
    device: Annotated[str, *text("DEVICE")] = "auto"
    threads: Annotated[int | None, *whole("N")] = None
    force: Annotated[bool, *flag()] = False
    resume: Annotated[bool, *flag()] = False
    html: Annotated[bool, *flag()] = False
    tensorboard: Annotated[bool, *flag()] = False


def run(options: CompareOptions) -> int:
    from nint.bench.compare.folder import TABLE
    from nint.bench.compare.pictures import write_pictures
    from nint.bench.compare.plan import make_plan
    from nint.bench.compare.run import run_comparison
    from nint.bench.compare.table import failures, write_markdown
    from nint.cli.choices import use_threads
    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import runs_bar
    from nint.cli.show import Show

    use_threads(options.threads)
    out, show, command = Path(options.out), Show(), command_line(options, "compare")
    same = (
        "steps",
        "seconds",
        "seeds",
        "size",
        "batch_share",
        "recipe",
        "lr",
        "lr_schedule",
        "warm_up",
        "optimizer",
        "loss",
        "total_steps",
        "device",
    )
    plan = make_plan(
        options.input,
        samplers=options.samplers,
        fields=options.fields or ("siren",),
        checkpoints=options.checkpoints,
        targets=options.targets,
        signal_options=signal_options(options),
        **{name: getattr(options, name) for name in same},
    )
    if options.html:
        from nint.report.place import check_target

        check_target(out)
    show.facts(_facts(plan))
    with Interrupts() as interrupts, runs_bar(plan.runs) as progress:
        comparison = run_comparison(
            plan,
            out,
            command=command,
            resume=options.resume,
            force=options.force,
            tensorboard=options.tensorboard,
            progress=progress,
            interrupted=interrupts,
        )
    for problem in comparison.problems:
        print(f"nint: {problem}", file=sys.stderr)
    if comparison.results:
        _show_tables(comparison)
        for line in failures(comparison):
            show.line(f"failed: {line}")
        written = [write_markdown(comparison, out / TABLE), *write_pictures(comparison, out)]
        show.line(f"{out}: runs.jsonl, {', '.join(path.name for path in written)}")
        if options.html:
            from nint.cli.report import show_report
            from nint.report.page import write_report

            show_report(write_report(out, original=plan.signal), show)
    if comparison.interrupted:
        again = command if options.resume else f"{command.replace(' --force', '')} --resume"
        show.line(f"Stopped after {len(comparison.results)} of {plan.runs} runs; go on with: {again}")
        return interrupts.exit_code or 1
    return 1 if len(comparison.failed()) == plan.runs else 0


def _facts(plan: Any) -> list[tuple[str, str]]:
    budget = f"{plan.budget.seconds:g} training seconds" if plan.in_seconds else f"{plan.budget.steps:,} steps"
    return [
        ("input", f"{plan.signal.name}, {plan.signal.layout.describe()}"),
        ("recipe", plan.recipe),
        ("samplers", "  ".join(plan.samplers)),
        ("fields", "\n".join(f"{text}, learning rate {rate}" for text, rate in plan.rates().items())),
        ("budget", f"{budget} each; schedules read {plan.total_steps:,} total steps"),
        ("runs", f"{plan.runs:,}: samplers {len(plan.samplers)}, fields {len(plan.fields)}, seeds {plan.seeds}"),
    ]


def _show_tables(comparison: Any) -> None:
    from rich.console import Console

    from nint.bench.compare.table import rich_tables

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False, emoji=False)
    for table in rich_tables(comparison):
        console.print(table)
