"""Point sets: values at scattered coordinates. Each column is scaled by its own range, coordinates to [-1, 1] and values to [0, 1]."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError, nearest
from nint.signals.base import KindDefaults, Layout, Pool, Predict, Signal
from nint.signals.grid_rows import block_points
from nint.signals.gridded import DEFAULTS
from nint.signals.measure import estimate_note, measure
from nint.signals.pixels import whole

_DEFAULT_GRID_POINTS = 2**14
_AXES = "xyzt"


@dataclass(frozen=True)
class PointsLayout(Layout):
    """Names and ranges of the columns of a point set.

    Attributes:
        coord_names: One an axis.
        value_names: One a value.
        coord_low: Lowest coordinate of each axis, -1 to the network.
        coord_high: Highest, 1 to the network; an axis without extent is 0.
        value_low: Lowest of each value, 0 to the network.
        value_high: Highest, 1 to the network.
    """

    coord_names: tuple[str, ...]
    value_names: tuple[str, ...]
    coord_low: tuple[float, ...]
    coord_high: tuple[float, ...]
    value_low: tuple[float, ...]
    value_high: tuple[float, ...]

    kind: ClassVar[str] = "points"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".npz")

    def __post_init__(self) -> None:
        for what in ("coord", "value"):
            names, low, high = (getattr(self, f"{what}_{part}") for part in ("names", "low", "high"))
            lists = all(isinstance(part, (list, tuple)) for part in (names, low, high))
            if not lists or not names or not len(names) == len(low) == len(high) or not all(isinstance(name, str) for name in names):
                raise UsageError(f"points layout: {what}_names, {what}_low and {what}_high must be lists of one entry a column.")
            for a, b in zip(low, high, strict=True):
                numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) and math.isfinite(end) for end in (a, b))
                if not numbers or a > b:
                    raise UsageError(f"points layout: a {what} cannot reach from {a} to {b}.")
            for part, entries in (("names", names), ("low", map(float, low)), ("high", map(float, high))):
                object.__setattr__(self, f"{what}_{part}", tuple(entries))

    @property
    def in_features(self) -> int:  # type: ignore[override]
        return len(self.coord_names)

    @property
    def out_features(self) -> int:  # type: ignore[override]
        return len(self.value_names)

    def describe(self) -> str:
        many = "s" * (self.out_features > 1)
        return f"points in ({', '.join(self.coord_names)}) with the value{many} {', '.join(self.value_names)}"

    def to_coords(self, own: np.ndarray) -> Tensor:
        """Coordinates in their own units `[n, d]` -> float32 in [-1, 1] inside the bounding box."""
        low, extent = np.array(self.coord_low), np.subtract(self.coord_high, self.coord_low)
        scaled = (own - low) / np.where(extent > 0, extent, 1) * 2 - (extent > 0)
        return torch.from_numpy(scaled.astype(np.float32))

    def decode(self, predict: Predict, *, at: Any = None, resolution: int | tuple[int, ...] | None = None) -> np.ndarray:
        """Predicts the values at other points.

        Args:
            predict: Rows of coordinates -> values in [0, 1].
            at: A CSV or NPZ file of coordinates in their own units (further columns are ignored), or an array `[n, d]`.
            resolution: Points an axis of a regular grid in the bounding box of the fitted points, one number or one an axis; where neither
                is given, about 16,000 points in all.

        Returns:
            `[n, d + c]` float64: coordinates and values in their own units, values within their fitted ranges.

        Raises:
            UsageError: for both, coordinates that cannot be read or are not finite, or a prediction of NaN.
        """
        if at is not None and resolution is not None:
            raise UsageError("Give either points (at) or the resolution of a grid, not both.")
        own = self._grid(resolution) if at is None else self._given(at)
        coords = self.to_coords(own)
        low, extent = np.array(self.value_low), np.subtract(self.value_high, self.value_low)
        rows = np.empty((len(own), self.in_features + self.out_features))
        rows[:, : self.in_features] = own
        step = block_points(self.out_features)
        for start in range(0, len(own), step):
            unit = predict(coords[start : start + step]).detach().to("cpu", torch.float64).numpy()
            rows[start : start + step, self.in_features :] = low + np.clip(unit, 0, 1) * extent
        if np.isnan(rows).any():
            raise UsageError("The model predicts NaN, so there is nothing to decode.")
        return rows

    def write(self, decoded: np.ndarray, path: Path) -> None:
        """Writes .csv with a header, or .npz with the arrays coords and values.

        Raises:
            UsageError: where the ending is unknown.
        """
        from nint.signals.point_files import write_csv, write_npz

        ending = path.suffix.lower()
        if ending == ".csv":
            write_csv(decoded, (*self.coord_names, *self.value_names), path)
        elif ending == ".npz":
            write_npz(decoded[:, : self.in_features], decoded[:, self.in_features :], path)
        else:
            raise UsageError(f"'{path}' has no ending that points can be written with.{nearest(ending, self.suffixes)}")

    def _grid(self, resolution: int | tuple[int, ...] | None) -> np.ndarray:
        if resolution is None:
            resolution = max(2, round(_DEFAULT_GRID_POINTS ** (1 / self.in_features)))
        counts = tuple(resolution) if isinstance(resolution, (list, tuple)) else (resolution,) * self.in_features
        if len(counts) != self.in_features:
            raise UsageError(f"resolution={resolution} has {len(counts)} axes; the points have {self.in_features}.")
        counts = tuple(whole(count, "resolution") for count in counts)
        try:
            axes = [
                np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])
                for low, high, count in zip(self.coord_low, self.coord_high, counts, strict=True)
            ]
            return np.stack([axis.reshape(-1) for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
        except (MemoryError, ValueError) as error:
            raise UsageError(f"A grid of {'x'.join(map(str, counts))} points does not fit in memory; choose a lower resolution.") from error

    def _given(self, at: Any) -> np.ndarray:
        if isinstance(at, (str, Path)):
            name, columns = f"'{at}'", _coordinates_in(Path(at))
        else:
            name, columns = "at", np.asarray(at, dtype=np.float64)
        if columns.ndim != 2 or columns.shape[1] < self.in_features or not len(columns):
            raise UsageError(f"{name} has the shape {columns.shape}; it must be rows of {self.in_features} coordinates.")
        own = columns[:, : self.in_features]
        _check_finite(own, name)
        return own


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
        UsageError: for shapes that do not fit, coordinates that are not finite, infinite values, or nothing that varies.
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
        coords, values = np.asarray(coords, dtype=np.float64), np.asarray(values, dtype=np.float64)
        values = values[:, None] if values.ndim == 1 else values
        if coords.ndim != 2 or values.ndim != 2 or len(coords) != len(values) or 0 in (*coords.shape, *values.shape):
            raise UsageError(f"'{name}': coords {coords.shape} and values {values.shape} must be [n, d] and [n, c] with the same n.")
        _check_finite(coords, f"'{name}'")
        if np.isinf(values).any():
            row = int(np.isinf(values).any(axis=1).argmax())
            raise UsageError(f"'{name}' has an infinite value in row {row + 1}; values must be finite, and NaN marks unobserved ones.")
        observed = ~np.isnan(values).any(axis=1)
        if not observed.any():
            raise UsageError(f"'{name}' has a NaN in every row of values, so nothing was observed.")
        low, high = values[observed].min(axis=0), values[observed].max(axis=0)
        if (low == high).all() or (coords == coords[0]).all():
            what = "values" if (low == high).all() else "coordinates"
            raise UsageError(f"'{name}' has the same {what} in every row, so there is nothing to learn.")
        many = values.shape[1] > 1
        self.layout = PointsLayout(
            coord_names or tuple(_AXES[i] if i < len(_AXES) else f"x{i}" for i in range(coords.shape[1])),
            value_names or tuple(f"value{i}" if many else "value" for i in range(values.shape[1])),
            tuple(coords.min(axis=0).tolist()),
            tuple(coords.max(axis=0).tolist()),
            tuple(low.tolist()),
            tuple(high.tolist()),
        )
        self.name = name
        self._notes = notes
        self.coords = self.layout.to_coords(coords)
        extent = np.where(high > low, high - low, 1)
        self.values = torch.from_numpy(((values - low) / extent).astype(np.float32))
        self._observed = torch.from_numpy(observed)
        digest = hashlib.sha256(f"{coords.shape} {values.shape} ".encode())
        digest.update(np.ascontiguousarray(coords).data)
        digest.update(np.ascontiguousarray(values).data)
        self._digest = digest.hexdigest()[:16]

    def pool(self, device: torch.device | str) -> Pool:
        """Every point, in the order of the rows; there is no grid."""
        return Pool(coords=self.coords.to(device), values=self.values.to(device))

    @cached_property
    def observed(self) -> Tensor | None:
        """`[n]` bool: which rows have all their values; None where all have."""
        return None if bool(self._observed.all()) else self._observed

    def report(self) -> tuple[str, ...]:
        return (*self._notes, "PSNR is relative to the range of each value.", *estimate_note(len(self.values)))

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB) over the observed rows, each value scaled to [0, 1] by its own range."""
        return measure(predict, self.coords, self.values)[0]

    def fingerprint(self) -> str:
        return self._digest


