"""Restarts at half the learning rate when training has diverged; only under the default recipe."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from nint.errors import DivergedError
from nint.runs.build import build_run
from nint.runs.job import Job
from nint.runs.recipes import RESTARTS
from nint.training.engine import Run


def start_weights(field: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights, to start again from."""
    return {name: value.detach().clone() for name, value in field.state_dict().items()}


def restarted(
    job: Job,
    failed: Run,
    error: DivergedError,
    start: dict[str, Tensor],
    init: str | Path | None = None,
) -> Run:
    """A run at step 0 in the place of one that has diverged, with the same seed and weights, and half its learning rate.

    The seconds and the work of the failed try are added to its own, and count against a budget of seconds.

    Args:
        job: What runs.
        failed: The run that has diverged.
        error: How.
        start: Weights at step 0 (`start_weights`).
        init: As for `build_run`.

    Raises:
        DivergedError: where the recipe does not start again, has done so often enough, or has no seconds left.
    """
    if job.recipe == "paper" or (failed.budget.seconds is not None and failed.spent_s >= failed.budget.seconds):
        raise error
    if len(failed.restarts) >= RESTARTS:
        tries = ", ".join(f"{job.rate / 2**n:g}" for n in range(RESTARTS + 1))
        raise DivergedError(error.step, f"{error.reason}, and the learning rates {tries} were all too high") from error
    failed.field.load_state_dict(start)  # of a module of the user's own, which is not built anew
    shared = failed.shared
    asked = failed.interrupted if shared is None else shared.asked
    run = build_run(job, failed.budget, init, asked, None if shared is None else shared.group)
    run.clock.training_s, run.clock.selection_s = failed.clock.training_s, failed.clock.selection_s
    run.clock.wall_s = failed.clock.wall_s
    run.threads, run.thread_choices, run.matmul, run.by_wall = failed.threads, failed.thread_choices, failed.matmul, failed.by_wall
    run.cost = failed.cost
    vars(run.teacher.cost).update(vars(run.teacher.cost + failed.teacher.cost))
    run.restarts[:] = [*failed.restarts, _restart(job, failed, error)]
    return run


def sentence(restart: dict[str, Any]) -> str:
    """The message about a restart."""
    return (
        f"Training diverged at step {restart['step']:,} ({restart['reason']}), "
        f"so it starts again from step 0 at half the learning rate, {restart['lr']:g}."
    )


def _restart(job: Job, failed: Run, error: DivergedError) -> dict[str, Any]:
    return {
        "step": error.step,
        "reason": error.reason,
        "lr": math.ldexp(job.rate, -len(failed.restarts) - 1),
        "training_seconds": failed.clock.training_s,
        "spent_seconds": failed.spent_s,
    }
