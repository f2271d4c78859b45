"""From a job to a run at step 0."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nint.distributed.group import Group
from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec
from nint.machine.compiled import check_compiler
from nint.ntk.check import require_pointwise, require_pointwise_behaviour, require_tensor
from nint.ntk.trial import try_forward
from nint.runs.job import Job
from nint.runs.model import Fit
from nint.samplers import SAMPLERS
from nint.samplers.base import check_needs
from nint.teacher import Teacher
from nint.training import learning_rate
from nint.training.budgets import Budget
from nint.training.clock import Clock
from nint.training.engine import Run
from nint.training.optimizers import OPTIMIZERS
from nint.training.shared import Shared, SharedClock


def build_run(
    job: Job,
    budget: Budget,
    init: str | Path | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    group: Group | None = None,
) -> Run:
    """A run at step 0.

    Args:
        job: What to run.
        budget: When to stop.
        init: A model whose weights to start from.
        interrupted: Asked after each step; true stops the run.
        group: The processes that run the job together, all of which build it; None for one process.

    Raises:
        UsageError: for a PSNR budget on a signal without PSNR, or an `init` that does not fit.
    """
    if budget.psnr is not None and "psnr" not in job.signal.metrics:
        measured = ", ".join(job.signal.metrics)
        raise UsageError(
            f"PSNR is not measured on {job.signal.layout.kind} signals ({measured}), so it cannot be a budget; give steps or seconds."
        )
    field = job.build_field()
    if init is not None:
        _start_from(field, Path(init), job.field)
    pool = job.signal.pool(job.device)
    check_needs(job.sampler, pool, SAMPLERS.name_of(job.sampler))  # which a teacher does too, but speaks of its own arguments
    require_pointwise(field)  # not all samplers need it, but training does, which divides batches into chunks
    teacher = Teacher(
        field,
        pool.coords,
        pool.values,
        job.sampler,
        total_steps=job.total_steps,
        seed=job.seed,
        grid=pool.grid,
        loss=job.loss,
        chunk_size=job.chunk_size,
        value_range=pool.value_range,
        precision=job.score_precision,
        check_finite=isinstance(pool.coords, Tensor)
        and isinstance(pool.values, Tensor),  # what is read by rows was checked as it was opened
        group=group,
    )
    require_tensor(try_forward(field, teacher.probe.coords[:1]))
    apart = sorted({i * (len(pool) - 1) // 3 for i in range(4)})  # not neighbours, which may have a coordinate in common
    require_pointwise_behaviour(field, teacher.probe.coords[torch.tensor(apart, device=job.device)], pool.out_features)
    if job.compile:
        check_compiler(job.device)
    optimizer = OPTIMIZERS.parse(job.optimizer).build([p for p in field.parameters() if p.requires_grad], job.rate)
    clock = Clock(job.device) if group is None else SharedClock(job.device)
    shared = Shared(group, clock, interrupted) if group is not None and isinstance(clock, SharedClock) else None
    run = Run(
        field=field,
        teacher=teacher,
        optimizer=optimizer,
        rate=lambda step: job.rate,
        signal=job.signal,
        budget=budget,
        clock=clock,
        seed=job.seed,
        interrupted=interrupted if shared is None else shared.is_stopping,
        compiled=job.compile,
        shared=shared,
        init=None if init is None else os.path.abspath(init),
    )
    run.rate = _rate(job, run)
    return run


def _rate(job: Job, run: Run) -> Callable[[int], float]:
    """Step -> learning rate: over total_steps, or over the seconds of the budget where the job goes by the clock.

    Where both limits are given, the one that is nearer its end counts. After a restart the schedule is laid out over the seconds that
    are left.
    """
    budget, restarts = run.budget, run.restarts

    def rate(step: int) -> float:
        top = job.rate * 0.5 ** len(restarts)
        if not job.by_clock or budget.seconds is None:
            return learning_rate.learning_rate(job.lr_schedule, top, step, job.total_steps, job.warm_up)
        begin = restarts[-1].get("spent_seconds", restarts[-1]["training_seconds"]) if restarts else 0.0
        progress = (run.spent_s - begin) / (budget.seconds - begin)
        if budget.steps is not None:
            progress = max(progress, step / job.total_steps)
        return learning_rate.rate_at(job.lr_schedule, top, min(progress, 1.0), job.warm_up)

    return rate


def _start_from(field: nn.Module, path: Path, spec: FieldSpec | nn.Module) -> None:
    donor = Fit.load(path, field=None if isinstance(spec, FieldSpec) else copy.deepcopy(field))
    own, given = field.state_dict(), donor.state_dict()
    if {k: v.shape for k, v in given.items()} != {k: v.shape for k, v in own.items()}:
        raise UsageError(f"{path} holds a network of another shape; give the same --field and --size, and a signal with as many channels.")
    if isinstance(spec, FieldSpec) and (donor.spec is None or _but_for_start(donor.spec) != _but_for_start(spec)):
        raise UsageError(f"{path} holds a {FIELDS.text(donor.spec)}, not a {FIELDS.text(spec)}; give the same --field.")
    field.load_state_dict(given)


def _but_for_start(spec: FieldSpec) -> FieldSpec:
    """The spec with the defaults of settings that decide the start weights alone, which the other model has in their place."""
    defaults: dict[str, Any] = {field.name: field.default for field in dataclasses.fields(spec) if field.name in spec.start_settings}
    return dataclasses.replace(spec, **defaults)