def load_points(path: str | Path, *, in_dims: int | None = None) -> PointsSignal:
    """Loads a point set: CSV (coordinates first, then values), or NPZ with the arrays coords `[n, d]` and values `[n, c]`.

    Args:
        path: The file.
        in_dims: How many leading columns of a CSV are coordinates; not needed where its header names them x, y, z, t, time, lat or lon.

    Raises:
        UsageError: for a file that cannot be read or points that cannot be fitted.
    """
    from nint.signals.point_files import read_csv, read_npz

    path = Path(path)
    if path.suffix.lower() == ".npz":
        coords, values = read_npz(path, "coords", "values")
        if in_dims is not None and in_dims != coords.shape[1]:
            raise UsageError(f"in_dims={in_dims} does not fit '{path}', whose coords have {coords.shape[1]} columns.")
        return PointsSignal(coords, values, name=path.name)
    if path.suffix.lower() != ".csv":
        raise UsageError(f"'{path}' is not a point set that can be read; .csv and .npz are.")
    table = read_csv(path)
    columns = table.rows.shape[1]
    dims = table.leading_coordinates() if in_dims is None else in_dims
    if dims == 0:
        raise UsageError(f"'{path}' does not say which columns are coordinates; say how many of its {columns} columns are, with in_dims.")
    if in_dims is not None:
        whole(in_dims, "in_dims")
    if dims >= columns:
        raise UsageError(f"'{path}' has {columns} columns; with {dims} of them coordinates there is no value to learn.")
    names = table.names or None
    note = f"The coordinates are {', '.join(names[:dims])}, by their names; in_dims says otherwise." if names and in_dims is None else ""
    return PointsSignal(
        table.rows[:, :dims],
        table.rows[:, dims:],
        coord_names=names and names[:dims],
        value_names=names and names[dims:],
        name=path.name,
        notes=(note,) if note else (),
    )


def _coordinates_in(path: Path) -> np.ndarray:
    from nint.signals.point_files import read_csv, read_npz

    if not path.is_file():
        raise UsageError(f"There is no file '{path}'.")
    if path.suffix.lower() == ".npz":
        return read_npz(path, "coords")[0]
    return read_csv(path).rows


def _check_finite(coords: np.ndarray, name: str) -> None:
    good = np.isfinite(coords).all(axis=1)
    if not good.all():
        row = int(good.argmin())
        raise UsageError(f"{name} has a coordinate that is not finite in row {row + 1}: {coords[row].tolist()}.")
