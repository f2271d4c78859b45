"""The state of a run for a page that shows it while it trains: two files that are replaced about once a second."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from nint.files import write_atomically, write_json
from nint.monitors.base import BaseMonitor
from nint.monitors.snapshots import arrays_of, can_be_shown
from nint.runs.contents import LIVE_PICTURE, LIVE_STATE
from nint.training.engine import Run, check_weights

_EVERY_S = 1.0
_SHARE = 0.05


class LiveState(BaseMonitor):
    """Writes live.json (step, curve) and live.npz (reconstruction and last batch, as a snapshot) while a run goes on.

    Both are removed at its end, when the record and the last snapshot tell the same. The training clock is stopped meanwhile.

    Args:
        folder: Of the run.
        every_s: Least wall time between two writes.
        share: Most of the run's wall time that writing takes.
    """

    def __init__(self, folder: Path, every_s: float = _EVERY_S, share: float = _SHARE) -> None:
        self._folder, self._every_s, self._share = folder, every_s, share
        self._last = self._spent_s = self._began = 0.0

    def start(self, run: Run) -> None:
        """Begins the count of what writing takes."""
        self._began, self._spent_s, self._last = time.monotonic(), 0.0, 0.0

    def after_step(self, run: Run) -> None:
        """Writes where a second has passed and writing has not taken more than its share."""
        now = time.monotonic()
        if now - self._last < self._every_s or self._spent_s > self._share * (now - self._began):
            return
        self._write(run)
        self._last = time.monotonic()
        self._spent_s += self._last - now

    def finish(self, run: Run, reason: str) -> None:
        """Removes both files."""
        for name in (LIVE_STATE, LIVE_PICTURE):
            (self._folder / name).unlink(missing_ok=True)

    def _write(self, run: Run) -> None:
        check_weights(run)
        if can_be_shown(run):
            arrays: dict[str, Any] = arrays_of(run)
            write_atomically(self._folder / LIVE_PICTURE, lambda path: np.savez(path, **arrays))
        state = {
            "step": run.step,
            "training_seconds": run.clock.training_s,
            "wall_seconds": run.clock.wall_s,
            "done_part": run.done_part,
            "curve": run.curve,
        }
        write_json(self._folder / LIVE_STATE, state)
