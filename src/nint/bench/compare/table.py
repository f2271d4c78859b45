"""A comparison as a table that is made on the fly: every pairing of a sampler, a network, an input and a seed under one budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import torch

from nint.bench.compare.folder import NAME, slug
from nint.bench.inputs import read_signal
from nint.bench.runs import RunSpec
from nint.bench.tables.base import Table
from nint.bench.tables.columns import COST, ITERATIONS, SECONDS, VALUE, WORK, Column
from nint.bench.tables.rows import Row
from nint.errors import UsageError, nearest
from nint.fields import FIELDS
from nint.machine.devices import resolve_device
from nint.ntk.products import resolve_chunk_size
from nint.runs.contents import TENSORBOARD
from nint.samplers import SAMPLERS, BatchSampler, Sampler
from nint.samplers.base import check_needs
from nint.settings import split_text
from nint.signals.base import Pool, Signal
from nint.training.budgets import Budget

PSNR_TARGETS = (25.0, 28.0, 30.0, 35.0)
_PARTS = (0.1, 0.25, 0.5, 1.0)
_EVALUATIONS = 100
_COSTS = ("steps", "training_seconds", "step_ms", "selecting", "forward_equivalents")


@dataclass(frozen=True)
class Comparison:
    """What is asked for.

    Attributes:
        inputs: Paths or "sample:NAME", of one kind.
        samplers: Text forms; "all" is every one that the inputs allow, plug-ins included; none is every built-in one.
        fields: Text forms; "all" is every one.
        steps: Budget of each run in steps; this or `seconds`.
        seconds: Budget of each run in training seconds.
        seeds: Number of seeds, 0, 1, ...
        size: Of every network whose text form gives none.
        signal_options: Options of the inputs' kind, as for `nint.open_signal`.
        batch_share: Of every sampler that has one and whose text form gives none.
        baseline: Text form of the sampler from which the differences of the others are taken; None is the first.
        checkpoints: Steps (or training seconds, under such a budget) at which quality is tabled; none is a tenth, a quarter, half and all
            of the budget.
        targets: Values of the leading metric; none is 25, 28, 30 and 35 dB where it is PSNR.
        eval_every: Steps between evaluations; None spreads about a hundred over the budget.
        recipe: Source of the settings that are left out: "paper" or "default".
        device: "auto", "cpu", "cuda" or "mps".
        settings: Further settings of every job: lr, lr_schedule, warm_up, optimizer, loss, total_steps, chunk_size; None is left out.
        tensorboard: Whether every run is logged for TensorBoard.
    """

    inputs: tuple[str, ...]
    samplers: tuple[str, ...] = ()
    fields: tuple[str, ...] = ("siren",)
    steps: int | None = None
    seconds: float | None = None
    seeds: int = 3
    size: str | None = None
    signal_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    batch_share: float | None = None
    baseline: str | None = None
    checkpoints: tuple[float, ...] = ()
    targets: tuple[float, ...] = ()
    eval_every: int | None = None
    recipe: str = "paper"
    device: str = "auto"
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
    tensorboard: bool = False


def comparison_table(asked: Comparison) -> Table:
    """Reads the inputs and checks every setting; nothing is written and nothing is trained.

    What decides a run is in its spec, also what a launch or a machine would else choose: threads, chunk size and device, and the content
    of its input. A run that was made with others is therefore another run, and is not taken for it on a resume.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    budget = _budget(asked)
    options = tuple(asked.signal_options.items())
    inputs = tuple(dict.fromkeys(asked.inputs))
    signals = {source: read_signal(source, None, options) for source in inputs}
    first = _of_one_kind(signals)
    samplers = _samplers(asked, [signal.pool(torch.device("cpu")) for signal in signals.values()])
    fields = _fields(asked)
    checkpoints = _checkpoints(asked.checkpoints, budget)
    runs: dict[Row, tuple[RunSpec, ...]] = {}
    for field in fields:
        for sampler in samplers:
            row = Row(f"{sampler} field={field}" if len(fields) > 1 else sampler, "")
            runs[row] = tuple(
                _spec(asked, source, signals[source], field, sampler, seed, checkpoints) for seed in range(asked.seeds) for source in inputs
            )
            for spec in runs[row][: len(inputs)]:
                spec.job()  # a setting that cannot be is refused here, not after an hour
    table = Table(
        name=NAME,
        title=", ".join(dict.fromkeys(signal.name for signal in signals.values())),
        caption="",
        columns=_columns(asked, first, checkpoints),
        runs=runs,
        baseline=_baseline(asked, samplers),
        by_field=len(fields) > 1,
        by_metric=True,
        protocol=_protocol([runs[row][0] for row in runs if row.sampler == samplers[0]]),
    )
    if len(inputs) == 1:
        return dataclasses.replace(table, title=f"{first.name}, {first.layout.describe()}")
    return table


