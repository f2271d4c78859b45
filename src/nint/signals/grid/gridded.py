"""What arrays, volumes and video share: values of a regular grid of any dimension, coordinates in [-1, 1] on each axis."""

from __future__ import annotations

import importlib
import logging
import math
import operator
import os
import tempfile
import time
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.arguments import finite
from nint.errors import UsageError
from nint.settings import whole
from nint.signals.base import MEASURE_UP_TO, GridCoords, KindDefaults, Layout, Pool, Predict, Signal, same_range
from nint.signals.grid_rows import GridValues, Scaling, Scan, block_points, observed_mask, rows_of, scan
from nint.signals.leaves import is_leaf_fingerprint, leaf_fingerprint
from nint.signals.limits import check_decoded
from nint.signals.measure import estimate_note, measure

DEFAULTS = KindDefaults(source="no published setting, so those of images")

_LOG = logging.getLogger("nint")
_LONG_S = 60.0
_BEYOND = 1e18  # more points an axis than anything has
_VALUES_IN_MEMORY = 2**26
_OUTPUT_BYTES_IN_MEMORY = 2**28


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


def need(module: str, purpose: str, extra: str) -> Any:
    """Imports an optional package.

    Raises:
        UsageError: says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{purpose} needs the package {module}; pip install 'nint[{extra}]'.") from error


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


class GridSignal(Signal):
    """Values of a regular grid to fit. NaN marks points that were not observed. Abstract: a kind adds its layout and its metrics.

    Args:
        source: numpy array (memory-mapped or not) or zarr array of the grid's axes, and channels last where there are any.
        dims: How many leading axes are the grid's.
        name: Where it came from.
        value_range: Stored numbers that become 0 and 1; the lowest and the highest one where None.
        scanned: What several processes have found together, each in a part of the values, which are then not read here.
        layout_fields: Those of the layout class beyond the grid's.

    Raises:
        UsageError: for values that cannot be fitted.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr",)
    defaults: ClassVar[KindDefaults] = DEFAULTS
    layout_class: ClassVar[type[GridLayout]]
    layout: GridLayout
    values: Tensor | GridValues

    def __init__(
        self,
        source: Any,
        dims: int,
        name: str,
        *,
        value_range: tuple[float, float] | None = None,
        scanned: Scan | None = None,
        **layout_fields: Any,
    ) -> None:
        self.name = name
        dtype = checked_dtype(np.dtype(source.dtype), f"'{name}'")
        if math.prod(source.shape) == 0:
            raise UsageError(f"'{name}' is empty: its shape is {tuple(source.shape)}.")
        self._rows = rows_of(source, dims, name)
        if len(self._rows) == 1:
            raise UsageError(f"'{name}' is a single point; a signal needs at least two.")
        found = scan(self._rows, name) if scanned is None else scanned
        low, high = value_range or (found.low, found.high)
        channels = self._rows.channels if len(source.shape) > dims else None
        self.layout = self.layout_class(self._rows.grid, channels, dtype.str, low, high, **layout_fields)
        self._digest = found.digest
        lazy = GridValues(self._rows, self.layout.scaling)
        small = scanned is None and len(lazy) <= MEASURE_UP_TO and math.prod(lazy.shape) <= _VALUES_IN_MEMORY
        self.values = lazy.whole() if small else lazy
        self.observed = observed_mask(self._rows) if found.missing else None

    def pool(self, device: torch.device | str) -> Pool:
        """Every point in the order of the grid; coordinates and values stay lazy beyond 2^22 points."""
        values = self.values.to(device) if isinstance(self.values, Tensor) else GridValues(self._rows, self.layout.scaling, device)
        return Pool(coords=self._coords(device), values=values, grid=self.layout.grid)

    def remarks(self) -> tuple[str, ...]:
        """Whether quality is estimated on a sample of the points, and which metrics are absent then."""
        note = estimate_note(len(self.values))
        return (*note, "SSIM is left out.") if note and "ssim" in self.metrics else note

    def scaling(self) -> dict[str, Any]:
        """The numbers that are 0 and 1 to the network; PSNR is relative to their difference."""
        low, high = self.layout.limits
        return {"low": low, "high": high}

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB) relative to the range of the values, over the points that were observed, and what the kind adds to it.

        Beyond 2^22 points it is estimated on 2^20 of them, the same at every call.
        """
        whole_too = self._has_structure()
        found, prediction = measure(predict, self._coords("cpu"), self.values, keep=whole_too)
        if prediction is not None and isinstance(self.values, Tensor):
            shape = (*self.layout.grid, self.layout.out_features)
            found |= self._structure(prediction.view(shape).numpy(), self.values.view(shape).numpy())
        return found

    def fingerprint(self) -> str:
        """Hash of the stored numbers, their shape and type."""
        return self._digest

    def same_content(self, fingerprint: str) -> bool:
        """As in `Signal.same_content`. Cost: a pass over the stored numbers for a fingerprint of several processes."""
        own = leaf_fingerprint(self._rows) if is_leaf_fingerprint(fingerprint) else self._digest
        return fingerprint == own

    def _has_structure(self) -> bool:
        """Whether metrics beyond PSNR can be computed."""
        return False

    def _structure(self, prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
        """Metrics that need the whole grid, `[*grid, channels]` each."""
        return {}

    def _is_whole(self) -> bool:
        return isinstance(self.values, Tensor) and self.observed is None

    def _coords(self, device: torch.device | str) -> GridCoords | Tensor:
        coords = GridCoords(self.layout.grid, device=device)
        return coords[:] if len(coords) <= MEASURE_UP_TO else coords


def _say_if_long(points: int, seconds: float) -> None:
    """Says how long a decoding takes, where that is more than a minute."""
    if seconds > _LONG_S:
        _LOG.warning("nint: decoding %s points takes about %.0f minutes.", f"{points:,}", max(1, seconds / 60))


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


def checked_dtype(dtype: np.dtype, what: str) -> np.dtype:
    """Bool, integers, and floats of 16 to 64 bits.

    Raises:
        UsageError: for any other type, saying what would be right.
    """
    if dtype.kind in "biu" or (dtype.kind == "f" and dtype.itemsize <= 8):
        return dtype
    hint = "store the real and imaginary part as two channels" if dtype.kind == "c" else "numbers must be bool, integers or floats"
    raise UsageError(f"{what} holds {dtype}, which cannot be fitted; {hint}.")


def axis_count(in_dims: Any, ndim: int, name: str) -> int:
    """A checked number of leading coordinate axes: all of an array's axes, or all but the last.

    Raises:
        UsageError: for any other number.
    """
    try:
        count = operator.index(in_dims)
    except TypeError:
        count = 0
    if count < 1 or ndim - count not in (0, 1):
        raise UsageError(f"in_dims={in_dims} does not fit '{name}', which has {ndim} axes; it must be {ndim - 1 or 1} or {ndim}.")
    return count
