"""Checkpoints at intervals of wall time, and at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from nint.monitors.base import BaseMonitor
from nint.runs.checkpoint import save_checkpoint
from nint.runs.model import Fit
from nint.training.engine import Run


class Checkpoint(BaseMonitor):
    """Writes a checkpoint after the first step, then every `seconds` of wall time, and at the end.

    Weights that are not finite are never saved.

    Args:
        path: The file.
        fit: The model around the run's field.
        settings: What a resume must match.
        seconds: Wall time between checkpoints.
    """

    def __init__(self, path: Path, fit: Fit, settings: dict[str, Any], seconds: float = 30.0) -> None:
        self._path, self._fit, self._settings, self._seconds = path, fit, settings, seconds
        self._last = -float("inf")

    def after_step(self, run: Run) -> None:
        """Saves where the interval has passed."""
        if time.monotonic() - self._last >= self._seconds:
            self._save(run)

    def finish(self, run: Run, reason: str) -> None:
        """Saves the last state."""
        self._save(run)

    def _save(self, run: Run) -> None:
        if all(bool(torch.isfinite(p).all()) for p in run.field.parameters()):
            save_checkpoint(self._path, run, self._fit, self._settings)
        self._last = time.monotonic()