def _budget(asked: Comparison) -> Budget:
    """The budget of each run, where that and the numbers of inputs, seeds and evaluations can be.

    Raises:
        UsageError: else.
    """
    if (asked.steps is None) == (asked.seconds is None):
        raise UsageError("A comparison needs one budget: give either --steps or --seconds.")
    if not asked.inputs:
        raise UsageError("compare needs INPUT, for example sample:astronaut; see nint compare --help.")
    if asked.seeds < 1:
        raise UsageError(f"seeds={asked.seeds} must be at least 1.")
    if asked.eval_every is not None and (asked.eval_every < 1 or asked.steps is None):
        raise UsageError(f"eval_every={asked.eval_every} must be a number of steps of at least 1, for a budget of steps.")
    return Budget(steps=asked.steps, seconds=asked.seconds)


def _of_one_kind(signals: dict[str, Signal]) -> Signal:
    """The first of the signals, where all are measured alike.

    Raises:
        UsageError: where one has other metrics than the first.
    """
    first = next(iter(signals.values()))
    for source, signal in signals.items():
        if (signal.layout.kind, signal.metrics) != (first.layout.kind, first.metrics):
            raise UsageError(
                f"{source} is of kind {signal.layout.kind} and {next(iter(signals))} of kind {first.layout.kind}; give inputs of one kind, "
                "which are measured alike."
            )
    return first


def _samplers(asked: Comparison, pools: Sequence[Pool]) -> list[str]:
    """The samplers in text form, each once, in the order in which they are named."""
    wanted: list[str] = []
    for text in asked.samplers or SAMPLERS.names(plugins=False):
        wanted += SAMPLERS.names() if text == "all" else [text]
    default_selection = not asked.samplers or "all" in asked.samplers
    found: dict[str, None] = {}
    for text in wanted:
        sampler = SAMPLERS.parse(text)
        if default_selection and text not in asked.samplers and not all(_allowed(sampler, pool) for pool in pools):
            continue
        share = split_text(text)[1].get("batch_share")
        if asked.batch_share is not None and isinstance(sampler, BatchSampler) and share is None:
            sampler, share = dataclasses.replace(sampler, batch_share=asked.batch_share), str(asked.batch_share)
        found.setdefault(_text(sampler, share))
    return list(found)


def _text(sampler: Sampler, share: str | None) -> str:
    """The shortest text form; a batch share that was named stays, as a kind of signal may have another default than the sampler."""
    text = SAMPLERS.text(sampler)
    if share is None or "batch_share" in split_text(text)[1]:
        return text
    return f"{text}{',' if ':' in text else ':'}batch_share={share}"


def _allowed(sampler: Sampler, pool: Any) -> bool:
    try:
        check_needs(sampler, pool, SAMPLERS.name_of(sampler))
    except UsageError:
        return False
    return True


def _baseline(asked: Comparison, samplers: Sequence[str]) -> str:
    """Its text form.

    Raises:
        UsageError: where it is not among the samplers.
    """
    if asked.baseline is None:
        return samplers[0]
    text = _samplers(dataclasses.replace(asked, samplers=(asked.baseline,)), ())[0]
    if text not in samplers:
        raise UsageError(f"The baseline '{asked.baseline}' is not among the samplers.{nearest(text, samplers)}")
    return text


