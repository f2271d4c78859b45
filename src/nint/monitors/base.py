"""A monitor that does nothing; override what you need. Monitors run with the training clock stopped."""

from __future__ import annotations

from nint.training.engine import Run


class BaseMonitor:
    """Does nothing at start, after each step and at the end."""

    def start(self, run: Run) -> None:
        """Before the first step of this process (`run.step` may be later than 0 after a resume)."""

    def after_step(self, run: Run) -> None:
        """After each step; `run.step` counts finished steps."""

    def finish(self, run: Run, reason: str) -> None:
        """After the last step."""
