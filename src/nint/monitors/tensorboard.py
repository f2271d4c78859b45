"""A log for TensorBoard: every evaluation as scalars, and at a few steps pictures or sound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.monitors.base import BaseMonitor
from nint.monitors.evaluate import NOT_METRICS
from nint.monitors.plane import MOST_POINTS, Plane, pictures, plane_of
from nint.monitors.snapshots import is_snapshot_step
from nint.plots.style import as_rgb
from nint.runs.outputs import predict_rows
from nint.training.engine import Run, check_weights

_EVENTS = "events.out.tfevents.*"
_COSTS = ("training_seconds", "forward_equivalents", "flops")


class TensorBoard(BaseMonitor):
    """Logs what `run.curve` gets, and the pictures of steps 1, 2, 5, 10, 20, ... and of the last; give it after the monitor that evaluates.

    Scalars, at the steps of the curve: quality/METRIC, training/loss, training/learning_rate, cost/training_seconds, cost/selection_share
    (of the training seconds), cost/forward_equivalents (one is the cost of forwarding every point once) and cost/flops. Images, videos
    (their middle frame), volumes (their middle slice) and arrays of two or three axes show the reconstruction, its absolute error (the
    brightest is 0.2 or more) and the last batch in red; sound is logged as sound, its channels mixed. "Relative" on TensorBoard's
    horizontal axis is the training time, evaluation excluded.

    An existing log is continued; what it holds beyond the step at which the run continues is withdrawn.

    Args:
        folder: Where to write; one folder is one run in TensorBoard.

    Raises:
        UsageError: where tensorboard is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)
        self._new_writer = summary_writer()
        self._writer: Any = None
        self._rows = 0
        self._shown = 0
        self._origin = 0.0
        self._plane: Plane | None = None

    def start(self, run: Run) -> None:
        """Opens the log."""
        self._open(run, run.step)

    def after_step(self, run: Run) -> None:
        """Logs new rows of the curve, and pictures at the steps of the series."""
        if self._writer is None:  # the runs of a comparison are not started one by one
            self._open(run, run.step - 1)
        self._log_rows(run)
        if is_snapshot_step(run.step):
            self._show(run)

    def finish(self, run: Run, reason: str) -> None:
        """Logs the last step and closes the log."""
        self._log_rows(run)
        if run.step > self._shown:
            self._show(run)
        self._writer.close()
        self._writer = None

    def _open(self, run: Run, done: int) -> None:
        """Starts the log, or continues one after step `done`."""
        if self._writer is not None:  # a try that diverged, and starts anew
            self._writer.close()
        there = any(self._folder.glob(_EVENTS))
        # Purging step 0 takes back everything, the original included.
        self._writer = self._new_writer(str(self._folder), purge_step=done + (done > 0) if there else None)
        self._origin = _made(min(self._folder.glob(_EVENTS)))
        self._rows = sum(row["step"] <= done for row in run.curve) if there else 0
        self._shown = done
        self._plane = plane_of(run.signal)
        if not (there and done):
            self._show_original(run)
        self._writer.flush()

    def _log_rows(self, run: Run) -> None:
        if self._rows == len(run.curve):
            return
        for row in run.curve[self._rows :]:
            scalars = {f"quality/{name}": value for name, value in row.items() if name not in NOT_METRICS and value is not None}
            scalars["training/loss"] = row["loss"]
            if row["step"] == run.step:  # a rate may follow the clock, and is not recorded
                scalars["training/learning_rate"] = run.optimizer.param_groups[0]["lr"]
            scalars |= {f"cost/{name}": row[name] for name in _COSTS if row.get(name) is not None}
            if row["training_seconds"] > 0:
                scalars["cost/selection_share"] = row["selection_seconds"] / row["training_seconds"]
            for tag, value in scalars.items():
                self._writer.add_scalar(tag, value, row["step"], walltime=self._origin + row["training_seconds"])
        self._rows = len(run.curve)
        self._writer.flush()

    def _show_original(self, run: Run) -> None:
        if self._plane is not None:
            self._add_picture("original", as_rgb(np.nan_to_num(self._plane.target)), 0, 0.0)
        elif run.signal.layout.kind == "audio":
            sound: Any = getattr(run.signal, "inner", run.signal)
            self._add_sound("original", np.asarray(sound.samples), run, 0, 0.0)

    def _show(self, run: Run) -> None:
        self._shown = run.step
        is_sound = run.signal.layout.kind == "audio"
        if run.selection is None or (self._plane is None and not is_sound):
            return
        check_weights(run)
        seconds = run.clock.training_s
        if self._plane is not None:
            for tag, picture in pictures(self._plane, run).items():
                self._add_picture(tag, picture, run.step, seconds)
        elif len(run.teacher.probe) <= MOST_POINTS:
            decoded = run.signal.layout.decode(lambda coords: predict_rows(run.field, coords, run.teacher.probe.device))
            self._add_sound("reconstruction", np.asarray(decoded), run, run.step, seconds)
        self._writer.flush()

    def _add_picture(self, tag: str, picture: np.ndarray, step: int, seconds: float) -> None:
        pixels = np.rint(255 * picture).astype(np.uint8)  # the writer would cut fractions off
        self._writer.add_image(tag, pixels, step, walltime=self._origin + seconds, dataformats="HWC")

    def _add_sound(self, tag: str, samples: np.ndarray, run: Run, step: int, seconds: float) -> None:
        mixed = np.clip(samples.mean(axis=1), -1, 1)
        layout: Any = run.signal.layout  # an AudioLayout, which is loaded only for sound
        self._writer.add_audio(tag, mixed, step, sample_rate=layout.sample_rate_hz, walltime=self._origin + seconds)


def summary_writer() -> Any:
    """The class that writes logs.

    Raises:
        UsageError: where tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("A TensorBoard log needs the package tensorboard; pip install 'nint[tensorboard]'.") from error
    return SummaryWriter


def _made(events: Path) -> float:
    """When a log was begun, as its file's name has it: the zero of its time axis."""
    stamp = events.name.split(".")[3]
    return float(stamp) if stamp.isdigit() else events.stat().st_mtime
