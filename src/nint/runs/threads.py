"""How many threads a job runs with: as asked, as its checkpoint says, or as measured on a trial of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nint.machine.malloc import keep_freed_memory
from nint.probe.cost import Cost
from nint.samplers.base import Selection
from nint.training.engine import Run
from nint.training.gradient import accumulate_gradient
from nint.training.threads import LIMIT_S, candidates, fastest

_MOST_POINTS = 2**14


@dataclass(frozen=True)
class Threads:
    """A number of threads and where it comes from.

    Attributes:
        number: CPU threads.
        choices: Numbers that may be tried again while the run goes on.
        measured: Number -> seconds of a gradient and an update, where it was measured.
    """

    number: int
    choices: list[int] = field(default_factory=list)
    measured: dict[int, float] = field(default_factory=dict)

    def give_to(self, run: Run) -> None:
        """Makes a run work with them."""
        run.threads, run.thread_choices = self.number, self.choices


def given(number: int) -> Threads:
    """As asked for, or as a checkpoint says."""
    return Threads(number, candidates(number))


def measured(trial: Run) -> Threads:
    """The fastest number for a run's own steps.

    Args:
        trial: A run that is thrown away: its weights, optimizer and sampler move on.

    Cost: about a second.
    """
    if trial.teacher.probe.device.type != "cpu":
        return Threads(torch.get_num_threads())
    keep_freed_memory()  # as a run does
    probe, loss, optimizer = trial.teacher.probe, trial.teacher.loss, trial.optimizer
    choices = candidates()
    batch = Selection(_typical(trial)[:_MOST_POINTS])  # more would take too long, and scale alike

    def work() -> None:
        optimizer.zero_grad()
        accumulate_gradient(trial.field, probe.coords, probe.values, batch, loss, probe.chunk_size, Cost())
        optimizer.step()

    number, seconds = fastest(work, trial.field, choices, LIMIT_S)
    optimizer.zero_grad()
    return Threads(number, choices, seconds)


def _typical(trial: Run) -> Tensor:
    """Points of a step in the middle of the run: a batch that grows is small at first."""
    teacher, now = trial.teacher, trial.teacher.step
    teacher.step = (trial.budget.steps or teacher.total_steps) // 2
    try:
        return teacher.select().indices
    finally:
        teacher.step = now
