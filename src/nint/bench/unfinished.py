"""A run that was stopped on the way goes on where it stood: a checkpoint beside what is kept of it, gone when the run has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.fields import FieldSpec
from nint.files import load_tensors
from nint.monitors.base import BaseMonitor
from nint.runs.checkpoint import restore, save_checkpoint
from nint.runs.contents import CHECKPOINT
from nint.runs.job import Job
from nint.runs.model import Fit
from nint.training.engine import Monitor, Run

EVERY_S = 60.0
"""Wall time before the first checkpoint and between two: what a stop costs at most."""

_SITTINGS = "sittings"


class Unfinished(BaseMonitor):
    """Keeps the state of a run while it is under way.

    Args:
        job: What is run.
        run: The run, just built.
        place: Folder for what is kept of it.

    Attributes:
        sittings: One entry for each time that the run went on after a stop: its step then, and sentences on why sums are rounded otherwise
            since.
    """

    def __init__(self, job: Job, run: Run, place: Path) -> None:
        spec = job.field if isinstance(job.field, FieldSpec) else None
        self._run, self._path, self._settings = run, place / CHECKPOINT, job.settings()
        self._fit = Fit(run.field, spec, job.signal.layout)
        run.field.train()
        self._began = self._last = time.monotonic()
        self.sittings: list[dict[str, Any]] = []

    def resume(self, monitors: Sequence[Monitor]) -> bool:
        """Takes the state of an earlier sitting, if there is one; `monitors` then start from its step.

        Returns:
            False where there is one that does not fit: it is removed, and the run, which may be half changed, is to be built again.
        """
        if not self._path.exists():
            return True
        try:
            notes = restore(self._path, self._run, self._settings)
        except UsageError:
            self.remove()
            return False
        earlier = load_tensors(self._path)[1]["settings"].get(_SITTINGS, [])
        self.sittings = [*earlier, {"step": self._run.step, "notes": list(notes)}]
        for monitor in monitors:
            monitor.start(self._run)
        return True

    def after_step(self, run: Run) -> None:
        """Writes the state where it is time to."""
        if time.monotonic() - self._last >= EVERY_S:
            self._save()

    def interrupt(self) -> None:
        """Writes the state, unless the run has only just begun and is quicker made again."""
        if self._path.exists() or time.monotonic() - self._began >= EVERY_S:
            self._save()

    def remove(self) -> None:
        """Forgets the state."""
        self._path.unlink(missing_ok=True)

    def _save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(self._path, self._run, self._fit, self._settings | {_SITTINGS: self.sittings})
        self._last = time.monotonic()
