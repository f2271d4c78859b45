"""Point sets: values at scattered coordinates. Each column is scaled by its own range, coordinates to [-1, 1] and values to [0, 1]."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.settings import whole
from nint.signals.base import KindDefaults, Pool, Predict, Signal
from nint.signals.grid.gridded import DEFAULTS
from nint.signals.measure import estimate_note, measure
from nint.signals.points.layout import INEXACT_COORDS, PointsLayout, as_floats, check_finite

__all__ = ["PointsLayout", "PointsSignal", "load_points"]

_AXES = "xyzt"
_LARGEST = 1e300
_INEXACT = "Some values are whole numbers beyond 2^53 that 64-bit floats do not hold, and were rounded."


class PointsSignal(Signal):
    """Values at scattered points to fit.

    Args:
        coords: `[n, d]` in any units. The same point may come twice.
        values: `[n]` or `[n, c]`; a row with a NaN was not observed.
        coord_names: One an axis; x, y, z, t where None.
        value_names: One a value; value, or value0, value1, ... where None.
        name: Where they came from.
        notes: Sentences for the report.

    Raises:
        UsageError: for shapes that do not fit, coordinates that are not finite or that 64-bit floats do not hold, infinite values, or
            nothing that varies.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr",)
    defaults: ClassVar[KindDefaults] = DEFAULTS
    layout: PointsLayout

    def __init__(
        self,
        coords: Any,
        values: Any,
        *,
        coord_names: tuple[str, ...] | None = None,
        value_names: tuple[str, ...] | None = None,
        name: str = "points",
        notes: tuple[str, ...] = (),
    ) -> None:
        (coords, exact), (values, exact_values) = as_floats(coords), as_floats(values)
        values = values[:, None] if values.ndim == 1 else values
        if coords.ndim != 2 or values.ndim != 2 or len(coords) != len(values) or 0 in (*coords.shape, *values.shape):
            raise UsageError(f"'{name}': coords {coords.shape} and values {values.shape} must be [n, d] and [n, c] with the same n.")
        if not exact:
            raise UsageError(f"'{name}' {INEXACT_COORDS}")
        check_finite(coords, f"'{name}'")
        _check_size(np.abs(coords), name)
        _check_size(np.abs(values), name)
        if np.isinf(values).any():
            row = int(np.isinf(values).any(axis=1).argmax())
            raise UsageError(f"'{name}' has an infinite value in row {row + 1}; values must be finite, and NaN marks unobserved ones.")
        observed = ~np.isnan(values).any(axis=1)
        many = values.shape[1] > 1
        value_names = value_names or tuple(f"value{i}" if many else "value" for i in range(values.shape[1]))
        if not observed.any():
            _refuse_unobserved(values, value_names, name)
        low, high = values[observed].min(axis=0), values[observed].max(axis=0)
        if (low == high).all() or (coords == coords[0]).all():
            what = "values" if (low == high).all() else "coordinates"
            raise UsageError(f"'{name}' has the same {what} in every row, so there is nothing to learn.")
        self.layout = PointsLayout(
            coord_names or tuple(_AXES[i] if i < len(_AXES) else f"x{i}" for i in range(coords.shape[1])),
            value_names,
            tuple(coords.min(axis=0).tolist()),
            tuple(coords.max(axis=0).tolist()),
            tuple(low.tolist()),
            tuple(high.tolist()),
        )
        self.name = name
        self._notes = notes if exact_values else (*notes, _INEXACT)
        self.coords = self.layout.to_coords(coords)
        self._notes += _merged(coords, self.coords, self.layout.coord_names)
        extent = np.where(high > low, high - low, 1)
        self.values = torch.from_numpy(((values - low) / extent).astype(np.float32))
        self.observed: Tensor | None = None if observed.all() else torch.from_numpy(observed)
        digest = hashlib.sha256(f"{coords.shape} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(coords).data)
        digest.update(np.ascontiguousarray(values).data)
        self._digest = digest.hexdigest()[:16]

    def pool(self, device: torch.device | str) -> Pool:
        """Every point, in the order of the rows; there is no grid."""
        return Pool(coords=self.coords.to(device), values=self.values.to(device))

    def remarks(self) -> tuple[str, ...]:
        """How the columns were read, and what PSNR means."""
        return (*self._notes, "PSNR is relative to the range of each value.", *estimate_note(len(self.values)))

    def scaling(self) -> dict[str, Any]:
        """Values that are 0 and 1 to the network, one a column; PSNR is relative to their difference."""
        return {"low": list(self.layout.value_low), "high": list(self.layout.value_high)}

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB) over the observed rows, each value scaled to [0, 1] by its own range."""
        return measure(predict, self.coords, self.values)[0]

    def fingerprint(self) -> str:
        """Short hash of coordinates and values."""
        return self._digest


def _refuse_unobserved(values: np.ndarray, names: tuple[str, ...], name: str) -> NoReturn:
    """Refuses values each row of which has a NaN.

    Raises:
        UsageError: names a column that is empty, where there is one.
    """
    empty = np.isnan(values).all(axis=0)
    if empty.any() and values.shape[1] > 1:
        raise UsageError(f"'{name}' has no number in its column {names[int(empty.argmax())]}, so nothing was observed; leave it out.")
    raise UsageError(f"'{name}' has a NaN in every row of values, so nothing was observed.")


def _check_size(sizes: np.ndarray, name: str) -> None:
    """Refuses numbers whose range would not be a 64-bit float.

    Raises:
        UsageError: where one is beyond 1e300.
    """
    finite = sizes[np.isfinite(sizes)]
    if finite.size and finite.max() > _LARGEST:
        raise UsageError(f"'{name}' has numbers beyond {_LARGEST:g}, which cannot be scaled.")


def _merged(own: np.ndarray, coords: Tensor, names: tuple[str, ...]) -> tuple[str, ...]:
    """Sentences on the axes on which the network cannot tell all places apart, because it takes 32-bit floats."""
    notes = []
    for axis, axis_name in enumerate(names):
        places, kept = len(np.unique(own[:, axis])), len(np.unique(coords[:, axis].numpy()))
        if kept < places:
            notes.append(f"Of {places:,} different places on {axis_name}, 32-bit floats tell {kept:,} apart; fit a shorter range.")
    return tuple(notes)


def load_points(path: str | Path, *, in_dims: int | None = None, max_points: int | None = None) -> PointsSignal:
    """Loads a point set: CSV (coordinates first, then values), or NPZ with the arrays coords `[n, d]` and values `[n, c]`.

    Args:
        path: The file.
        in_dims: How many leading columns of a CSV are coordinates; not needed where its header names them x, y, z, t, time, lat or lon.
        max_points: Most numbers that an array of a compressed NPZ may claim to hold; 2^26 where None.

    Raises:
        UsageError: for a file that cannot be read, columns of one name or without one, and points that cannot be fitted.
    """
    from nint.signals.points.csv_files import EXACT, read_csv
    from nint.signals.points.npz_files import read_npz

    path = Path(path)
    if max_points is not None:
        whole(max_points, "max_points")
    if path.suffix.lower() == ".npz":
        coords, values = read_npz(path, "coords", "values", max_points=max_points)
        if in_dims is not None and in_dims != coords.shape[1]:
            raise UsageError(f"in_dims={in_dims} does not fit '{path}', whose coords have {coords.shape[1]} columns.")
        return PointsSignal(coords, values, name=path.name)
    if path.suffix.lower() != ".csv":
        raise UsageError(f"'{path}' is not a point set that can be read; .csv and .npz are.")
    table = read_csv(path)
    table.check_columns(path)
    columns = table.rows.shape[1]
    dims = table.leading_coordinates() if in_dims is None else whole(in_dims, "in_dims")
    if columns == 1:
        raise UsageError(f"'{path}' has one column; a point set needs coordinates and at least one value.")
    if dims == 0:
        raise UsageError(f"'{path}' does not say which columns are coordinates; say how many of its {columns} columns are, with in_dims.")
    if in_dims is None and dims == columns:
        listed, last = ", ".join(table.names), table.names[-1]
        raise UsageError(
            f"'{path}' has only columns that are named like coordinates ({listed}), so there is no value to learn; if {last} is the value, "
            f"say that {columns - 1} are coordinates, with in_dims={columns - 1} (--in-dims {columns - 1})."
        )
    if dims >= columns:
        raise UsageError(f"'{path}' has {columns} columns; with {dims} of them coordinates there is no value to learn.")
    if not table.exact and np.nanmax(np.abs(table.rows[:, :dims])) >= EXACT:
        raise UsageError(f"'{path}' {INEXACT_COORDS}")
    names = table.names or None
    note = f"The coordinates are {', '.join(names[:dims])}, by their names; in_dims says otherwise." if names and in_dims is None else ""
    return PointsSignal(
        table.rows[:, :dims],
        table.rows[:, dims:],
        coord_names=names and names[:dims],
        value_names=names and names[dims:],
        name=path.name,
        notes=(*filter(None, [note]), *([] if table.exact else [_INEXACT])),
    )
