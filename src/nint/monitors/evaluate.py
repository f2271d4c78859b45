"""Quality over the run, on the parameters after the update."""

from __future__ import annotations

from typing import Any

from nint.fields.flops import forward_flops
from nint.monitors.base import BaseMonitor
from nint.runs.outputs import predict_rows
from nint.training.engine import Run, check_weights

NOT_METRICS = ("step", "training_seconds", "selection_seconds", "forward_equivalents", "flops", "loss", "subset")
"""What a row of a curve holds besides the signal's metrics."""


class Evaluate(BaseMonitor):
    """Adds a row to `run.curve` every `every` steps and at the end.

    A row holds step, training_seconds, selection_seconds, forward_equivalents (work so far; one is the cost of forwarding every point
    once), flops (the same work in floating-point operations: forward equivalents x points of the pool x `forward_flops`), loss (of the
    last batch, before its update) and the signal's metrics.

    Args:
        every: Steps between evaluations.
        at: Further steps to evaluate at.
    """

    def __init__(self, every: int, at: tuple[int, ...] = ()) -> None:
        self.every = max(every, 1)
        self.at = frozenset(at)

    def after_step(self, run: Run) -> None:
        """Evaluates where one is due."""
        if run.step % self.every == 0 or run.step in self.at:
            evaluate(run)

    def finish(self, run: Run, reason: str) -> None:
        """Evaluates the last step, unless that was done."""
        if not run.curve or run.curve[-1]["step"] != run.step:
            evaluate(run)


def evaluate(run: Run) -> dict[str, float]:
    """Measures the signal's metrics now and appends the row.

    Raises:
        DivergedError: where a weight is not finite.
    """
    check_weights(run)
    metrics = run.signal.evaluate(lambda coords: predict_rows(run.field, coords, run.teacher.probe.device))
    run.curve.append(curve_row(run) | metrics)
    return metrics


def curve_row(run: Run) -> dict[str, Any]:
    """What a row of the curve says besides metrics, see `Evaluate`."""
    return {
        "step": run.step,
        "training_seconds": run.clock.training_s,
        "selection_seconds": run.clock.selection_s,
        "forward_equivalents": run.forward_equivalents,
        "flops": run.forward_equivalents * run.teacher.points * forward_flops(run.field),
        "loss": run.loss,
    }
