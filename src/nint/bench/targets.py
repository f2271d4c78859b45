"""Reading a curve: when a target was reached, and how good a run was at a checkpoint. Nothing is interpolated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple


class Reached(NamedTuple):
    """What reaching a target took.

    Attributes:
        step: Finished steps.
        seconds: Training seconds, selection included, evaluation not.
        forward_equivalents: Work in forwards over the whole pool, selection included; a backward counts 2, a forward-mode pass 3.
    """

    step: int
    seconds: float
    forward_equivalents: float


def time_to_target(curve: Sequence[dict[str, Any]], metric: str, target: float) -> Reached | None:
    """The first evaluation at or above a target; None where there is none.

    Not interpolated: the answer is late by up to the distance between two evaluations, never early. A later fall below the target
    does not count against the run.

    Args:
        curve: Rows of a run, in the order of their steps.
        metric: A metric of which more is better.
        target: Its value to reach.

    >>> points = [(10, 19.0), (20, 26.0), (30, 24.0)]
    >>> rows = [dict(step=s, training_seconds=s / 10, forward_equivalents=3.0 * s, psnr=p) for s, p in points]
    >>> time_to_target(rows, "psnr", 25)
    Reached(step=20, seconds=2.0, forward_equivalents=60.0)
    >>> time_to_target(rows, "psnr", 30) is None
    True
    """
    for row in curve:
        value = row.get(metric)
        if value is not None and value >= target:
            return Reached(int(row["step"]), float(row["training_seconds"]), float(row["forward_equivalents"]))
    return None


def value_at(curve: Sequence[dict[str, Any]], metric: str, *, step: float = math.inf, seconds: float = math.inf) -> float | None:
    """A metric at a point of the run: the last evaluation at or before it, None where there is none.

    Args:
        curve: Rows of a run, in the order of their steps.
        metric: Name of the metric.
        step: Latest step.
        seconds: Latest training second.
    """
    found = None
    for row in curve:
        if row["step"] <= step and row["training_seconds"] <= seconds:
            found = row.get(metric)
    return found
