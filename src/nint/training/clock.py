"""The training clock: it counts selection and training only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Clock:
    """Seconds of training and, inside them, of selection; the device is synchronised at the edges.

    Args:
        device: Where the work happens.
        training_s: Seconds to start from (a resumed run).
        selection_s: Of these, seconds of selection.
    """

    def __init__(self, device: torch.device, training_s: float = 0.0, selection_s: float = 0.0) -> None:
        self._device = device
        self.training_s = training_s
        self.selection_s = selection_s

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return time.perf_counter()

    @contextmanager
    def training(self) -> Iterator[None]:
        """Time in this block counts as training.

        Yields:
            Nothing.
        """
        start = self._now()
        try:
            yield
        finally:
            self.training_s += self._now() - start

    @contextmanager
    def selecting(self) -> Iterator[None]:
        """Time in this block counts as selection; use it inside `training`.

        Yields:
            Nothing.
        """
        start = self._now()
        try:
            yield
        finally:
            self.selection_s += self._now() - start
