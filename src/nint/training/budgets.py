"""When a run stops. Schedules never read this; they read `total_steps`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nint.errors import UsageError


@dataclass(frozen=True)
class Budget:
    """When a run stops: at whichever limit comes first; with no limit, at the run's `total_steps`.

    Attributes:
        steps: Training steps in all, those before a resume included.
        seconds: Of wall time in `nint.fit` and `nint fit`, evaluation during the run included; of training alone in comparisons
            (`nint compare`, `nint bench`).
        psnr: Target in decibels, checked at each evaluation.

    Raises:
        UsageError: for a limit that is not above 0.
    """

    steps: int | None = None
    seconds: float | None = None
    psnr: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and not (isinstance(self.steps, int) and self.steps >= 1):
            raise UsageError(f"steps={self.steps} must be a whole number of at least 1.")
        for name, value in (("seconds", self.seconds), ("psnr", self.psnr)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise UsageError(f"{name}={value} must be a finite number above 0.")

    def reason(self, step: int, training_s: float, psnr: float | None, total_steps: int) -> str | None:
        """Why to stop after `step` steps, or None to go on."""
        if self.psnr is not None and psnr is not None and psnr >= self.psnr:
            return f"reached {self.psnr:g} dB"
        if self.seconds is not None and training_s >= self.seconds:
            return f"used {self.seconds:g} s"
        limit = self.steps
        if limit is None and self.seconds is None:
            limit = total_steps
        if limit is not None and step >= limit:
            return f"finished {limit} steps"
        return None

    def expected_steps(self, total_steps: int) -> int:
        """The number of steps the run will take at most, as far as it is known."""
        return self.steps if self.steps is not None else total_steps
