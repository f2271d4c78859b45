"""The loop, and nothing but the loop: select -> forward on the batch -> objective -> backward -> update -> observe -> monitors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn

from nint.errors import DivergedError
from nint.machine.malloc import keep_freed_memory
from nint.machine.matmul import multiplying
from nint.machine.workers import workers
from nint.ntk.products import jvp_rows, vjp_rows
from nint.probe.cost import Cost
from nint.samplers.base import Feedback, Selection
from nint.signals.base import Signal
from nint.teacher import Teacher
from nint.training.budgets import Budget
from nint.training.clock import Clock
from nint.training.gradient import accumulate_gradient
from nint.training.shared import Shared
from nint.training.threads import Adjuster, shares_chunks, using
from nint.training.updates import Optimizer

EXPLODED = 1e3


@dataclasses.dataclass
class Run:
    """The state of one training run; monitors read it between steps.

    Attributes:
        field: The network.
        teacher: Chooses the points; `teacher.step` is the number of finished steps.
        optimizer: Its learning rate is set before each step.
        rate: Step -> learning rate.
        signal: Where redrawn pools come from.
        budget: When to stop.
        clock: Training and selection seconds.
        seed: The run's seed.
        cost: Points of training (those of selection are in `teacher.cost`).
        curve: One row an evaluation.
        first_loss: Loss of the first step, by which an explosion is judged.
        loss: Loss of the last batch, before its update.
        selection: The last batch.
        interrupted: Asked after each step; true stops the run.
        restarts: Earlier tries that diverged, see `nint.runs.restarts`.
        compiled: Whether the network's forward and backward are compiled (`nint.machine.compiled`), excluded from the timing.
        threads: CPU threads of the run (`nint.training.threads`).
        thread_choices: Numbers to try again where steps become slow and the number does not change the result.
        matmul: Library of matrix products (`nint.machine.matmul`), as the checkpoint of a resumed run names it; None for the faster one.
        by_wall: Whether a budget of seconds is one of wall time, which does not stop for evaluation, rather than of training.
        shared: The processes that train one network together (`nint.distributed`); None for one process.
        init: File of the model whose weights it started from; None for its own.
    """

    field: nn.Module
    teacher: Teacher
    optimizer: Optimizer
    rate: Callable[[int], float]
    signal: Signal
    budget: Budget
    clock: Clock
    seed: int
    cost: Cost = dataclasses.field(default_factory=Cost)
    curve: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    first_loss: float | None = None
    loss: float = math.nan
    selection: Selection | None = None
    interrupted: Callable[[], bool] = lambda: False
    restarts: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    compiled: bool = False
    threads: int = dataclasses.field(default_factory=torch.get_num_threads)
    thread_choices: list[int] = dataclasses.field(default_factory=list)
    matmul: str | None = None
    by_wall: bool = False
    shared: Shared | None = None
    init: str | None = None

    @property
    def spent_s(self) -> float:
        """Seconds that count against a budget of seconds; none before the first step, so that every run makes one."""
        return self.clock.wall_s if self.by_wall and self.clock.training_s > 0 else self.clock.training_s

    @property
    def done_part(self) -> float:
        """How much of the budget is used, in [0, 1]."""
        limit = self.budget.steps
        if limit is None and self.budget.seconds is None:
            limit = self.teacher.total_steps
        parts = [self.step / limit] if limit else []
        parts += [self.spent_s / self.budget.seconds] if self.budget.seconds else []
        return min(max(parts), 1.0)

    @property
    def step(self) -> int:
        """Finished steps."""
        return self.teacher.step

    @property
    def forward_equivalents(self) -> float:
        """Work so far in forward equivalents, selection included.

        One forward equivalent is the cost of forwarding every point of the pool once; a backward over a point counts as two forwards of it,
        a forward-mode pass as three.
        """
        return (self.cost + self.teacher.cost).forward_equivalents(len(self.teacher.probe))

    def latest(self, metric: str) -> float | None:
        """A metric of this very step, if it was evaluated."""
        row = self.curve[-1] if self.curve else {}
        return row.get(metric) if row.get("step") == self.step else None

    def stop_reason(self) -> str | None:
        """Why to stop now, or None."""
        if self.interrupted():
            return "interrupted"
        return self.budget.reason(self.step, self.spent_s, self.latest("psnr"), self.teacher.total_steps)


@runtime_checkable
class Monitor(Protocol):
    """Watches a run with the training clock stopped."""

    def start(self, run: Run) -> None:
        """Before the first step of this process (`run.step` may be later than 0 after a resume)."""

    def after_step(self, run: Run) -> None:
        """After each step; `run.step` counts finished steps."""

    def finish(self, run: Run, reason: str) -> None:
        """After the last step; `reason` says why it was the last."""


def train(run: Run, monitors: Sequence[Monitor] = ()) -> str:
    """Trains until the budget is used up and returns why it stopped.

    Raises:
        DivergedError: on NaN, infinity or an exploding loss.
    """
    keep_freed_memory()
    with using(run.threads, run.field), multiplying(run.matmul):
        return _train(run, monitors)


def _train(run: Run, monitors: Sequence[Monitor]) -> str:
    warm_up(run.field, run.teacher.probe.coords, kernel=run.teacher.wants_kernel)
    adjuster = Adjuster(run.threads, run.thread_choices) if run.thread_choices and shares_chunks(run.field) else None
    for monitor in monitors:
        monitor.start(run)
    reason = run.stop_reason()
    while reason is None:
        before = run.clock.training_s
        if adjuster is None or adjuster.threads == run.threads:
            train_step(run)
        else:
            with workers(adjuster.threads):
                train_step(run)
        if adjuster is not None and run.selection is not None:
            adjuster.observe(run.step, (run.clock.training_s - before) / max(len(run.selection.indices), 1))
        for monitor in monitors:
            monitor.after_step(run)
        reason = run.stop_reason()
    check_weights(run)  # no further loss would tell that the last update failed
    for monitor in monitors:
        monitor.finish(run, reason)
    return reason


def warm_up(field: nn.Module, coords: Any, kernel: bool = True) -> None:
    """Forward, backward and (for the `kernel`) forward mode of one point; what torch loads at first use is excluded from the timing."""
    point = coords[:1]
    tangent = vjp_rows(field, point, lambda prediction, _: torch.ones_like(prediction), 1)
    if kernel:
        jvp_rows(field, point, tangent, 1)


def train_step(run: Run) -> None:
    """One step. Redrawing points is data preparation and excluded from the timing, and so is compiling."""
    teacher = run.teacher
    pool = run.signal.redraw(teacher.probe.pool, teacher.step, run.seed)
    if pool is not teacher.probe.pool:
        teacher.set_pool(pool)
    probe, forwards = teacher.probe, teacher.probe.forwards
    if run.compiled:  # scoring only once the sampler has asked for it
        forwards.compile(probe.coords, scoring=teacher.cost.forward > 0, coord_gradient=teacher.wants_coord_gradient)
    rate = run.rate(teacher.step)
    with run.clock.training():
        with run.clock.selecting():
            run.selection = teacher.select()
        for group in run.optimizer.param_groups:
            group["lr"] = rate
        run.optimizer.zero_grad(set_to_none=True)
        feedback = _gradient(run, run.selection)
        run.loss = float(feedback.point_loss.mean()) if run.shared is None else _reduced(run, run.shared, feedback)
        _check(run)
        run.optimizer.step()
        with run.clock.selecting():
            teacher.report(feedback)


def _gradient(run: Run, selection: Selection) -> Feedback:
    """That of the points that this process has of the batch."""
    teacher, probe = run.teacher, run.teacher.probe
    if len(selection.indices) == 0 and run.shared is not None:  # all points of the batch are other processes'
        return Feedback(probe.values[selection.indices], torch.empty(0, device=probe.device))
    return accumulate_gradient(
        run.field,
        probe.coords,
        probe.values,
        selection,
        teacher.loss,
        probe.chunk_size,
        run.cost,
        teacher.wants_coord_gradient,
        probe.forwards.training,
    )


def _reduced(run: Run, shared: Shared, feedback: Feedback) -> float:
    """Sums gradient and loss over the processes."""
    return shared.reduce(run.field, len(feedback.point_loss), feedback.point_loss)


def check_weights(run: Run) -> None:
    """Refuses to measure or keep weights that the last update has made NaN or infinite.

    Raises:
        DivergedError: at the step that would come next.
    """
    if not all(bool(torch.isfinite(p).all()) for p in run.field.parameters()):
        raise DivergedError(run.step, "weights are not finite after the last update")


def _check(run: Run) -> None:
    if not math.isfinite(run.loss):
        raise DivergedError(run.step, f"the loss is {run.loss}")
    if run.first_loss is None:
        run.first_loss = run.loss
    if run.loss > EXPLODED * max(run.first_loss, 1e-3):
        raise DivergedError(run.step, f"the loss is {run.loss:.3g} after {run.first_loss:.3g} at the start")
