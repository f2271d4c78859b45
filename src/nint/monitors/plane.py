"""The picture of a signal that a log shows: the image itself, the middle frame of a video, the middle slice of a volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nint.plots.style import as_rgb, with_points
from nint.runs.outputs import predict_rows
from nint.signals.base import GridCoords, RowSubset, Signal
from nint.signals.grid.gridded import GridSignal
from nint.training.engine import Run

MOST_POINTS = 2**22
"""Points of a picture beyond which it is not shown."""

_WORST = 0.2
"""Absolute error, of values in [0, 1], that is shown in the brightest colour: the same at every step, so that steps can be compared."""


@dataclass(frozen=True)
class Plane:
    """Where the picture lies among the points of the decoded signal.

    Attributes:
        target: `[h, w, c]` float32 in [0, 1], c from 1 to 4; NaN where the signal has no value.
        first: Number of its first point in the grid of the whole signal.
        coords: `[h * w, d_in]`, read by rows.
    """

    target: np.ndarray
    first: int
    coords: Any

    def predicted(self, run: Run) -> np.ndarray:
        """The network's picture now, `[h, w, c]` float32 in [0, 1]."""
        height, width, channels = self.target.shape
        values = predict_rows(run.field, self.coords, run.teacher.probe.device)[:, :channels]
        return values.float().clamp(0, 1).cpu().numpy().reshape(height, width, channels)

    def selected(self, run: Run) -> np.ndarray:
        """Pixels of the picture that are in the last batch."""
        if run.selection is None:
            return np.empty(0, np.int64)
        rows: np.ndarray = run.signal.layout_rows(run.selection.indices).cpu().numpy() - self.first
        shown: np.ndarray = rows[(rows >= 0) & (rows < self.target.shape[0] * self.target.shape[1])]
        return shown


def plane_of(signal: Signal) -> Plane | None:
    """The picture of a signal; None where it has none or is too large."""
    whole = getattr(signal, "inner", signal)  # with unobserved or held-out points: the signal behind
    if whole.layout.kind == "image":
        samples = whole.layout.samples
        return _image(whole) if samples is not None and samples <= MOST_POINTS else None
    if isinstance(whole, GridSignal) and len(whole.layout.grid) in (2, 3) and math.prod(whole.layout.grid[-2:]) <= MOST_POINTS:
        return _middle(whole)
    return None


def _image(signal: Any) -> Plane:
    target = signal.layout.as_unit(signal.array)
    target = target if target.ndim == 3 else target[..., None]
    if signal.observed is not None:
        target = np.where(signal.observed.numpy().reshape(*target.shape[:2], 1), target, np.float32("nan"))
    return Plane(target, 0, GridCoords(target.shape[:2]))


def _middle(signal: GridSignal) -> Plane:
    grid = signal.layout.grid
    height, width = grid[-2:]
    first = grid[0] // 2 * height * width if len(grid) == 3 else 0
    rows = torch.arange(first, first + height * width)
    channels = signal.layout.out_features if signal.layout.out_features in (1, 3, 4) else 1  # what has no colours is shown by its first
    target = signal.values[rows][:, :channels].float().numpy().reshape(height, width, channels)
    return Plane(target, first, RowSubset(GridCoords(grid), rows))


def pictures(plane: Plane, run: Run) -> dict[str, np.ndarray]:
    """Reconstruction, absolute error and last batch, `[h, w, 3]` in [0, 1] each."""
    from matplotlib import colormaps

    predicted = plane.predicted(run)
    error = np.nan_to_num(np.abs(predicted - plane.target)).mean(axis=-1)
    return {
        "reconstruction": as_rgb(predicted),
        "error": colormaps["inferno"](np.clip(error / _WORST, 0, 1))[..., :3].astype(np.float32),
        "selection": with_points(predicted, plane.selected(run)),
    }
