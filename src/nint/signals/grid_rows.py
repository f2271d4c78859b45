"""Rows of a regular grid, read when they are asked for: a memory-mapped file or a zarr array is never loaded or scaled as a whole."""

from __future__ import annotations

import hashlib
import math
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.files import reason_of

BLOCK_POINTS = 2**20
"""Most points that are read, scaled or predicted at a time."""

_BLOCK_NUMBERS = 2**22
_CACHE_BYTES = 2**28
_EXACT = 2**53  # whole numbers up to here are exact in float64


def block_points(channels: int) -> int:
    """Points of a block: fewer where each has many channels, so that memory stays bounded."""
    return max(1, min(BLOCK_POINTS, _BLOCK_NUMBERS // channels))


@dataclass(frozen=True)
class Scaling:
    """Stored numbers <-> [0, 1], by the lowest and the highest one.

    Attributes:
        dtype: Type of the stored numbers: bool, integers or floats.
        low: Stored number that becomes 0.
        high: Stored number that becomes 1.
    """

    dtype: np.dtype
    low: int | float
    high: int | float

    def to_unit(self, stored: np.ndarray) -> np.ndarray:
        """Stored numbers -> float32 in [0, 1]; NaN stays NaN."""
        if self.dtype.kind in "iu" and self.dtype.itemsize == 8:
            offset: np.ndarray = (stored - self.dtype.type(self.low)).astype(
                np.float64
            )  # before rounding: large numbers may differ by little
        else:
            with np.errstate(invalid="ignore"):  # of a NaN that signals
                offset = stored.astype(np.float64) - self.low
        unit: np.ndarray = offset / (self.high - self.low)
        return unit.astype(np.float32)

    def to_stored(self, unit: Tensor) -> np.ndarray:
        """Predictions -> stored numbers: clamped to [low, high], whole numbers rounded to the nearest (ties to even).

        Raises:
            UsageError: for a prediction of NaN.
        """
        values = unit.detach().to("cpu", torch.float64).numpy()
        if np.isnan(values).any():
            raise UsageError("The model predicts NaN, so there is nothing to decode.")
        offset = np.clip(values, 0, 1) * (self.high - self.low)
        if self.dtype.kind == "f":
            clipped: np.ndarray = np.clip(self.low + offset, self.low, self.high)
            return clipped.astype(self.dtype)
        wide = np.uint64 if self.low >= 0 else np.int64
        whole: np.ndarray = np.rint(offset).astype(wide) + wide(self.low)
        return whole.astype(self.dtype)


class Rows(ABC):
    """The points of a grid in order, as stored, `[n, channels]`.

    Args:
        source: What is indexed: an array of the grid's axes, and one of channels last where there is one.
        dims: How many leading axes are the grid's.
    """

    def __init__(self, source: Any, dims: int) -> None:
        self.source = source
        self.grid = tuple(int(points) for points in source.shape[:dims])
        self.channels = int(math.prod(source.shape[dims:]))
        self.dtype = np.dtype(source.dtype)

    def __len__(self) -> int:
        return math.prod(self.grid)

    @abstractmethod
    def pick(self, rows: np.ndarray) -> np.ndarray:
        """Rows by number, `[m]` int64 -> `[m, channels]`."""

    @abstractmethod
    def blocks(self) -> Iterator[np.ndarray]:
        """Every point once, in whatever order is read fastest."""

    def between(self, start: int, stop: int) -> np.ndarray:
        """Consecutive rows."""
        return self.pick(np.arange(start, stop))


class ArrayRows(Rows):
    """Rows of a numpy array, in memory or memory-mapped, of any strides."""

    def __init__(self, source: np.ndarray, dims: int) -> None:
        super().__init__(source, dims)
        shape = (len(self), self.channels)
        self._flat = source.reshape(shape) if source.flags.c_contiguous else None  # views, never copies
        self._stored = source.reshape(shape, order="F") if self._flat is None and source.flags.f_contiguous else self._flat

    def pick(self, rows: np.ndarray) -> np.ndarray:
        """As in `Rows.pick`."""
        if self._flat is not None:
            return np.asarray(self._flat[rows])
        return np.asarray(self.source[np.unravel_index(rows, self.grid)]).reshape(len(rows), self.channels)

    def between(self, start: int, stop: int) -> np.ndarray:
        """As in `Rows.between`; a view where the array is C-contiguous."""
        return self._flat[start:stop] if self._flat is not None else super().between(start, stop)

    def blocks(self) -> Iterator[np.ndarray]:
        """As in `Rows.blocks`, in the order of memory.

        Yields:
            `[m, channels]`.
        """
        step = block_points(self.channels)
        for start in range(0, len(self), step):
            stop = min(start + step, len(self))
            yield self.between(start, stop) if self._stored is None else self._stored[start:stop]


class ChunkRows(Rows):
    """Rows of a chunked (zarr) array, and what it is called in messages; up to 256 MiB of unpacked chunks are kept for the next rows.

    Half of that is for the first chunks, which stay, so that a sweep over a larger array finds them again the next time. The other half is
    for the latest ones, since the rows of a sweep cross a row of chunks many times.
    """

    def __init__(self, source: Any, dims: int, name: str = "array") -> None:
        super().__init__(source, dims)
        self._name = name
        self._chunks = tuple(int(points) for points in source.chunks[:dims])
        self._counts = tuple(-(-points // chunk) for points, chunk in zip(self.grid, self._chunks, strict=True))
        size = math.prod(self._chunks) * self.channels * self.dtype.itemsize
        self._room = _CACHE_BYTES // 2 // size  # chunks of each half
        self._staying: dict[int, np.ndarray] = {}
        self._latest: OrderedDict[int, np.ndarray] = OrderedDict()

    def pick(self, rows: np.ndarray) -> np.ndarray:
        """As in `Rows.pick`; each chunk is unpacked once a call at most."""
        index = np.unravel_index(rows, self.grid)
        chunk = np.ravel_multi_index([i // points for i, points in zip(index, self._chunks, strict=True)], self._counts)
        order = np.argsort(chunk, kind="stable")
        found = np.empty((len(rows), self.channels), self.dtype)
        for part in np.split(order, np.flatnonzero(np.diff(chunk[order])) + 1) if len(rows) else ():
            inside = tuple(i[part] % points for i, points in zip(index, self._chunks, strict=True))
            found[part] = self._chunk(int(chunk[part[0]]))[inside].reshape(len(part), self.channels)
        return found

    def blocks(self) -> Iterator[np.ndarray]:
        """As in `Rows.blocks`, chunk by chunk.

        Yields:
            `[m, channels]`.
        """
        step = block_points(self.channels)
        for number in range(math.prod(self._counts)):
            rows = self._read(number).reshape(-1, self.channels)
            yield from (rows[start : start + step] for start in range(0, len(rows), step))

    def _chunk(self, number: int) -> np.ndarray:
        if number in self._staying:
            return self._staying[number]
        if number in self._latest:
            self._latest.move_to_end(number)
            return self._latest[number]
        fresh = self._read(number)
        if len(self._staying) < self._room:
            self._staying[number] = fresh
        elif self._room:
            if len(self._latest) == self._room:
                self._latest.popitem(last=False)
            self._latest[number] = fresh
        return fresh

    def _read(self, number: int) -> np.ndarray:
        """One chunk, unpacked.

        Raises:
            UsageError: for one that cannot be.
        """
        corner = np.unravel_index(number, self._counts)
        inside = tuple(slice(i * points, (i + 1) * points) for i, points in zip(corner, self._chunks, strict=True))
        try:
            with warnings.catch_warnings(action="ignore"):
                return np.asarray(self.source[inside])
        except Exception as error:  # every store and codec fails in its own way
            raise UsageError(f"'{self._name}' is damaged or cut short: a chunk cannot be read: {reason_of(error)}.") from error


def rows_of(source: Any, dims: int, name: str = "array") -> Rows:
    """Row access to a numpy array or a zarr array.

    Args:
        source: The array.
        dims: How many leading axes are the grid's.
        name: What messages call it.
    """
    return ArrayRows(source, dims) if isinstance(source, np.ndarray) else ChunkRows(source, dims, name)


class GridValues:
    """Values of a regular grid scaled to [0, 1], `[n, channels]` float32, scaled when rows are asked for.

    Args:
        rows: The stored points.
        scaling: From stored numbers to [0, 1].
        device: Where the rows are put.
    """

    def __init__(self, rows: Rows, scaling: Scaling, device: torch.device | str = "cpu") -> None:
        self._rows, self._scaling = rows, scaling
        self.device = torch.device(device)
        self.shape = (len(rows), rows.channels)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """A slice or a tensor of row numbers -> `[m, channels]`."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            stored = self._rows.between(start, max(start, stop)) if step == 1 else self._rows.pick(np.arange(start, stop, step))
        else:
            stored = self._rows.pick(rows.detach().cpu().numpy())
        return torch.from_numpy(self._scaling.to_unit(stored)).to(self.device)

    def whole(self) -> Tensor:
        """All rows, scaled block by block."""
        values = torch.empty(self.shape)
        step = block_points(self.shape[1])
        for start in range(0, len(self), step):
            values[start : start + step] = self[start : start + step]
        return values.to(self.device)


@dataclass(frozen=True)
class Scan:
    """What one pass over all points found.

    Attributes:
        low: Lowest number that is not NaN.
        high: Highest.
        missing: Points with a NaN.
        digest: Short hash of the content.
    """

    low: int | float
    high: int | float
    missing: int
    digest: str


def scan(rows: Rows, name: str) -> Scan:
    """Range, NaN count and hash of all points, block by block.

    Raises:
        UsageError: for infinity, for NaN everywhere, for one value everywhere, and for a range that float64 cannot hold.
    """
    digest = hashlib.sha256(f"{rows.grid} {rows.channels} {rows.dtype.str} ".encode())
    lows, highs, missing = [], [], 0
    for block in rows.blocks():
        digest.update(np.ascontiguousarray(block).data)
        if rows.dtype.kind == "f":
            if np.isinf(block).any():
                raise UsageError(f"'{name}' holds infinity; numbers must be finite, and NaN marks points that were not observed.")
            missing += int(np.isnan(block).any(axis=1).sum())
        lows.append(np.fmin.reduce(block, axis=None))
        highs.append(np.fmax.reduce(block, axis=None))
    low, high = np.fmin.reduce(lows).item(), np.fmax.reduce(highs).item()
    return checked_scan(rows, name, Scan(low, high, missing, digest.hexdigest()[:16]))


def checked_scan(rows: Rows, name: str, found: Scan) -> Scan:
    """What a pass found, where that can be fitted.

    Raises:
        UsageError: for NaN everywhere, for one value everywhere, and for a range that float64 cannot hold.
    """
    low, high = found.low, found.high
    if found.missing == len(rows):
        raise UsageError(f"'{name}' has a NaN in every point, so nothing was observed.")
    if low == high:
        raise UsageError(f"'{name}' has the same value everywhere, so there is nothing to learn.")
    if not math.isfinite(high - low) or (rows.dtype.kind in "iu" and high - low > _EXACT):
        raise UsageError(f"'{name}' holds values from {low:g} to {high:g}, a range too wide for floating point; scale it down.")
    if rows.dtype.kind == "b":
        low, high = 0, 1
    return Scan(low, high, found.missing, found.digest)


def observed_mask(rows: Rows) -> Tensor:
    """Which points have no NaN, `[n]` bool, block by block."""
    mask = torch.empty(len(rows), dtype=torch.bool)
    step = block_points(rows.channels)
    for start in range(0, len(rows), step):
        stop = min(start + step, len(rows))
        mask[start:stop] = torch.from_numpy(~np.isnan(rows.between(start, stop)).any(axis=1))
    return mask
