"""What a model must know to turn predictions back into an array, a volume or a video: shape, type, range and channels."""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from nint.arguments import finite
from nint.errors import UsageError
from nint.settings import whole
from nint.signals.base import GridCoords, Layout, Predict, same_range
from nint.signals.grid_rows import Scaling, block_points
from nint.signals.limits import check_decoded

_LOG = logging.getLogger("nint")
_LONG_S = 60.0
_BEYOND = 1e18  # more points an axis than anything has
_OUTPUT_BYTES_IN_MEMORY = 2**28


@dataclass(frozen=True)
class GridLayout(Layout):
    """Shape and type of a regular grid of values. Abstract: a kind adds its name, its files and its own way to decode.

    Attributes:
        grid: Points an axis, slowest first.
        channels: Numbers a point, on a last axis of their own; None where there is no such axis.
        dtype: Type of the stored numbers in numpy's short form, byte order included ("|u1", "<f4").
        low: Stored number that is 0 to the network.
        high: Stored number that is 1 to the network.
    """

    grid: tuple[int, ...]
    channels: int | None
    dtype: str
    low: int | float
    high: int | float

    def __post_init__(self) -> None:
        what = f"{self.kind} layout"
        if not isinstance(self.grid, (list, tuple)) or not self.grid:
            raise UsageError(f"{what}: grid={self.grid} is not a list of axis lengths.")
        object.__setattr__(self, "grid", tuple(whole(points, f"{what}: grid") for points in self.grid))
        if self.channels is not None:
            whole(self.channels, f"{what}: channels")
        try:
            checked_dtype(np.dtype(self.dtype), what)
        except (TypeError, ValueError) as error:
            raise UsageError(f"{what}: dtype={self.dtype} is not known.") from error
        for name in ("low", "high"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
                raise UsageError(f"{what}: {name}={value} must be a finite number.")
        if not self.low < self.high:
            raise UsageError(f"{what}: low={self.low} must be below high={self.high}.")

    @property
    def in_features(self) -> int:
        """Axes of the grid."""
        return len(self.grid)

    @property
    def out_features(self) -> int:
        """Numbers a point."""
        return self.channels or 1

    @property
    def steps(self) -> tuple[float, ...]:
        """Distance of neighbouring samples along each axis, in one unit; 1 where nothing tells it."""
        return (1.0,) * len(self.grid)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Samples along each axis times their distance."""
        return tuple(points * step for points, step in zip(self.grid, self.steps, strict=True))

    @property
    def scaling(self) -> Scaling:
        """Between stored numbers and [0, 1]."""
        return Scaling(np.dtype(self.dtype), self.low, self.high)

    @property
    def samples(self) -> int:
        """Points of the grid."""
        return math.prod(self.grid)

    @property
    def bits_per_sample(self) -> float:
        """Bits of a point as stored, all channels together."""
        return 8 * np.dtype(self.dtype).itemsize * self.out_features

    @property
    def limits(self) -> tuple[float, float]:
        """What 0 and 1 of the network stand for."""
        return self.low, self.high

    def check_comparable(self, other: Layout) -> None:
        """As in `Layout.check_comparable`; 0 and 1 must also stand for the same numbers.

        Raises:
            UsageError: where they do not.
        """
        super().check_comparable(other)
        if isinstance(other, GridLayout) and not same_range(self.limits, other.limits):
            (low, high), (their_low, their_high) = self.limits, other.limits
            raise UsageError(
                f"The model was fitted to values from {low:.9g} to {high:.9g}, but those of the input reach from {their_low:.9g} to "
                f"{their_high:.9g}, so 0 and 1 do not mean the same; measure it against what it was fitted to."
            )

    def decode_grid(self, predict: Predict, coords: GridCoords) -> np.ndarray:
        """Predicts every point of a grid, block by block.

        Returns:
            `[*coords.grid]`, and the channels last where the layout has that axis, in the stored type. Outputs of more than 256 MiB lie
            in a temporary file that is gone when the array is.
        """
        check_decoded(coords.grid)
        decoded = allocate((*coords.grid, self.out_features), np.dtype(self.dtype))
        flat = decoded.reshape(-1, self.out_features)
        step = block_points(self.out_features)
        begun = time.monotonic()
        for start in range(0, len(coords), step):
            if start == step:
                _say_if_long(len(coords), (time.monotonic() - begun) * len(coords) / step)
            flat[start : start + step] = self.scaling.to_stored(predict(coords[start : start + step]))
        return decoded if self.channels is not None else decoded[..., 0]

    def resized(self, scale: float | None, shape: Any) -> tuple[int, ...]:
        """The grid to decode at.

        Args:
            scale: Size of every axis relative to the fitted one.
            shape: Points an axis; a single number where there is one axis.

        Raises:
            UsageError: for both, or for a size that cannot be.
        """
        if shape is None:
            factor = 1.0 if scale is None else finite(scale, "scale")
            if factor <= 0:
                raise UsageError(f"scale={factor:g} is out of range; it must be a finite number above 0.")
            return tuple(max(1, round(min(points * factor, _BEYOND))) for points in self.grid)
        if scale is not None:
            raise UsageError("Give either a scale or a shape, not both.")
        shape = tuple(shape) if isinstance(shape, (list, tuple)) else (shape,)
        if len(shape) != len(self.grid):
            raise UsageError(f"shape={'x'.join(map(str, shape))} has {len(shape)} axes; the signal has {len(self.grid)}.")
        return tuple(whole(points, "shape") for points in shape)


def alpha_in_png(channels: int | None, rgb: bool, ending: str) -> tuple[str, ...]:
    """The sentence that a picture takes the last of 2 or 4 channels for alpha, for a layout's `losses`.

    Args:
        channels: Of the layout.
        rgb: Whether they are colours, so that the fourth is alpha.
        ending: Of the file that is written.
    """
    if ending != ".png" or channels not in (2, 4) or rgb:
        return ()
    return (f"The last of the {channels} channels is alpha in a .png, so that viewers take it for opacity; .npy and .tif do not do so.",)


def check_rgb(rgb: Any, channels: int | None, what: str) -> None:
    """Refuses channels that a model's header calls colours, but that cannot be.

    Raises:
        UsageError: names the layout.
    """
    if not isinstance(rgb, bool) or (rgb and channels not in (3, 4)):
        raise UsageError(f"{what}: rgb={rgb} does not fit {channels} channels; it must be true for 3 or 4 of them, or false.")


def checked_dtype(dtype: np.dtype, what: str) -> np.dtype:
    """Bool, integers, and floats of 16 to 64 bits.

    Raises:
        UsageError: for any other type, saying what would be right.
    """
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return dtype
    hint = "store the real and imaginary part as two channels" if dtype.kind == "c" else "numbers must be bool, integers or floats"
    raise UsageError(f"{what} holds {dtype}, which cannot be fitted; {hint}.")


def allocate(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array to be filled; in a temporary file of its own where it is larger than 256 MiB.

    Raises:
        UsageError: where there is no room for it.
    """
    size = math.prod(shape) * dtype.itemsize
    try:
        if size <= _OUTPUT_BYTES_IN_MEMORY:
            return np.empty(shape, dtype)
        # Only the mapping keeps the file alive, so that it is gone with the array.
        with tempfile.TemporaryFile(prefix="nint-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)  # a full disk is an error here, and a crash later
            return np.memmap(file, dtype, "r+" if file.seek(0, 2) else "w+", shape=shape)
    except (OSError, OverflowError, ValueError, MemoryError) as error:
        where = f"{size / 2**30:.1f} GiB in {tempfile.gettempdir()} (TMPDIR chooses another folder)"
        raise UsageError(f"There is no room for the decoded {'x'.join(map(str, shape[:-1]))} points: it needs {where}.") from error


def _say_if_long(points: int, seconds: float) -> None:
    """Says how long a decoding takes, where that is more than a minute."""
    if seconds > _LONG_S:
        _LOG.warning("nint: decoding %s points takes about %.0f minutes.", f"{points:,}", max(1, seconds / 60))
