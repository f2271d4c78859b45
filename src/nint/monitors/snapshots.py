"""What was selected, and what the reconstruction looked like, at steps 1, 2, 5, 10, 20, 50, ..."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nint.files import write_atomically
from nint.monitors.base import BaseMonitor
from nint.runs.model import predict_rows
from nint.training.engine import Run, check_weights

_LARGEST_POOL = 2**22


def is_snapshot_step(step: int) -> bool:
    """Whether a step is in the series 1, 2, 5, 10, 20, 50, 100, ..."""
    return step > 0 and str(step).rstrip("0") in ("1", "2", "5")


class Snapshots(BaseMonitor):
    """Writes `step-000120.npz` at a few steps.

    A file holds `selected` (points of the decoded grid), `pool` (how many there were to choose from) and `decoded` (the signal's own kind).
    Pools of more than four million points are not recorded.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def after_step(self, run: Run) -> None:
        """Writes at the steps of the series."""
        if is_snapshot_step(run.step):
            self._write(run)

    def finish(self, run: Run, reason: str) -> None:
        """Writes the last step."""
        self._write(run)

    def _write(self, run: Run) -> None:
        if run.selection is None or not run.signal.layout.keeps_snapshots or len(run.teacher.probe) > _LARGEST_POOL:
            return
        check_weights(run)
        arrays: dict[str, Any] = {
            "step": np.asarray(run.step),
            "pool": np.asarray(len(run.teacher.probe)),
            "training_seconds": np.asarray(run.clock.training_s),
            "selected": run.signal.layout_rows(run.selection.indices).cpu().numpy().astype(np.int32),
            "decoded": np.asarray(run.signal.layout.decode(lambda coords: predict_rows(run.field, coords, run.teacher.probe.device))),
        }
        write_atomically(self._folder / f"step-{run.step:06d}.npz", lambda path: np.savez_compressed(path, **arrays))
