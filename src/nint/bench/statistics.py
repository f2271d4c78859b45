"""The numbers of a table out of runs: means and spreads, paired differences, quality at a checkpoint, and what reaching a target took."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nint.bench.targets import time_to_target
from nint.metrics import LOWER_IS_BETTER

CONFIDENCE = 0.95
RESAMPLES = 9999
LEAST_PAIRS = 3
"""Pairs of runs that an interval and a test need: two differences of one sign happen in every second comparison of equals."""


class Summary(NamedTuple):
    """Mean and spread of some numbers.

    Attributes:
        mean: Their mean.
        deviation: Their sample standard deviation (n - 1 below the line); None for a single one.
        size: How many they are.
    """

    mean: float
    deviation: float | None
    size: int


class Difference(NamedTuple):
    """How far the runs of one row lie from those of another with the same inputs and seeds.

    Attributes:
        mean: Mean of the differences, pair by pair.
        low: Lower end of the bootstrap interval of the mean.
        high: Upper end.
        p: Of the two-sided paired t-test; None where all differences are the same number.
        pairs: How many there are.
    """

    mean: float
    low: float
    high: float
    p: float | None
    pairs: int

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies wholly on one side of 0."""
        return self.low > 0 or self.high < 0


class Effort(NamedTuple):
    """What reaching a target took.

    Attributes:
        iterations: Finished steps.
        seconds: Training seconds, selection included, evaluation not.
        flops: Floating-point operations of training and selection; None where they were not counted.
        forward_equivalents: The same work in forwards over the whole pool.
    """

    iterations: float
    seconds: float
    flops: float | None
    forward_equivalents: float


def summary(values: Iterable[float]) -> Summary | None:
    """Mean and sample standard deviation; None of nothing.

    >>> summary([1.0, 3.0])
    Summary(mean=2.0, deviation=1.4142135623730951, size=2)
    """
    numbers = [float(value) for value in values]
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    if len(numbers) == 1:
        return Summary(mean, None, 1)
    return Summary(mean, math.sqrt(math.fsum((value - mean) ** 2 for value in numbers) / (len(numbers) - 1)), len(numbers))


def paired_difference(values: Sequence[float], others: Sequence[float]) -> Difference | None:
    """The mean of paired differences with its bootstrap interval and the p value of a paired t-test.

    Args:
        values: One number a run, `[n]`.
        others: Of the runs that these are paired with, `[n]`: the same input and seed at the same place.

    Returns:
        values - others; None for fewer than `LEAST_PAIRS` pairs, and where a number is not finite.

    Cost: `RESAMPLES` means of n numbers, about a millisecond for ten pairs.

    Source: percentile bootstrap (`scipy.stats.bootstrap`, always the same resamples) and `scipy.stats.ttest_rel`. Of the paired tests in
    SciPy the t-test is the one that can tell anything with few seeds: the smallest p of a sign, Wilcoxon or permutation test of n pairs
    is 2^(1 - n), 0.25 with three.
    """
    from scipy import stats

    differences = np.asarray(values, float) - np.asarray(others, float)
    if len(differences) < LEAST_PAIRS or not np.isfinite(differences).all():
        return None
    mean = float(differences.mean())
    if np.ptp(differences) <= 1e-12 * max(abs(mean), 1e-300):  # no spread: there is nothing to resample, and t is infinite
        return Difference(mean, mean, mean, None, len(differences))
    found = stats.bootstrap(
        (differences,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="percentile",
        random_state=np.random.default_rng(0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # differences that are nearly the same: t is then very large, and p 0
        p = float(stats.ttest_rel(values, others).pvalue)
    low, high = found.confidence_interval
    return Difference(mean, float(low), float(high), p if math.isfinite(p) else None, len(differences))


def effort(curve: Sequence[dict[str, Any]], metric: str, target: float) -> Effort | None:
    """What the first evaluation as good as a target had taken; None where there is none.

    Not interpolated: late by up to the distance between two evaluations, never early.

    Args:
        curve: Rows of a run, in the order of their steps.
        metric: Any metric; of those in `LOWER_IS_BETTER` the target is reached from above.
        target: Its value to reach.

    >>> points = [(10, 0.5), (20, 0.19)]
    >>> rows = [dict(step=s, training_seconds=s / 10, forward_equivalents=3.0 * s, flops=s * 1e9, lpips=v) for s, v in points]
    >>> effort(rows, "lpips", 0.2)
    Effort(iterations=20, seconds=2.0, flops=20000000000.0, forward_equivalents=60.0)
    """
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    turned = [{**row, metric: sign * row[metric]} for row in curve if row.get(metric) is not None]
    hit = time_to_target(turned, metric, sign * target)
    if hit is None:
        return None
    flops = next(row.get("flops") for row in turned if row["step"] == hit.step)
    return Effort(hit.step, hit.seconds, flops, hit.forward_equivalents)


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