def _fields(asked: Comparison) -> list[str]:
    """The networks in text form, each once.

    Raises:
        UsageError: for none.
    """
    found: dict[str, None] = {}
    for text in (name for wanted in asked.fields for name in (FIELDS.names() if wanted == "all" else [wanted])):
        spec = FIELDS.parse(text)
        if asked.size is not None and "size" not in split_text(text)[1]:
            spec = dataclasses.replace(spec, size=asked.size)
        found.setdefault(FIELDS.text(spec))
    if not found:
        raise UsageError("A comparison needs at least one field, for example siren.")
    return list(found)


def _checkpoints(given: tuple[float, ...], budget: Budget) -> tuple[float, ...]:
    """In the unit of the budget, in order.

    Raises:
        UsageError: for one outside the budget.
    """
    if budget.steps is not None:
        for point in given:
            if not (float(point).is_integer() and 1 <= point <= budget.steps):
                raise UsageError(f"checkpoints={point:g} is not in the budget; give whole steps from 1 to {budget.steps}.")
        return tuple(sorted({int(point) for point in given} or {max(round(part * budget.steps), 1) for part in _PARTS}))
    whole = budget.seconds or 0.0
    for point in given:
        if not 0 < point <= whole:
            raise UsageError(f"checkpoints={point:g} is not in the budget; give seconds above 0 and up to {whole:g}.")
    return tuple(sorted({float(point) for point in given} or {part * whole for part in _PARTS}))


def _spec(asked: Comparison, source: str, signal: Signal, field: str, sampler: str, seed: int, checkpoints: tuple[float, ...]) -> RunSpec:
    device = resolve_device(asked.device)
    settings = {name: value for name, value in asked.settings.items() if value is not None}
    settings["chunk_size"] = resolve_chunk_size(settings.get("chunk_size"), device)
    settings["device"] = device.type if asked.device == "auto" else asked.device
    every: float = asked.eval_every or max((asked.steps or 0) // _EVALUATIONS, 1)
    if asked.seconds is not None:
        every = asked.seconds / _EVALUATIONS
    several = len(set(asked.inputs)) > 1
    log = [TENSORBOARD, *(["/".join(PurePath(source).parts[-2:])] if several else []), field, sampler, f"seed-{seed}"]
    return RunSpec(
        input=source,
        field=field,
        sampler=sampler,
        recipe=asked.recipe,
        seed=seed,
        steps=asked.steps,
        seconds=asked.seconds,
        evaluate_at=tuple(point for point in checkpoints if abs(point / every - round(point / every)) > 1e-9),
        eval_every=every,
        options=tuple(asked.signal_options.items()),
        settings=tuple(sorted(settings.items())),
        keep=seed == 0,
        group=f"{source}/{field}/{seed}",
        threads=torch.get_num_threads(),
        content=signal.fingerprint(),
        snapshots_at=checkpoints,
        log="/".join(map(slug, log)) if asked.tensorboard else "",
    )


def _columns(asked: Comparison, signal: Signal, checkpoints: Sequence[float]) -> tuple[Column, ...]:
    leading = signal.metrics[0]
    targets = sorted(set(asked.targets)) or (PSNR_TARGETS if leading == "psnr" else ())
    return (
        *(Column(VALUE, metric, point, asked.seconds is not None) for metric in signal.metrics for point in checkpoints),
        *(Column(what, leading, target) for what in (ITERATIONS, SECONDS, WORK) for target in targets),
        *(Column(COST, name) for name in _COSTS),
    )


def _protocol(specs: Sequence[RunSpec]) -> tuple[str, ...]:
    """How the runs are made, by one of each network."""
    jobs = [spec.job() for spec in specs]
    spec = specs[0]
    budget = f"{spec.steps:,} steps" if spec.steps is not None else f"{spec.seconds:g} training seconds"
    rates = "; ".join(f"{spec.field} {job.rate:g} ({job.rate_source})" for spec, job in zip(specs, jobs, strict=True))
    if spec.steps is None:
        every = f"every {spec.eval_every:g} training seconds"
    else:
        every = "every step" if spec.eval_every == 1 else f"every {spec.eval_every:,} steps"
    return (
        f"Every run has {budget} and is evaluated {every}. Schedules read {jobs[0].total_steps:,} total steps.",
        f"Recipe {spec.recipe}. Learning rate, {jobs[0].lr_schedule}: {rates}.",
    )
