"""What a model must know to turn predictions back into rows of a point set."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError, nearest
from nint.settings import whole
from nint.signals.base import Layout, Predict, same_range
from nint.signals.grid_rows import block_points

_DEFAULT_GRID_POINTS = 2**14
_MOST_GRID_POINTS = 2**24
_LARGEST = 1e300  # of a coordinate or value: the extent of a column must be a 64-bit float

INEXACT_COORDS = "has whole numbers beyond 2^53 that 64-bit floats do not hold; subtract an offset first."
"""End of the sentence that refuses coordinates, behind the name of what has them."""


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
                numbers = all(isinstance(end, (int, float)) and not isinstance(end, bool) and abs(end) <= _LARGEST for end in (a, b))
                if not numbers or a > b:
                    raise UsageError(f"points layout: a {what} cannot reach from {a} to {b}.")
            for part, entries in (("names", names), ("low", map(float, low)), ("high", map(float, high))):
                object.__setattr__(self, f"{what}_{part}", tuple(entries))

    @property
    def unlike(self) -> tuple[int, ...]:
        """All but the first axis: columns of a table may measure anything."""
        return tuple(range(1, self.in_features))

    @property
    def in_features(self) -> int:
        """One an axis."""
        return len(self.coord_names)

    @property
    def out_features(self) -> int:
        """One a value."""
        return len(self.value_names)

    def describe(self) -> str:
        """The names of the columns."""
        many = "s" * (self.out_features > 1)
        return f"points in ({', '.join(self.coord_names)}) with the value{many} {', '.join(self.value_names)}"

    def check_comparable(self, other: Layout) -> None:
        """Refuses points whose columns have other ranges, because both are scaled by their own.

        Raises:
            UsageError: says what would be right.
        """
        super().check_comparable(other)
        for what in ("coord", "value"):
            for i, name in enumerate(getattr(self, f"{what}_names")):
                own, others = ((getattr(layout, f"{what}_low")[i], getattr(layout, f"{what}_high")[i]) for layout in (self, other))
                if not same_range(own, others):
                    raise UsageError(
                        f"The column {name} of the model reaches from {own[0]:.9g} to {own[1]:.9g}, but that of the input from "
                        f"{others[0]:.9g} to {others[1]:.9g}, so their scales differ; measure it against the points that it was fitted to."
                    )

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
            resolution: Points an axis of a regular grid in the bounding box of the fitted points, one number or one an axis, at most 2^24
                points in all; where neither is given, about 16,000 points in all.

        Returns:
            `[n, d + c]` float64: coordinates and values in their own units, values within their fitted ranges.

        Raises:
            UsageError: for both, coordinates that cannot be read or are not finite, too large a grid, or a prediction of NaN.
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
        from nint.signals.points.csv_files import write_csv
        from nint.signals.points.npz_files import write_npz

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
        points = math.prod(counts)
        if points > _MOST_GRID_POINTS:
            many = f"{points:,}" if points < 10**15 else f"{points:.3g}" if points < 10**300 else "more than 1e300"
            raise UsageError(
                f"resolution: the grid would have {many} points, more than the limit of {_MOST_GRID_POINTS:,}; choose a lower one."
            )
        axes = [
            np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])
            for low, high, count in zip(self.coord_low, self.coord_high, counts, strict=True)
        ]
        return np.stack([axis.reshape(-1) for axis in np.meshgrid(*axes, indexing="ij")], axis=1)

    def check_output(self, ending: str, options: Mapping[str, Any]) -> str:
        """Says where the columns of a file of points are taken by their place, since none has the name of a coordinate."""
        from nint.signals.points.csv_files import names_in

        at = options.get("at")
        names = names_in(Path(at)) if isinstance(at, (str, Path)) and Path(at).suffix.lower() != ".npz" else ()
        if not names or set(names) & set(self.coord_names):
            return ""
        taken, own = (", ".join(row[: self.in_features]) for row in (names, self.coord_names))
        return f"The columns {taken} of '{at}' are taken for the coordinates {own}, whose names it does not have."

    def _given(self, at: Any) -> np.ndarray:
        if isinstance(at, (str, Path)):
            name, columns = f"'{at}'", self._coordinates_in(Path(at))
        else:
            name, columns = "at", np.asarray(at)
        if columns.ndim != 2 or columns.shape[1] < self.in_features or not len(columns):
            raise UsageError(f"{name} has the shape {columns.shape}; it must be rows of {self.in_features} coordinates.")
        own, exact = as_floats(columns[:, : self.in_features])
        if not exact:
            raise UsageError(f"{name} {INEXACT_COORDS}")
        check_finite(own, name)
        return own

    def _coordinates_in(self, path: Path) -> np.ndarray:
        """The columns of a file that have the names of the coordinates, or else its leading ones, `[n, d]`.

        Raises:
            UsageError: for a file that cannot be read, that names some of the coordinates only or one of them twice, or with numbers
                that 64-bit floats do not hold.
        """
        from nint.signals.points.csv_files import read_csv, refuse_doubled
        from nint.signals.points.npz_files import read_npz

        if path.suffix.lower() == ".npz":
            return read_npz(path, "coords")[0]
        table = read_csv(path)
        if not table.exact:
            raise UsageError(f"'{path}' {INEXACT_COORDS}")
        refuse_doubled(path, [name for name in table.names if name in self.coord_names])
        named = [table.names.index(name) for name in self.coord_names if name in table.names]
        if 0 < len(named) < self.in_features:
            missing = ", ".join(name for name in self.coord_names if name not in table.names)
            raise UsageError(f"'{path}' has the columns {', '.join(table.names)} but no {missing}; name every coordinate, or none of them.")
        if named and len(set(named)) < len(named):
            raise UsageError(f"'{path}' names coordinates two of which have one name in the model; leave its first line out.")
        return table.rows[:, named] if named else table.rows


def as_floats(numbers: Any) -> tuple[np.ndarray, bool]:
    """Numbers as 64-bit floats, NaN where they are masked, and whether these hold each: whole ones beyond 2^53 may be rounded."""
    if isinstance(numbers, np.ma.MaskedArray):
        floats, exact = as_floats(np.ma.filled(numbers, 0))
        return np.where(np.ma.getmaskarray(numbers), np.nan, floats), exact
    array = np.asarray(numbers)
    floats = np.asarray(array, dtype=np.float64)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return floats, True
    beyond = 2.0 ** (63 if array.dtype.kind == "i" else 64)  # what the largest ones are rounded to, and no integer of the type
    return floats, bool((floats < beyond).all()) and bool((floats.astype(array.dtype) == array).all())


def check_finite(coords: np.ndarray, name: str) -> None:
    """Refuses coordinates `[n, d]` that are not finite.

    Raises:
        UsageError: names the first such row.
    """
    good = np.isfinite(coords).all(axis=1)
    if not good.all():
        row = int(good.argmin())
        raise UsageError(f"{name} has a coordinate that is not finite in row {row + 1}: {coords[row].tolist()}.")
