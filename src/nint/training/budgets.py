"""When a run stops. Schedules never read this; they read `total_steps`."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from nint.errors import UsageError
from nint.settings import is_finite, whole


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
        if self.steps is not None:
            object.__setattr__(self, "steps", whole(self.steps, "steps"))
        for name, value in (("seconds", self.seconds), ("psnr", self.psnr)):
            if value is not None and not (is_finite(value) and value > 0):
                raise UsageError(f"{name}={value!r} must be a finite number above 0.")

    @classmethod
    def of(cls, budget: Any) -> Budget:
        """The budget that an argument `budget=` means.

        Args:
            budget: A budget, a number of steps, or None for one without limits.

        Raises:
            UsageError: for anything else.
        """
        if budget is None or isinstance(budget, Budget):
            return budget or cls()
        try:
            steps = operator.index(budget)
        except TypeError:
            steps = 0
        if steps < 1 or isinstance(budget, bool):
            raise UsageError(f"budget={budget!r} must be a whole number of steps, at least 1, or a limit such as nint.Budget(seconds=30).")
        return cls(steps=steps)

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
