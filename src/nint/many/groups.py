"""Which signals train together, and how many of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from torch import Tensor

from nint.fields import FieldSpec
from nint.many.optimizers import stackable as optimizer_stackable
from nint.many.stacked_samplers import stackable as sampler_stackable
from nint.runs.job import Job
from nint.samplers.base import BatchSampler
from nint.samplers.cells import MOST_SORTED
from nint.samplers.nint_fast import NintFast
from nint.signals.base import Pool, Signal
from nint.training.budgets import Budget
from nint.training.optimizers import OPTIMIZERS

T = TypeVar("T")

MOST = 64
"""Signals of a stack: what a step costs beside its arithmetic is shared by so many that more gain less than a tenth."""

MOST_BYTES = 2**29
"""Memory of a stack."""

MOST_WORK = 2**27
"""Multiplications of a training step beyond which a signal keeps a core busy alone: then stacking it gains nothing."""


def group_of(job: Job, pool: Pool, budget: Budget) -> Any | None:
    """What signals must have in common to be trained together; None for one that is trained alone.

    Alone are: a budget of seconds (the clock is one signal's own), points that are redrawn or read by rows, samplers and optimizers without
    a stacked form, compiled networks and bf16 scores, and signals so large that stacking gains nothing.

    Args:
        job: The signal and its settings.
        pool: Its points.
        budget: When it stops.
    """
    if not isinstance(job.field, FieldSpec) or budget.seconds is not None or job.compile or job.score_precision != "float32":
        return None
    if budget.psnr is not None and "psnr" not in job.signal.metrics:
        return None
    if not isinstance(pool.coords, Tensor) or not isinstance(pool.values, Tensor) or _redraws(job.signal):
        return None
    if not sampler_stackable(job.sampler) or not optimizer_stackable(OPTIMIZERS.parse(job.optimizer)):
        return None
    if isinstance(job.sampler, NintFast) and len(pool) > MOST_SORTED:
        return None
    if work_of(job, pool) > MOST_WORK:
        return None
    settings = {name: value for name, value in job.settings().items() if name not in ("input", "options", "content", "seed")}
    kind = (job.signal.layout.kind, pool.grid, tuple(pool.coords.shape), pool.out_features, pool.value_range, job.chunk_size)
    return (tuple(sorted((name, str(value)) for name, value in settings.items())), kind, _coords_key(pool), job.recipe)


def _redraws(signal: Signal) -> bool:
    """Whether a signal may replace its points while it is trained on."""
    return type(signal).redraw is not Signal.redraw


def _coords_key(pool: Pool) -> Any:
    """What tells two sets of coordinates apart; a grid's shape does."""
    return () if pool.grid is not None else hash(pool.coords[:].cpu().numpy().tobytes())


def work_of(job: Job, pool: Pool) -> float:
    """Multiplications of a training step's forward at most."""
    parameters = _parameters(job)
    points = len(pool)
    if isinstance(job.sampler, BatchSampler):
        points = max(job.sampler.count(step, job.total_steps, len(pool)) for step in (0, job.total_steps))
    return float(parameters) * points


def _parameters(job: Job) -> int:
    layout, field = job.signal.layout, job.field
    count = field.parameter_count(layout.in_features, layout.out_features) if isinstance(field, FieldSpec) else None
    return sum(p.numel() for p in job.build_field().parameters()) if count is None else count


def bytes_of(job: Job, pool: Pool) -> int:
    """Memory that a signal adds to a stack: its values, prediction and scores, its cells, weights, gradient and two averages."""
    return len(pool) * (12 * pool.out_features + 24) + 24 * _parameters(job)


def stacks(members: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most `size`, of nearly one length."""
    parts = -(-len(members) // max(size, 1))
    edges = [len(members) * part // parts for part in range(parts + 1)]
    return (members[start:end] for start, end in itertools.pairwise(edges))


def stack_size(job: Job, pool: Pool) -> int:
    """Signals of a stack: by memory, at most `MOST`."""
    return max(min(MOST_BYTES // max(bytes_of(job, pool), 1), MOST), 1)
