"""The numbers of a table out of runs: means and spreads, quality at a checkpoint, and what reaching a target took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from nint.bench.targets import time_to_target
from nint.metrics import LOWER_IS_BETTER


class Summary(NamedTuple):
    """Mean and spread of some numbers.

    Attributes:
        mean: Their mean.
        deviation: Their sample standard deviation (n - 1 below the line); None for a single one.
        count: How many they are.
    """

    mean: float
    deviation: float | None
    count: int


class Effort(NamedTuple):
    """What reaching a target took.

    Attributes:
        iterations: Finished steps.
        seconds: Training seconds, selection included, evaluation not.
        flops: Floating-point operations of training and selection; None where they were not counted.
    """

    iterations: float
    seconds: float
    flops: float | None


def summary(values: Iterable[float]) -> Summary | None:
    """Mean and sample standard deviation; None of nothing.

    >>> summary([1.0, 3.0])
    Summary(mean=2.0, deviation=1.4142135623730951, count=2)
    """
    numbers = [float(value) for value in values]
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    if len(numbers) == 1:
        return Summary(mean, None, 1)
    return Summary(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in numbers) / (len(numbers) - 1)), len(numbers))


def effort(curve: Sequence[dict[str, Any]], metric: str, target: float) -> Effort | None:
    """What the first evaluation as good as a target had taken; None where there is none.

    Not interpolated: late by up to the distance between two evaluations, never early.

    Args:
        curve: Rows of a run, in the order of their steps.
        metric: Any metric; of those in `LOWER_IS_BETTER` the target is reached from above.
        target: Its value to reach.

    >>> rows = [dict(step=s, training_seconds=s / 10, units=0.0, flops=s * 1e9, lpips=v) for s, v in [(10, 0.5), (20, 0.19)]]
    >>> effort(rows, "lpips", 0.2)
    Effort(iterations=20, seconds=2.0, flops=20000000000.0)
    """
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    turned = [{**row, metric: sign * row[metric]} for row in curve if row.get(metric) is not None]
    hit = time_to_target(turned, metric, sign * target)
    if hit is None:
        return None
    flops = next(row.get("flops") for row in turned if row["step"] == hit.step)
    return Effort(hit.step, hit.seconds, flops)


def best(curve: Sequence[dict[str, Any]], metric: str) -> float | None:
    """The best value that a run had at any evaluation; None where it was never measured."""
    values = [row[metric] for row in curve if row.get(metric) is not None]
    return (min if metric in LOWER_IS_BETTER else max)(values) if values else None


def value_from(curve: Sequence[dict[str, Any]], metric: str, point: float, *, seconds: bool) -> float | None:
    """A metric at the first evaluation at or after a checkpoint, at which one was due; None where the run ended before.

    Args:
        curve: Rows of a run, in the order of their steps.
        metric: Name of the metric.
        point: Finished steps, or training seconds.
        seconds: Which of them.
    """
    key = "training_seconds" if seconds else "step"
    return next((row.get(metric) for row in curve if row[key] >= point), None)
