"""What a run will take, guessed from a few timed chunks. Everything here works on a run that is thrown away afterwards."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from nint.machine.devices import peak_memory_bytes
from nint.ntk.products import forward_rows
from nint.probe.cost import Cost
from nint.samplers.base import BatchSampler, Selection
from nint.samplers.candidates import Candidates
from nint.training.budgets import Budget
from nint.training.clock import Clock
from nint.training.engine import Run
from nint.training.gradient import accumulate_gradient

_PATIENCE_S = 0.2
_MOST_REPEATS = 9
_MOST_STEPS = 50_000
_LARGE = 2**22


@dataclass(frozen=True)
class Speed:
    """Measured seconds.

    Attributes:
        forward: A forward, a point.
        training: A forward and a backward, a point.
        update: Of the optimizer, a step.
    """

    forward: float
    training: float
    update: float


def measure(trial: Run) -> Speed:
    """Times a chunk of points forward, forward and backward, and an update.

    Args:
        trial: A run that nobody needs any more: its weights and optimizer change. The global generators do not.
    """
    probe, device = trial.teacher.probe, trial.teacher.probe.device
    points = min(probe.chunk_size, len(probe))
    rows = torch.arange(points, device=device)
    chunk = probe.coords[rows]
    field = trial.field

    def train() -> None:
        accumulate_gradient(field, probe.coords, probe.values, Selection(rows), trial.teacher.loss, probe.chunk_size, Cost())

    training = _seconds(train, device)
    update = _seconds(trial.optimizer.step, device)
    forward = _seconds(lambda: forward_rows(field, chunk, probe.chunk_size), device)
    trial.optimizer.zero_grad(set_to_none=True)
    return Speed(forward / points, training / points, update)


def steps_to_go(budget: Budget, step: int, total_steps: int) -> int | None:
    """The most steps that a budget still allows after `step`; None where only time limits it."""
    if budget.steps is None and budget.seconds is not None:
        return None
    return max(budget.expected_steps(total_steps) - step, 0)


def seconds_for(trial: Run, speed: Speed, steps: int) -> float:
    """Training seconds of the next `steps` steps."""
    first = trial.step
    chosen: range | list[int] = range(first, first + steps)
    if steps > _MOST_STEPS:  # a sample: what happens at intervals must not fall in step with it
        chosen = random.Random(0).sample(chosen, _MOST_STEPS)
    taken = sum(_step_seconds(trial, speed, step) for step in chosen)
    return taken * steps / max(len(chosen), 1)


def steps_in(trial: Run, speed: Speed, seconds: float) -> int:
    """How many of the next steps fit into some training seconds."""
    left = seconds
    for number, step in enumerate(_from(trial.step)):
        left -= _step_seconds(trial, speed, step)
        if left < 0 or number >= _MOST_STEPS:
            break
    return number if left < 0 else round(number * seconds / (seconds - left))


def points_of(trial: Run, step: int) -> int:
    """Points that a step will train on."""
    sampler, total, points = trial.teacher.sampler, trial.teacher.total_steps, len(trial.teacher.probe)
    chooser = sampler.inner if isinstance(sampler, Candidates) else sampler
    if isinstance(chooser, BatchSampler) and chooser.batch_size is not None:  # shares are of a pool, which only the run knows
        chooser = dataclasses.replace(chooser, batch_share=chooser.start_share(points), batch_size=None)
    return max(int(chooser.expected_share(step, total) * points), 1)


def memory_for(trial: Run) -> int:
    """Bytes at the peak: what the process (on CUDA: the device) has used for the timed chunks, and what choosing and measuring add.

    Weights, their gradients, the optimizer's state, the pool and a chunk's activations are already in the first part.
    """
    probe = trial.teacher.probe
    sampler = trial.teacher.sampler
    points, channels = len(probe), probe.pool.out_features
    if isinstance(sampler, Candidates):
        points = min(max(sampler.size, points_of(trial, trial.step)), points)
    device = probe.device
    choosing = points * (3 * 4 * channels + 40)  # predictions, gradients of the loss, K g; scores, their order, what is taken
    on_host = measured_points(trial) * (24 * channels + 96)  # predictions and, one channel at a time, the windows of SSIM in float64
    return (peak_memory_bytes(device) or 0) + choosing + (on_host if device.type != "cuda" else 0)


def measured_points(trial: Run) -> int:
    """Points that an evaluation predicts: of large signals but images a sample of 2^20."""
    points = len(trial.teacher.probe)
    return points if points <= _LARGE or trial.signal.layout.kind == "image" else 2**20


def _from(step: int) -> Iterator[int]:
    while True:
        yield step
        step += 1


def _step_seconds(trial: Run, speed: Speed, step: int) -> float:
    teacher = trial.teacher
    sampler, scored = teacher.sampler, len(teacher.probe)
    if isinstance(sampler, Candidates):
        sampler, scored = sampler.inner, min(max(sampler.size, points_of(trial, step)), scored)
    scoring = sampler.scoring_forwards(step, teacher.total_steps) * scored
    return scoring * speed.forward + points_of(trial, step) * speed.training + speed.update


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Median of a few runs, the first not counted."""
    work()
    found: list[float] = []
    give_up = time.monotonic() + _PATIENCE_S
    while len(found) < _MOST_REPEATS and (not found or time.monotonic() < give_up):
        clock = Clock(device)
        with clock.training():
            work()
        found.append(clock.training_s)
    return statistics.median(found)
