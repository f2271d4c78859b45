"""`nint compare`: samplers and fields side by side on one input or several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nint.cli.options import SignalOptions, signal_options
from nint.cli.parsing import (
    FRACTION,
    MAX_SEEDS,
    MAX_STEPS,
    MAX_THREADS,
    POSITIVE,
    Bounds,
    command_line,
    flag,
    number,
    numbers,
    positionals,
    several,
    text,
    whole,
)

if TYPE_CHECKING:
    from nint.bench.compare.asked import Comparison
    from nint.bench.tables.base import Table


@dataclass(frozen=True)
class CompareOptions(SignalOptions):
    """Trains every pairing of sampler, field, input and seed from the same start weights, and writes one report and its pictures.

    Attributes:
        inputs: files, or sample:NAME, of one kind
        out: folder for runs.jsonl, table.md and the pictures
        samplers: text forms as in nint list samplers; all adds plug-ins (default: every built-in one that the input allows)
        fields: text forms as in nint list fields, or all (default: siren)
        steps: budget of each run in steps; give this or --seconds
        seconds: budget of each run in training seconds
        seeds: runs of each pairing, with the seeds 0, 1, ...
        size: hidden layers x width of every field whose text form gives none
        batch_share: fraction of the points in a batch, of every sampler that has one and whose text form gives none
        baseline: sampler from which the differences of the others are taken (default: the first)
        recipe: source of the settings that are left out, default or paper
        lr: learning rate of every field, the paper's is 1e-4 (default: the recipe's, or each field's own)
        lr_schedule: constant, cosine or exponential (default: the recipe's, which is constant in the paper's)
        warm_up: fraction of the run in which the learning rate rises (default: the recipe's)
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

    out: Annotated[str, *text("DIR")]
    inputs: Annotated[tuple[str, ...], *positionals("INPUT")] = ()
    samplers: Annotated[tuple[str, ...], *several("SAMPLER")] = ()
    fields: Annotated[tuple[str, ...], *several("FIELD")] = ()
    steps: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    seconds: Annotated[float | None, *number("S", POSITIVE)] = None
    seeds: Annotated[int, *whole("N", 1, MAX_SEEDS)] = 3
    size: Annotated[str | None, *text("LxH")] = None
    batch_share: Annotated[float | None, *number("FRACTION", FRACTION)] = None
    baseline: Annotated[str | None, *text("SAMPLER")] = None
    recipe: Annotated[str, *text("default|paper")] = "paper"
    lr: Annotated[float | None, *number("RATE", POSITIVE)] = None
    lr_schedule: Annotated[str | None, *text("SCHEDULE")] = None
    warm_up: Annotated[float | None, *number("FRACTION", Bounds(0, 1, open_high=True))] = None
    optimizer: Annotated[str | None, *text("OPTIMIZER")] = None
    loss: Annotated[str, *text("LOSS")] = "l2"
    total_steps: Annotated[int | None, *whole("N", 1, MAX_STEPS)] = None
    checkpoints: Annotated[tuple[float, ...], *numbers("STEP", POSITIVE)] = ()
    targets: Annotated[tuple[float, ...], *numbers("DB", Bounds(-1000, 1000))] = ()
    device: Annotated[str, *text("DEVICE")] = "auto"
    threads: Annotated[int | None, *whole("N", 1, MAX_THREADS)] = None
    force: Annotated[bool, *flag()] = False
    resume: Annotated[bool, *flag()] = False
    html: Annotated[bool, *flag()] = False
    tensorboard: Annotated[bool, *flag()] = False


def run(options: CompareOptions) -> int:
    """Runs the command and returns its exit code.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    from nint.bench.compare.folder import claim
    from nint.bench.compare.pictures import write_pictures
    from nint.bench.compare.table import comparison_table
    from nint.bench.execute import missing, run_all
    from nint.bench.tables.data import table_data
    from nint.bench.tables.write import write_markdown
    from nint.cli.choices import use_threads
    from nint.cli.interrupts import Interrupts
    from nint.cli.progress import runs_bar
    from nint.cli.show import Show, complain
    from nint.cli.tables import after, show_table
    from nint.runs.contents import CHECKPOINT, COMPARE, of_comparison
    from nint.runs.folder import OutputFolder

    use_threads(options.threads)
    out, show, command = Path(options.out), Show(), command_line(options, "compare")
    asked = _asked(options)
    table = comparison_table(asked)
    if options.html:
        from nint.report.place import check_target

        check_target(out)
    if options.tensorboard:
        from nint.monitors.tensorboard import summary_writer

        summary_writer()  # refused here where it is not installed, and not by each run
    names = of_comparison(report=options.html, log=options.tensorboard)
    with OutputFolder(out, COMPARE, names, options.inputs) as folder:
        store = claim(folder, resume=options.resume, force=options.force)
        show.facts(_facts(table))
        for problem in store.problems:
            complain(problem)
        specs = table.specs
        with Interrupts() as interrupts, runs_bar(len(specs)) as told:
            done = len(specs) - len(missing(specs, store))
            run_all(specs, store, command=command, experiment="compare", progress=after(done, told), interrupted=interrupts)
        records = store.records()
        made = {spec: records[spec.key] for spec in specs if spec.key in records}
        failed = {spec: record["error"] for spec, record in made.items() if record["error"] is not None}
        if made:
            data = table_data(table, records, store.problems)
            show_table(data, 140)
            for spec, error in failed.items():
                show.line(f"failed: {spec.title}: {error}")
            written = [write_markdown(data, out), *write_pictures(table, store)]
            show.line(f"{out}: runs.jsonl, {', '.join(path.name for path in written)}")
            if options.html:
                from nint.cli.report import show_report
                from nint.report.page import write_report

                show_report(write_report(out), show)
        if len(made) < len(specs):
            plain = command.replace(" --force", "").replace(" --resume", "")
            begun = bool(records) or any((store.place(spec.key) / CHECKPOINT).exists() for spec in specs)
            again = f"{plain} --resume" if begun else plain
            show.line(f"Stopped after {len(made)} of {len(specs)} runs; go on with: {again}")
            return interrupts.exit_code or 1
    return 1 if len(failed) == len(specs) else 0


def _asked(options: CompareOptions) -> Comparison:
    from nint.bench.compare.asked import Comparison

    settings = ("lr", "lr_schedule", "warm_up", "optimizer", "loss", "total_steps")
    return Comparison(
        inputs=options.inputs,
        samplers=options.samplers,
        fields=options.fields or ("siren",),
        steps=options.steps,
        seconds=options.seconds,
        seeds=options.seeds,
        size=options.size,
        signal_options=signal_options(options),
        batch_share=options.batch_share,
        baseline=options.baseline,
        checkpoints=options.checkpoints,
        targets=options.targets,
        recipe=options.recipe,
        device=options.device,
        settings={name: getattr(options, name) for name in settings},
        tensorboard=options.tensorboard,
    )


def _facts(table: Table) -> list[tuple[str, str]]:
    inputs = {spec.input: spec for spec in reversed(table.specs)}
    fields = {spec.field: spec for spec in reversed(table.specs)}
    samplers = list(dict.fromkeys(spec.sampler for spec in table.specs))
    signals = [spec.signal() for spec in reversed(inputs.values())]
    names = table.inputs if len(inputs) > 1 else [signals[0].name]
    jobs = {field: spec.job() for field, spec in reversed(fields.items())}
    first = table.specs[0]
    budget = f"{first.seconds:g} training seconds" if first.seconds is not None else f"{first.steps:,} steps"
    steps = next(iter(jobs.values())).total_steps
    counts = {"samplers": len(samplers), "fields": len(fields), "inputs": len(inputs), "seeds": len(table.seeds)}
    return [
        ("input", "\n".join(f"{name}, {signal.layout.describe()}" for name, signal in zip(names, signals, strict=True))),
        ("remarks", "\n".join(table.remarks)),
        ("recipe", first.recipe),
        ("samplers", "  ".join(samplers)),
        ("fields", "\n".join(f"{field}, learning rate {job.rate:g} ({job.rate_source})" for field, job in jobs.items())),
        ("budget", f"{budget} each; schedules read {steps:,} total steps"),
        ("runs", f"{len(table.specs):,}: {', '.join(f'{name} {count}' for name, count in counts.items())}"),
    ]
