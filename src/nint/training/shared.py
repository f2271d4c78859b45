"""A step of several processes: one gradient, one clock, one decision to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from nint.distributed.gradient import reduce_gradient
from nint.distributed.group import Group
from nint.training.clock import Clock


class SharedClock(Clock):
    """A clock that shows on every process what that of the first one last told, so that all decide alike.

    Args:
        device: As in `Clock`.
    """

    def __init__(self, device: torch.device) -> None:
        self._shown = [0.0, 0.0, 0.0]
        self._counted = [0.0, 0.0]
        super().__init__(device)

    @property
    def training_s(self) -> float:
        """Seconds of training of the first process, as last told."""
        return self._shown[0]

    @training_s.setter
    def training_s(self, seconds: float) -> None:
        self._shown[0] = self._counted[0] = seconds

    @property
    def selection_s(self) -> float:
        """Of these, seconds of selection."""
        return self._shown[1]

    @selection_s.setter
    def selection_s(self, seconds: float) -> None:
        self._shown[1] = self._counted[1] = seconds

    @property
    def wall_s(self) -> float:
        """Seconds on the person's clock, as last told."""
        return self._shown[2]

    @wall_s.setter
    def wall_s(self, seconds: float) -> None:
        self._earlier_s, self._started = seconds, time.perf_counter()
        self._shown[2] = seconds

    def readings(self) -> list[float]:
        """What this process's own clock shows: seconds of training and of selection in finished blocks, and of wall time."""
        return [*self._counted, self._earlier_s + time.perf_counter() - self._started]

    def show(self, readings: list[float]) -> None:
        """Takes over what the first process told."""
        self._shown = list(readings)

    @contextmanager
    def training(self) -> Iterator[None]:
        """As in `Clock`.

        Yields:
            Nothing.
        """
        start = self._now()
        try:
            yield
        finally:
            self._counted[0] += self._now() - start

    @contextmanager
    def selecting(self) -> Iterator[None]:
        """As in `Clock`.

        Yields:
            Nothing.
        """
        start = self._now()
        try:
            yield
        finally:
            self._counted[1] += self._now() - start


@dataclass
class Shared:
    """What a run knows of the processes that share it.

    Attributes:
        group: The processes.
        clock: The run's clock.
        asked: Whether this process was asked to stop.
        stopping: Whether any process had been asked when the last gradient was reduced.
    """

    group: Group
    clock: SharedClock
    asked: Callable[[], bool]
    stopping: bool = False

    def reduce(self, field: Any, points: int, losses: torch.Tensor) -> float:
        """Makes the gradients those of the whole batch, and tells what all must know alike; returns the batch's mean loss.

        Args:
            field: As for `reduce_gradient`.
            points: Likewise.
            losses: Likewise.
        """
        readings = self.clock.readings() if self.group.rank == 0 else [0.0, 0.0, 0.0]
        loss, told = reduce_gradient(field, points, losses, self.group, [*readings, float(self.asked())])
        self.clock.show(told[:3])
        self.stopping = told[3] > 0
        return loss

    def is_stopping(self) -> bool:
        """Whether the run ends after this step because a process was asked to."""
        return self.stopping

    def tell_time(self) -> None:
        """Brings the clock up to date on all processes."""
        self.clock.show(self.group.first_(torch.tensor(self.clock.readings(), dtype=torch.float64)).tolist())
