"""What was selected, and what the reconstruction looked like, at steps 1, 2, 5, 10, 20, 50, ..."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from nint.files import write_atomically
from nint.monitors.base import BaseMonitor
from nint.runs.outputs import predict_rows
from nint.training.engine import Run, check_weights

_LARGEST_POOL = 2**22
_EARLY, _ANYHOW_S = 0.3, 0.1


def is_snapshot_step(step: int) -> bool:
    """Whether a step is in the series 1, 2, 5, 10, 20, 50, 100, ..."""
    return step > 0 and str(step).rstrip("0") in ("1", "2", "5")


class Snapshots(BaseMonitor):
    """Writes `step-000120.npz` at a few steps.

    A file holds `selected` (points of the decoded grid), `pool` (how many there were to choose from) and `decoded` (the signal's own kind).
    Pools of more than four million points are not recorded.

    Args:
        folder: Where to write.
        share: Most of the run's time that snapshots before the last one take; those that would take more are left out. None writes all.
    """

    def __init__(self, folder: Path, share: float | None = None) -> None:
        self._folder, self._share = folder, share
        self._spent_s = self._last_s = 0.0

    def after_step(self, run: Run) -> None:
        """Writes where the step is one of the series and there is time."""
        if is_snapshot_step(run.step) and self._affordable(run):
            began = time.perf_counter()
            self._write(run)
            self._last_s = time.perf_counter() - began
            self._spent_s += self._last_s

    def _affordable(self, run: Run) -> bool:
        if self._share is None:
            return True
        part = max(run.done_part, 1e-9)
        cost = self._last_s or len(run.teacher.probe) * run.clock.training_s / max(run.cost.forward, 1) / 3  # a forward of all points
        allowed = self._share * run.clock.wall_s / part * max(part, _EARLY)
        return self._spent_s + cost <= max(allowed, _ANYHOW_S)

    def finish(self, run: Run, reason: str) -> None:
        """Writes the last step."""
        self._write(run)

    def _write(self, run: Run) -> None:
        if can_be_shown(run):
            check_weights(run)
            arrays = arrays_of(run)
            write_atomically(self._folder / f"step-{run.step:06d}.npz", lambda path: np.savez_compressed(path, **arrays))


def can_be_shown(run: Run) -> bool:
    """Whether a run has a last batch, a signal that is kept, and at most four million points."""
    return run.selection is not None and run.signal.layout.keeps_snapshots and len(run.teacher.probe) <= _LARGEST_POOL


def arrays_of(run: Run) -> dict[str, Any]:
    """What a snapshot holds, of a run that `can_be_shown`. Cost: a forward over all points."""
    chosen = np.empty(0, np.int64) if run.selection is None else run.signal.layout_rows(run.selection.indices).cpu().numpy()
    return {
        "step": np.asarray(run.step),
        "pool": np.asarray(len(run.teacher.probe)),
        "training_seconds": np.asarray(run.clock.training_s),
        "selected": chosen.astype(np.int32),
        "decoded": np.asarray(run.signal.layout.decode(lambda coords: predict_rows(run.field, coords, run.teacher.probe.device))),
    }
