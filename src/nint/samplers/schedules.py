"""Batch schedules and scoring schedules as pure functions of (step, total_steps).

Source: Sec. 4.1.1 and Table 8 of the paper; INT and EVOS. They are laid out for `total_steps`; a budget in steps, seconds or
decibels only stops the run.
"""

from __future__ import annotations

import math
import re

from nint.errors import UsageError, nearest

SHARE_SCHEDULES = ("constant", "linear", "step", "cosine", "growing")
INTERVALS = ("dense", "every-K", "incremental", "decremental")
_STAGES = 16
"""Of "growing": few, because a library may write new code for each new size of a product (oneDNN does, which doubled the time)."""


def batch_share(schedule: str, share: float, step: int, total_steps: int) -> float:
    """Fraction of the pool to train on at a step.

    Args:
        schedule: "constant"; "linear", "step" (ten stages) or "cosine", which grow to all points; or "growing", in
            sixteen stages from a quarter of the fraction to seven quarters, so that a run costs as much as with a constant one.
        share: Initial fraction in (0, 1].
        step: 0-based step; later than `total_steps` counts as the end.
        total_steps: Length that the schedule is laid out for.

    Raises:
        UsageError: for an unknown schedule.
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
        grown = min(_STAGES * step // max(total_steps, 1), _STAGES - 1) / (_STAGES - 1)
        return min(share * (0.25 + 1.5 * grown), 1.0)
    raise UsageError(f"There is no batch schedule called '{schedule}'.{nearest(schedule, SHARE_SCHEDULES)}")


def check_interval(interval: str) -> None:
    """Refuses an unknown scoring schedule.

    Raises:
        UsageError: unless `interval` is dense, every-K, incremental or decremental.
    """
    _stages(interval, 1)


def scores_at(interval: str, step: int, total_steps: int) -> bool:
    """Whether a scoring schedule recomputes the scores at a step (always at step 0).

    incremental: dense for the first quarter, then five equal segments with every 10, 20, 30, 40, 50 steps.
    decremental: segments of a fifth of the first three quarters with every 40, 30, 20, 10, then dense.

    Raises:
        UsageError: for an unknown scoring schedule.
    """
    if step == 0 or interval == "dense":
        return True
    every = next(every for begin, every in reversed(_stages(interval, total_steps)) if step >= begin)
    return step % every == 0


def scorings_before(interval: str, step: int, total_steps: int) -> int:
    """How many of the steps 0 to step - 1 recompute the scores.

    Raises:
        UsageError: for an unknown scoring schedule.
    """
    stages = _stages(interval, total_steps)
    ends = [begin for begin, _ in stages[1:]] + [step]
    return sum(max(-(-min(end, step) // every) - -(-begin // every), 0) for (begin, every), end in zip(stages, ends, strict=True))


def last_scoring(interval: str, step: int, total_steps: int) -> int:
    """The last step before `step` that recomputes the scores; -1 if there is none.

    Raises:
        UsageError: for an unknown scoring schedule.
    """
    for begin, every in reversed(_stages(interval, total_steps)):
        found = (step - 1) // every * every
        if step > begin and found >= begin:
            return found
        step = min(step, begin)
    return -1


def _stages(interval: str, total_steps: int) -> tuple[tuple[int, int], ...]:
    """(first step, every how many steps) of each stage of a scoring schedule.

    Raises:
        UsageError: for an unknown scoring schedule.
    """
    if interval == "dense":
        return ((0, 1),)
    if interval == "incremental":
        start = int(0.25 * total_steps)
        length = max((total_steps - start) // 5, 1)
        later = [(start + stage * length, 10 * (stage + 1)) for stage in range(5)]
        return ((0, 1), *later) if start else tuple(later)
    if interval == "decremental":
        length = max(int(0.75 * total_steps) // 5, 1)
        return (*((stage * length, 40 - 10 * stage) for stage in range(4)), (4 * length, 1))
    if every := re.fullmatch(r"every-([1-9]\d{0,8})", interval):
        return ((0, int(every[1])),)
    raise UsageError(f"interval={interval} is not a scoring schedule; use dense, every-5 (any number), incremental or decremental.")
