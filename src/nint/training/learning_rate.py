"""Learning rates as pure functions of (step, total_steps)."""

from __future__ import annotations

import math

from nint.errors import UsageError, nearest
from nint.settings import is_finite

LR_SCHEDULES = ("constant", "cosine", "exponential")
_WARM_UP_START = 0.05


def learning_rate(schedule: str, rate: float, step: int, total_steps: int, warm_up: float = 0.0) -> float:
    """Learning rate at a step: a linear warm-up over a fraction of total_steps, then the schedule over the rest of them.

    Args:
        schedule: "constant", "cosine" to 0, or "exponential" to a tenth.
        rate: The highest rate.
        step: 0-based step; later than `total_steps` counts as the end.
        total_steps: Length that the schedule is laid out for.
        warm_up: Fraction of it, in [0, 1).
    """
    return rate_at(schedule, rate, min(step / max(total_steps, 1), 1.0), warm_up)


def rate_at(schedule: str, rate: float, progress: float, warm_up: float = 0.0) -> float:
    """Learning rate once a fraction `progress` of the run, in [0, 1], is over; the other arguments are those of `learning_rate`.

    The warm-up starts at a twentieth of the rate, so that the first step is not wasted.

    Raises:
        UsageError: for an unknown schedule.
    """
    if schedule not in LR_SCHEDULES:
        raise UsageError(f"There is no learning-rate schedule called '{schedule}'.{nearest(schedule, LR_SCHEDULES)}")
    if progress < warm_up:
        return rate * (_WARM_UP_START + (1 - _WARM_UP_START) * progress / warm_up)
    if warm_up > 0:
        progress = min((progress - warm_up) / (1 - warm_up), 1.0)
    if schedule == "cosine":
        return rate * (1 + math.cos(math.pi * progress)) / 2
    return rate * 0.1**progress if schedule == "exponential" else rate


def check_warm_up(warm_up: float) -> None:
    """Refuses what is not a fraction.

    Raises:
        UsageError: unless `warm_up` is in [0, 1).
    """
    if not (is_finite(warm_up) and 0 <= warm_up < 1):
        raise UsageError(f"warm_up={warm_up!r} must be a fraction of the run from 0 to less than 1, for example 0.02.")
