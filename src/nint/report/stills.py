"""Signals on a grid as pictures: an image as a whole, a video or volume one plane at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nint.plots.strips import ERROR_COLOURS
from nint.plots.style import RED, as_rgb
from nint.signals.base import MEASURE_UP_TO

_PLANAR = ("image", "video", "volume", "array")


@dataclass(frozen=True)
class Viewer:
    """How signals of a layout become pictures.

    Attributes:
        layout: The layout.
        grid: Points per axis.
        axis: Axis along which planes are indexed; None where the signal is one plane.
        turned: Whether a plane is transposed and flipped, so that its last row is on top (NIfTI: x, y, z).
    """

    layout: Any
    grid: tuple[int, ...]
    axis: int | None
    turned: bool = False

    @property
    def planes(self) -> int:
        """Number of planes."""
        return 1 if self.axis is None else self.grid[self.axis]

    @property
    def plane_name(self) -> str:
        """Name of a plane: "frame", "plane z", and "plane 0" where axes have no letters."""
        if self.layout.kind == "video":
            return "frame"
        letters, axis = getattr(self.layout, "axes", ""), self.axis or 0
        return f"plane {letters[axis] if letters else axis}"

    def unit(self, decoded: np.ndarray) -> np.ndarray:
        """A decoded signal as `[*grid, c]` float32 in [0, 1]."""
        if self.layout.kind == "image":
            values = self.layout.as_unit(decoded)
        else:
            low, high = self.layout.limits
            values = ((np.asarray(decoded, np.float64) - low) / (high - low)).astype(np.float32)
        shaped: np.ndarray = values.reshape(*self.grid, -1)
        return shaped

    def plane(self, values: np.ndarray, index: int) -> np.ndarray:
        """One plane `[h, w, ...]` of `[*grid, ...]`."""
        found = values if self.axis is None else np.take(values, index, axis=self.axis)
        return np.flip(np.swapaxes(found, 0, 1), 0) if self.turned else found

    def picture(self, values: np.ndarray, index: int) -> np.ndarray:
        """A plane as `[h, w, 3]` in [0, 1]."""
        plane = np.clip(self.plane(values, index), 0, 1)
        if self.layout.kind != "image" and plane.shape[-1] not in (1, 3):
            plane = plane.mean(axis=-1, keepdims=True)
        return as_rgb(plane)

    def error(self, values: np.ndarray, original: np.ndarray, index: int) -> np.ndarray:
        """Absolute difference on a plane, mean over channels, `[h, w]`; NaN where the original has no value."""
        difference: np.ndarray = np.abs(self.plane(values, index) - self.plane(original, index)).mean(axis=-1)
        return difference

    def selected(self, values: np.ndarray, rows: np.ndarray, index: int) -> np.ndarray:
        """Selected points of a plane in red over its dimmed luma, `[h, w, 3]`."""
        mask = np.zeros(int(np.prod(self.grid)), bool)
        mask[rows[(rows >= 0) & (rows < len(mask))]] = True
        luma = 0.58 + 0.4 * self.picture(values, index).mean(axis=-1, keepdims=True)
        where = self.plane(mask.reshape(self.grid), index)[..., None]
        return np.where(where, 0.2 * luma + 0.8 * np.asarray(RED, np.float32), np.repeat(luma, 3, axis=-1))


def viewer_for(layout: Any) -> Viewer | None:
    """The viewer of a layout; None for a kind that has no pictures."""
    if layout.kind not in _PLANAR:
        return None
    if layout.kind == "image":
        return Viewer(layout, (layout.height, layout.width), None)
    if len(layout.grid) == 2:
        return Viewer(layout, layout.grid, None)
    if len(layout.grid) != 3:
        return None
    upright = getattr(layout, "axes", "") == "xyz"
    return Viewer(layout, layout.grid, 2 if upright else 0, turned=upright)


def original_values(signal: Any, viewer: Viewer) -> np.ndarray | None:
    """The signal as `[*grid, c]` in [0, 1], NaN where it was not observed; None where it has more than `MEASURE_UP_TO` points."""
    whole = getattr(signal, "inner", signal)  # unobserved and held-out points wrap the signal
    if int(np.prod(viewer.grid)) > MEASURE_UP_TO:
        return None
    if viewer.layout.kind == "image":
        values: np.ndarray = viewer.layout.as_unit(whole.array).reshape(*viewer.grid, -1).copy()
    else:
        values = whole.pool("cpu").values[:].numpy().reshape(*viewer.grid, -1).copy()
    if whole.observed is not None:
        values[~whole.observed.numpy().reshape(viewer.grid)] = np.nan
    return values


def heat(error: np.ndarray, top: float) -> np.ndarray:
    """An error map in colours, `[h, w, 3]`: black is 0, pale yellow is `top` or more, on a square-root scale; NaN stays NaN."""
    from matplotlib import colormaps

    level = np.sqrt(np.clip(error / top, 0, 1))
    colours: np.ndarray = np.asarray(colormaps[ERROR_COLOURS](np.nan_to_num(level)))[..., :3].astype(np.float32)
    colours[~np.isfinite(level)] = np.nan
    return colours
