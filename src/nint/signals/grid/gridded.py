"""What arrays, volumes and video share: values of a regular grid of any dimension, coordinates in [-1, 1] on each axis."""

from __future__ import annotations

import math
import operator
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.signals.base import MEASURE_UP_TO, GridCoords, KindDefaults, Pool, Predict, Signal
from nint.signals.grid.grid_layout import GridLayout, checked_dtype
from nint.signals.grid_rows import GridValues, Scan, observed_mask, rows_of, scan
from nint.signals.leaves import is_leaf_fingerprint, leaf_fingerprint
from nint.signals.measure import estimate_note, measure

DEFAULTS = KindDefaults(source="no published setting, so those of images")
_VALUES_IN_MEMORY = 2**26


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
