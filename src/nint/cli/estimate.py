"""Estimates of the time and memory of a run, from a few timed chunks of a trial run that is discarded afterwards."""

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

_TIMING_S = 0.2
_MAX_REPEATS = 9
_MAX_STEPS = 50_000
_SAMPLED_ABOVE = 2**22


@dataclass(frozen=True)
class Speed:
    """Measured times in seconds.

    Attributes:
        forward: A forward, per point.
        training: A forward and a backward, per point.
        update: The optimizer's update, per step.
        drawing: New points, per step.
    """

    forward: float
    training: float
    update: float
    drawing: float = 0.0


def measure(trial: Run) -> Speed:
    """Times a forward over a chunk of points, a forward with its backward, and an optimizer update.

    Args:
        trial: A run to discard afterwards: its weights and optimizer change. The global random generators do not.

    Returns:
        The medians of at most nine repetitions each.

    Cost: about 0.2 s for each of the three.
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
    return Speed(forward / points, training / points, update, trial.signal.drawing_seconds)


def steps_to_go(budget: Budget, step: int, total_steps: int) -> int | None:
    """The largest number of steps that a budget still allows after `step`; None where only time limits it."""
    if budget.steps is None and budget.seconds is not None:
        return None
    return max(budget.expected_steps(total_steps) - step, 0)


def seconds_for(trial: Run, speed: Speed, steps: int) -> float:
    """Estimated seconds of the next `steps` steps, with their points drawn."""
    first = trial.step
    chosen: range | list[int] = range(first, first + steps)
    if steps > _MAX_STEPS:  # a random sample, because a regular one could coincide with a scoring schedule
        chosen = random.Random(0).sample(chosen, _MAX_STEPS)
    taken = sum(_step_seconds(trial, speed, step) for step in chosen)
    return taken * steps / max(len(chosen), 1)


def steps_in(trial: Run, speed: Speed, seconds: float) -> int:
    """Estimated number of steps, with their points drawn, that fit into a number of seconds."""
    left = seconds
    for number, step in enumerate(_from(trial.step)):
        left -= _step_seconds(trial, speed, step)
        if left < 0 or number >= _MAX_STEPS:
            break
    return number if left < 0 else round(number * seconds / (seconds - left))


def points_of(trial: Run, step: int) -> int:
    """Number of points that a step will train on."""
    sampler, total, points = trial.teacher.sampler, trial.teacher.total_steps, len(trial.teacher.probe)
    chooser = sampler.inner if isinstance(sampler, Candidates) else sampler
    if isinstance(chooser, BatchSampler) and chooser.batch_size is not None:  # a fraction needs the pool's size, known only here
        chooser = dataclasses.replace(chooser, batch_share=chooser.start_share(points), batch_size=None)
    return max(int(chooser.expected_share(step, total) * points), 1)


def memory_for(trial: Run) -> int:
    """Estimated peak memory in bytes: the peak of the process (on CUDA: of the device) so far, plus selection and evaluation.

    The first part already holds weights, gradients, the optimizer's state, the pool and the activations of a chunk.
    """
    probe = trial.teacher.probe
    sampler = trial.teacher.sampler
    points, channels = len(probe), probe.pool.out_features
    if isinstance(sampler, Candidates):
        points = min(max(sampler.size, points_of(trial, trial.step)), points)
    device = probe.device
    selection = points * (3 * 4 * channels + 40)  # predictions, loss gradients and K g in float32; scores, their order, the chosen rows
    on_host = evaluated_points(trial) * (24 * channels + 96)  # predictions and, one channel at a time, the windows of SSIM in float64
    return (peak_memory_bytes(device) or 0) + selection + (on_host if device.type != "cuda" else 0)


def evaluated_points(trial: Run) -> int:
    """Number of points that an evaluation predicts: all of an image or of up to 2^22 points, else a sample of 2^20."""
    points = trial.signal.measured_points or len(trial.teacher.probe)
    return points if points <= _SAMPLED_ABOVE or trial.signal.layout.kind == "image" else 2**20


def _from(step: int) -> Iterator[int]:
    while True:
        yield step
        step += 1


def _step_seconds(trial: Run, speed: Speed, step: int) -> float:
    teacher = trial.teacher
    sampler, scored = teacher.sampler, len(teacher.probe)
    if isinstance(sampler, Candidates):
        scored = min(max(sampler.size, points_of(trial, step)), scored)
        sampler = sampler.inner
    scoring = sampler.scoring_forwards(step, teacher.total_steps) * scored
    return scoring * speed.forward + points_of(trial, step) * speed.training + speed.update + speed.drawing


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    """Median seconds of a few repetitions, after one that warms up."""
    work()
    found: list[float] = []
    end = time.monotonic() + _TIMING_S
    while len(found) < _MAX_REPEATS and (not found or time.monotonic() < end):
        clock = Clock(device)
        with clock.training():
            work()
        found.append(clock.training_s)
    return statistics.median(found)
