"""What is read by rows: coordinates of a regular grid, and a subset of the rows of something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class RowReader(Protocol):
    """Something that is read by rows: a tensor `[n, d]`, or what computes or loads its rows when they are asked for."""

    @property
    def shape(self) -> Sequence[int]:
        """(n, d)."""

    @property
    def device(self) -> torch.device:
        """Where the rows are put."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | Tensor, /) -> Tensor: ...


class RowNumbers(Protocol):
    """Row numbers `[m]` int64: a tensor, or what finds them when they are asked for."""

    @property
    def device(self) -> torch.device:
        """Where the numbers are put."""

    def __len__(self) -> int: ...

    def __getitem__(self, which: slice | Tensor, /) -> Tensor: ...


class GridCoords:
    """Coordinates of a regular grid, computed when rows are asked for: an inclusive linspace on each axis.

    Args:
        shape: Points per axis, first axis slowest (image: rows, columns).
        low: Coordinate of the first point on each axis.
        high: Coordinate of the last point on each axis (an axis of one point sits in the middle).
        device: Where the rows are built.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        low: float | tuple[float, ...] = -1.0,
        high: float | tuple[float, ...] = 1.0,
        device: torch.device | str = "cpu",
    ) -> None:
        dims = len(shape)
        lows = (low,) * dims if isinstance(low, (int, float)) else low
        highs = (high,) * dims if isinstance(high, (int, float)) else high
        self.grid = tuple(int(points) for points in shape)
        self.device = torch.device(device)
        self._axes = [
            torch.linspace(a, b, points, dtype=torch.float32, device=self.device)
            if points > 1
            else torch.tensor([(a + b) / 2], dtype=torch.float32, device=self.device)
            for a, b, points in zip(lows, highs, self.grid, strict=True)
        ]

    def __len__(self) -> int:
        return int(torch.Size(self.grid).numel())

    @property
    def shape(self) -> tuple[int, int]:
        """(points, axes)."""
        return (len(self), len(self.grid))

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        """Rows of the coordinate list: a slice or a tensor of indices -> `[m, d_in]` float32."""
        if isinstance(rows, slice):
            rows = torch.arange(*rows.indices(len(self)), device=self.device)
        columns = []
        for axis, points in zip(reversed(self._axes), reversed(self.grid), strict=True):
            columns.append(axis[rows % points])
            rows = rows.div(points, rounding_mode="floor")
        return torch.stack(columns[::-1], dim=1)


class RescaledRows:
    """Rows of which one column is stretched from its lowest value on.

    Args:
        base: `[n, d]`.
        column: Which.
        lowest: What stays.
        factor: Of the distance from there.
        highest: Values beyond are put here; None leaves them.
    """

    def __init__(self, base: RowReader, column: int, lowest: float, factor: float, highest: float | None = None) -> None:
        self._base, self._column, self._lowest, self._factor, self._highest = base, column, lowest, factor, highest

    def __len__(self) -> int:
        return len(self._base)

    @property
    def shape(self) -> Sequence[int]:
        """(n, d)."""
        return self._base.shape

    @property
    def device(self) -> torch.device:
        """Where rows are built."""
        return self._base.device

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        found = self._base[rows].clone()
        moved = self._lowest + (found[:, self._column].double() - self._lowest) * self._factor
        found[:, self._column] = (moved if self._highest is None else moved.clamp(max=self._highest)).to(found.dtype)
        return found


class RowSubset:
    """Some rows of something that is read by rows; nothing is read before it is asked for.

    Args:
        base: `[n, d]`.
        indices: `[m]` row numbers.
    """

    def __init__(self, base: RowReader, indices: RowNumbers) -> None:
        self._base = base
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def shape(self) -> tuple[int, int]:
        """(m, d)."""
        return (len(self._indices), self._base.shape[1])

    @property
    def device(self) -> torch.device:
        """Where the row numbers lie."""
        return self._indices.device

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        return self._base[self._indices[rows]]
