"""What a comparison compares, checked before anything is written."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec
from nint.registry import Registry
from nint.runs.job import Job, make_job
from nint.runs.recipes import choose, steps_of
from nint.samplers import SAMPLERS, BatchSampler, Sampler
from nint.samplers.base import check_needs
from nint.settings import split_text
from nint.signals.base import Pool, Signal
from nint.signals.open import open_signal
from nint.training.budgets import Budget

PSNR_TARGETS = (25.0, 28.0, 30.0, 35.0)
_PARTS = (0.1, 0.25, 0.5, 1.0)
_EVALUATIONS = 100


@dataclass(frozen=True)
class Plan:
    """Every pairing of a sampler, a field and a seed on one signal, under one budget.

    Attributes:
        signal: What is fitted.
        samplers: Text form -> sampler.
        fields: Text form -> spec.
        budget: Steps, or seconds of training.
        seeds: Number of seeds, 0, 1, ...
        total_steps: What schedules read.
        checkpoints: Steps (or, under a seconds budget, training seconds) at which quality is tabled.
        targets: Values of the leading metric to reach.
        eval_every: Steps between evaluations; None spreads about a hundred over the budget.
        lr: Learning rate of every field; None is each field's own default.
        options: Further settings of every job: lr_schedule, warm_up, optimizer, loss, device, chunk_size.
        recipe: Who chooses what nobody names.
        named_steps: The total_steps that was asked for, if any.
    """

    signal: Signal
    samplers: dict[str, Sampler[Any]]
    fields: dict[str, FieldSpec]
    budget: Budget
    seeds: int
    total_steps: int
    checkpoints: tuple[float, ...]
    targets: tuple[float, ...]
    eval_every: int | None
    lr: float | None
    options: dict[str, Any]
    recipe: str = "paper"
    named_steps: int | None = None

    @property
    def metric(self) -> str:
        """The leading metric."""
        return self.signal.metrics[0]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.seeds * len(self.fields) * len(self.samplers)

    @property
    def in_seconds(self) -> bool:
        """Whether the budget is one of training seconds."""
        return self.budget.steps is None

    @property
    def every(self) -> int | None:
        """Steps between evaluations; None where they are spread over the seconds."""
        if self.eval_every is not None or self.in_seconds:
            return self.eval_every
        return max(self.budget.steps // _EVALUATIONS, 1)

    @property
    def every_seconds(self) -> float | None:
        """Training seconds between evaluations; None where they are counted in steps."""
        return None if self.every is not None else self.budget.seconds / _EVALUATIONS

    def job(self, field: str, sampler: str, seed: int) -> Job:
        """The job of one run."""
        return make_job(
            self.signal,
            recipe=self.recipe,
            budget=self.budget,
            field=_named(FIELDS, field, self.fields[field]),
            sampler=_named(SAMPLERS, sampler, self.samplers[sampler]),
            lr=self.lr,
            total_steps=self.total_steps if self.recipe == "paper" else self.named_steps,
            seed=seed,
            **self.options,
        )

    def rates(self) -> dict[str, str]:
        """Field -> its learning rate and who chose it: "0.0001 (its own default)"."""
        jobs = [self.job(text, next(iter(self.samplers)), 0) for text in self.fields]
        return {text: f"{job.rate:g} ({job.rate_source})" for text, job in zip(self.fields, jobs, strict=True)}

    @property
    def lr_schedule(self) -> str:
        """Course of the learning rate of every run."""
        return self.job(next(iter(self.fields)), next(iter(self.samplers)), 0).lr_schedule

    def groups(self) -> Iterator[tuple[int, str]]:
        """(seed, field) of each group whose samplers run interleaved, seed by seed, so that every field has a result early."""
        for seed in range(self.seeds):
            for field in self.fields:
                yield seed, field


def _named(registry: Registry, text: str, spec: Any) -> Any:
    """The text form, which leaves what is not named to the signal's kind; of a class that is not registered, the spec itself."""
    return text if registry.name_of(spec) in registry.names() else spec


