"""A comparison as a table that is made on the fly: every pairing of a sampler, a network, an input and a seed under one budget."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from nint.bench.compare.asked import Comparison, baseline_of, budget_of, checkpoints_of, fields_of, first_of_one_kind, repeated, samplers_of
from nint.bench.compare.folder import NAME, slug
from nint.bench.compare.sources import Source, read_sources
from nint.bench.compare.suits import check_pairings
from nint.bench.runs import RunSpec
from nint.bench.tables.base import Table
from nint.bench.tables.columns import COST, ITERATIONS, SECONDS, VALUE, WORK, Column
from nint.bench.tables.rows import Row
from nint.machine.devices import resolve_device
from nint.ntk.products import resolve_chunk_size
from nint.runs.contents import TENSORBOARD
from nint.signals.base import Signal

PSNR_TARGETS = (25.0, 28.0, 30.0, 35.0)
_EVALUATIONS = 100
_COSTS = ("steps", "training_seconds", "step_ms", "selecting", "forward_equivalents")


def comparison_table(asked: Comparison) -> Table:
    """Reads the inputs and checks every setting; nothing is written and nothing is trained.

    What decides a run is in its spec, also what a launch or a machine would else choose: threads, chunk size and device, and the content
    of its input. A run that was made with others is therefore another run, and is not taken for it on a resume.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    budget = budget_of(asked)
    options = tuple(asked.signal_options.items())
    sources, remarks = read_sources(asked.inputs, options)
    first = first_of_one_kind({source.path: source.signal for source in sources})
    pools = [source.signal.pool(torch.device("cpu")) for source in sources]
    samplers = samplers_of(asked, pools)
    fields = fields_of(asked)
    checkpoints = checkpoints_of(asked.checkpoints, budget)
    runs: dict[Row, tuple[RunSpec, ...]] = {}
    jobs = []
    for field in fields:
        for sampler in samplers:
            row = Row(f"{sampler} field={field}" if len(fields) > 1 else sampler, "")
            runs[row] = tuple(
                _spec(asked, source, len(sources) > 1, field, sampler, seed, checkpoints)
                for seed in range(asked.seeds)
                for source in sources
            )
            # a setting that cannot be is refused here, not after an hour
            jobs += [(spec.job(), pool) for spec, pool in zip(runs[row][: len(sources)], pools, strict=True)]
    check_pairings(jobs)
    table = Table(
        name=NAME,
        title=", ".join(_titles(sources)),
        caption="",
        columns=_columns(asked, first, checkpoints),
        runs=runs,
        baseline=baseline_of(asked, samplers),
        by_field=len(fields) > 1,
        by_metric=True,
        remarks=(*remarks, *repeated(asked)),
        protocol=_protocol([runs[row][0] for row in runs if row.sampler == samplers[0]]),
    )
    if len(sources) == 1:
        return dataclasses.replace(table, title=f"{first.name}, {first.layout.describe()}")
    return table


def _titles(sources: Sequence[Source]) -> list[str]:
    """What each input's signal is called, where that is not what another one's is too."""
    names = [source.signal.name for source in sources]
    return [source.name if names.count(name) > 1 else name for name, source in zip(names, sources, strict=True)]


def _spec(asked: Comparison, source: Source, several: bool, field: str, sampler: str, seed: int, checkpoints: tuple[float, ...]) -> RunSpec:
    device = resolve_device(asked.device)
    settings = {name: value for name, value in asked.settings.items() if value is not None}
    settings["chunk_size"] = resolve_chunk_size(settings.get("chunk_size"), device)
    settings["device"] = device.type if asked.device == "auto" else asked.device
    every: float = asked.eval_every or max((asked.steps or 0) // _EVALUATIONS, 1)
    if asked.seconds is not None:
        every = asked.seconds / _EVALUATIONS
    log = [TENSORBOARD, *([source.slug] if several else []), field, sampler, f"seed-{seed}"]
    return RunSpec(
        input=source.path,
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
        group=f"{source.path}/{field}/{seed}",
        threads=torch.get_num_threads(),
        content=source.content,
        snapshots_at=checkpoints,
        log="/".join(map(slug, log)) if asked.tensorboard else "",
        label=source.label,
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
