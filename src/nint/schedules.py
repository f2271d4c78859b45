"""Batch shares, scoring intervals and learning rates as pure functions of (step, total_steps).

Source: Sec. 4.1.1 and Table 8 of the paper; INT and EVOS for the schedules and intervals. `total_steps` is what they
read; a budget in steps, seconds or decibels only stops the run.
"""

from __future__ import annotations

import math
import re

from nint.errors import UsageError, nearest

SHARE_SCHEDULES = ("constant", "linear", "step", "cosine", "growing")
LR_SCHEDULES = ("constant", "cosine", "exponential")
_STAGES = 16
"""Of "growing": few, because a library may write new code for each new size of a product (oneDNN does, which doubled the time)."""
INTERVALS = ("dense", "every-K", "incremental", "decremental")

_WARM_UP_START = 0.05


def batch_share(schedule: str, share: float, step: int, total_steps: int) -> float:
    """Share of the pool to train on at a step.

    Args:
        schedule: "constant"; "linear", "step" (ten stages) or "cosine", which grow to all points; or "growing", in
            sixteen stages from a quarter of the share to seven quarters, so that a run costs what it costs with a constant share.
        share: Initial share in (0, 1].
        step: 0-based step; later than `total_steps` counts as the end.
        total_steps: Length that the schedule is laid out for.
    """
    progress = min(step / max(total_steps, 1), 1.0)
    if schedule == "constant":
        return share
    if schedule == "linear":
        return share + progress * (1 - share)
    if schedule == "step":
        stage = min(10 * step // max(total_steps, 1), 10)
        return min(share + stage * (1 - share) / 10, 1.0)
    if schedule == "cosine":
        return 1 - (1 - share) * (1 + math.cos(math.pi * progress)) / 2
    if schedule == "growing":
        stage = min(_STAGES * step // max(total_steps, 1), _STAGES - 1) / (_STAGES - 1)
        return min(share * (0.25 + 1.5 * stage), 1.0)
    raise UsageError(f"There is no share schedule called '{schedule}'.{nearest(schedule, SHARE_SCHEDULES)}")


def check_interval(interval: str) -> None:
    """Raises UsageError unless `interval` is dense, every-K, incremental or decremental."""
    if interval in ("dense", "incremental", "decremental"):
        return
    if not re.fullmatch(r"every-[1-9]\d*", interval):
        raise UsageError(f"There is no interval called '{interval}'; use dense, every-5 (any number), incremental or decremental.")


def scores_at(interval: str, step: int, total_steps: int) -> bool:
    """Whether the scores are recomputed at a step (always at step 0).

    incremental: dense for the first quarter, then five equal segments with every 10, 20, 30, 40, 50 steps.
    decremental: segments of a fifth of the first three quarters with every 40, 30, 20, 10, then dense.
    """
    if step == 0 or interval == "dense":
        return True
    if interval.startswith("every-"):
        return step % int(interval[6:]) == 0
    if interval == "incremental":
        start = int(0.25 * total_steps)
        if step < start:
            return True
        length = max((total_steps - start) // 5, 1)
        every = 10 * (min((step - start) // length, 4) + 1)
        return step % every == 0
    if interval == "decremental":
        length = max(int(0.75 * total_steps) // 5, 1)
        stage = step // length
        return stage >= 4 or step % (40 - 10 * stage) == 0
    raise UsageError(f"There is no interval called '{interval}'; use dense, every-5 (any number), incremental or decremental.")


def learning_rate(schedule: str, rate: float, step: int, total_steps: int, warm_up: float = 0.0) -> float:
    """Learning rate at a step: a linear warm-up over a share of total_steps, then the schedule over the rest of them.

    Args:
        schedule: "constant", "cosine" to 0, or "exponential" to a tenth.
        rate: The highest rate.
        step: 0-based step; later than `total_steps` counts as the end.
        total_steps: Length that the schedule is laid out for.
        warm_up: Share of it, in [0, 1).
    """
    return rate_at(schedule, rate, min(step / max(total_steps, 1), 1.0), warm_up)


def rate_at(schedule: str, rate: float, progress: float, warm_up: float = 0.0) -> float:
    """Learning rate once a share `progress` of the run, in [0, 1], is over; the other arguments are those of `learning_rate`.

    The warm-up starts at a twentieth of the rate, so that the first step is not for nothing.
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
    """Raises UsageError unless `warm_up` is a share in [0, 1)."""
    if not 0 <= warm_up < 1:
        raise UsageError(f"warm_up={warm_up} must be a share of the run from 0 to less than 1, for example 0.02.")