def make_plan(
    source: Any,
    *,
    samplers: tuple[str, ...] | list[str] = (),
    fields: tuple[str, ...] | list[str] = ("siren",),
    steps: int | None = None,
    seconds: float | None = None,
    seeds: int = 3,
    size: str | None = None,
    signal_options: dict[str, Any] | None = None,
    batch_share: float | None = None,
    lr: float | None = None,
    total_steps: int | None = None,
    checkpoints: tuple[float, ...] = (),
    targets: tuple[float, ...] = (),
    eval_every: int | None = None,
    recipe: str = "paper",
    **options: Any,
) -> Plan:
    """Reads the source and checks every setting; nothing is written and nothing is trained.

    Args:
        source: A path, "sample:NAME", an array or a `Signal`.
        samplers: Text forms; "all" is every one that the signal allows, plug-ins included; none is every built-in one.
        fields: Text forms; "all" is every one.
        steps: Budget in steps; give this or seconds.
        seconds: Budget in training seconds.
        seeds: Number of seeds.
        size: Size of every field whose text form gives none.
        signal_options: Options of the input's kind, as for `nint.open_signal`.
        batch_share: Share of every sampler that has one and whose text form gives none.
        lr: Learning rate of every field; None is each field's own default.
        total_steps: What schedules read; None is the steps of the budget, or the kind's own under one of seconds.
        checkpoints: Steps or seconds at which quality is tabled; none is a tenth, a quarter, half and all of the budget.
        targets: Values of the leading metric; none is 25, 28, 30 and 35 dB where it is PSNR.
        eval_every: Steps between evaluations.
        recipe: Who chooses what nobody names: "paper" or "default".
        **options: lr_schedule, warm_up, optimizer, loss, device, chunk_size, as in `nint.fitting.make_job`.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    if (steps is None) == (seconds is None):
        raise UsageError("A comparison needs one budget: give either --steps or --seconds.")
    if seeds < 1:
        raise UsageError(f"seeds={seeds} must be at least 1.")
    if eval_every is not None and eval_every < 1:
        raise UsageError(f"eval_every={eval_every} must be at least 1.")
    budget = Budget(steps=steps, seconds=seconds)
    signal = open_signal(source, **(signal_options or {}))
    plan = Plan(
        signal=signal,
        samplers=_samplers(samplers, batch_share, signal.pool(torch.device("cpu"))),
        fields=_fields(fields, size),
        budget=budget,
        seeds=seeds,
        total_steps=total_steps if total_steps is not None else steps or steps_of(recipe, choose(recipe, signal).recipe, signal, budget),
        checkpoints=_checkpoints(checkpoints, budget),
        targets=tuple(sorted(set(targets))) or (PSNR_TARGETS if signal.metrics[0] == "psnr" else ()),
        eval_every=eval_every,
        lr=lr,
        options=options,
        recipe=recipe,
        named_steps=total_steps,
    )
    for field in plan.fields:
        for sampler in plan.samplers:
            plan.job(field, sampler, 0)  # a setting that cannot be is refused here, not after an hour
    return plan


def _samplers(texts: tuple[str, ...] | list[str], batch_share: float | None, pool: Pool) -> dict[str, Sampler[Any]]:
    wanted: list[str] = []
    for text in texts or SAMPLERS.names(plugins=False):
        wanted += SAMPLERS.names() if text == "all" else [text]
    chosen_for_me = not texts or "all" in texts
    found: dict[str, Sampler[Any]] = {}
    for text in wanted:
        sampler = SAMPLERS.parse(text)
        if chosen_for_me and text not in texts and not _allowed(sampler, pool):
            continue
        if batch_share is not None and isinstance(sampler, BatchSampler) and not _gives(text, "batch_share"):
            sampler = dataclasses.replace(sampler, batch_share=batch_share)
        found.setdefault(SAMPLERS.text(sampler), sampler)
    return found


def _fields(texts: tuple[str, ...] | list[str], size: str | None) -> dict[str, FieldSpec]:
    found: dict[str, FieldSpec] = {}
    for text in (name for asked in texts for name in (FIELDS.names() if asked == "all" else [asked])):
        spec = FIELDS.parse(text)
        if size is not None and not _gives(text, "size"):
            spec = dataclasses.replace(spec, size=size)
        found.setdefault(FIELDS.text(spec), spec)
    if not found:
        raise UsageError("A comparison needs at least one field, for example siren.")
    return found


def _gives(text: Any, key: str) -> bool:
    return isinstance(text, str) and key in split_text(text)[1]


def _allowed(sampler: Sampler[Any], pool: Any) -> bool:
    try:
        check_needs(sampler, pool, SAMPLERS.name_of(sampler))
    except UsageError:
        return False
    return True


def _checkpoints(given: tuple[float, ...], budget: Budget) -> tuple[float, ...]:
    in_steps = budget.steps is not None
    limit = budget.steps if in_steps else budget.seconds
    if not given:
        parts = [max(round(part * limit), 1) if in_steps else part * limit for part in _PARTS]
        return tuple(sorted(set(parts)))
    for point in given:
        whole = not in_steps or (float(point).is_integer() and point >= 1)
        if not (whole and 0 < point <= limit):
            unit = f"whole steps from 1 to {limit}" if in_steps else f"seconds above 0 and up to {limit:g}"
            raise UsageError(f"checkpoints={point:g} is not in the budget; give {unit}.")
    return tuple(sorted({int(point) if in_steps else float(point) for point in given}))
