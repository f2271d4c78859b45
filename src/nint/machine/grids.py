"""Multilinear interpolation of vertex features and its transpose, outside autograd: native code where it was built, else PyTorch.

The native code is `_grids.c`; `NINT_NATIVE=off` switches it off (`nint.machine.sines`).
"""

from __future__ import annotations

import functools
import importlib
import itertools
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor

from nint.machine.sines import fits, native

FACTORS = (1, 2654435761, 805459861, 3674653429)
"""Of the hash of a vertex, one an axis (Mueller et al. 2022, Eq. 4; the fourth is ours)."""

MAX_AXES = 4
_LEVEL = struct.Struct("=Q7iI")


@functools.cache
def _compiled() -> ModuleType | None:
    if native() is None:  # not built, or switched off
        return None
    try:
        return importlib.import_module("nint.machine._grids")
    except ImportError:
        return None


@dataclass(frozen=True)
class Lattice:
    """Vertices on [-1, 1]^d and where their features stand in a table `[entries, features]`.

    Attributes:
        vertices: Along each axis, at least 2; the first and the last lie at -1 and 1.
        entries: Of the table where vertices share entries by a hash, a power of two; 0 gives every vertex its own, row by row.
        cubic: Uniform cubic B-splines of the four nearest vertices along each axis, smooth to the second derivative, instead of linear
            interpolation between two; at the border the last vertex is repeated. In PyTorch only.
    """

    vertices: tuple[int, ...]
    entries: int = 0
    cubic: bool = False

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.entries or math.prod(self.vertices)

    @property
    def corner_count(self) -> int:
        """Vertices that a point is interpolated from."""
        count: int = (4 if self.cubic else 2) ** len(self.vertices)
        return count

    def corners(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Entries and weights of the vertices around each point, both `[..., k]`, k = 2^d or, cubic, 4^d.

        The weights are differentiable in x `[..., d]`. Points outside are clamped to the border.
        """
        last = torch.tensor(self.vertices, device=x.device) - 1
        position = (x.clamp(-1, 1) + 1) * (last.to(x.dtype) / 2)
        cell = torch.minimum(position.detach().floor().clamp(min=0).long(), last - 1)
        inside = position - cell
        entry, weight = torch.zeros((), dtype=torch.long, device=x.device), torch.ones((), dtype=x.dtype, device=x.device)
        offsets = torch.arange(-1, 3, device=x.device) if self.cubic else torch.arange(2, device=x.device)
        for axis, count in enumerate(self.vertices):
            near = (cell[..., axis, None] + offsets).clamp(0, count - 1)
            along = _spline(inside[..., axis]) if self.cubic else torch.stack([1 - inside[..., axis], inside[..., axis]], -1)
            one = (near * FACTORS[axis])[..., None, :] if self.entries else near[..., None, :]
            combined = entry[..., None] ^ one if self.entries else entry[..., None] * count + one
            entry = combined.flatten(-2) if axis else combined.reshape(near.shape)
            weight = (weight[..., None] * along[..., None, :]).flatten(-2) if axis else along
        return (entry & (self.entries - 1) if self.entries else entry), weight


def _spline(t: Tensor) -> Tensor:
    """Weights of the vertices before, at, after and second after a point that lies t in [0, 1] behind one, `[..., 4]`; their sum is 1."""
    square, cube = t * t, t * t * t
    return torch.stack([(1 - t) ** 3, 3 * cube - 6 * square + 4, -3 * cube + 3 * square + 3 * t + 1, cube], -1) / 6


class Levels:
    """Several lattices with their tables, whose features stand side by side.

    Args:
        lattices: Of each level.
        tables: `[rows, features]` each; read, or added to, where they are.
    """

    def __init__(self, lattices: Sequence[Lattice], tables: Sequence[Tensor]) -> None:
        self._lattices, self._tables = lattices, tables
        self.columns = list(itertools.accumulate((table.shape[1] for table in tables), initial=0))
        self._packed = b""
        if _compiled() is not None and fits(*tables) and not any(lattice.cubic for lattice in lattices):
            self._packed = b"".join(map(_level, lattices, tables, self.columns))

    def __len__(self) -> int:
        """Number of levels."""
        return len(self._lattices)

    @property
    def width(self) -> int:
        """Features of all levels together."""
        return self.columns[-1]

    def gather_(self, x: Tensor, out: Tensor) -> None:
        """Fills `out` `[n, width]` with the interpolated features at x `[n, d]`."""
        compiled = _compiled()
        if compiled is not None and self._packed and fits(x, out):
            compiled.gather(x.data_ptr(), out.data_ptr(), *out.shape, self._packed, 0, len(self))
            return
        for lattice, table, columns in zip(self._lattices, self._tables, self._slices(), strict=True):
            entry, weight = lattice.corners(x)
            out[:, columns] = (weight[..., None] * table[entry]).sum(-2)

    def scatter_(self, level: int, x: Tensor, values: Tensor) -> None:
        """Adds the transpose of `gather_` to a level's table: its columns of `values` `[n, width]`, in shares, to each cell's corners."""
        compiled = _compiled()
        if compiled is not None and self._packed and fits(x, values):
            compiled.scatter(x.data_ptr(), values.data_ptr(), *values.shape, self._packed, level, level + 1)
            return
        entry, weight = self._lattices[level].corners(x)
        own = values[:, self._slices()[level]]
        self._tables[level].index_add_(0, entry.reshape(-1), (weight[..., None] * own[..., None, :]).reshape(-1, own.shape[1]))

    def _slices(self) -> list[slice]:
        return [slice(first, last) for first, last in itertools.pairwise(self.columns)]


def _level(lattice: Lattice, table: Tensor, column: int) -> bytes:
    """As the native code reads it."""
    vertices = (*lattice.vertices, *(2,) * (MAX_AXES - len(lattice.vertices)))
    mask = lattice.entries - 1 if lattice.entries else 0
    return _LEVEL.pack(table.data_ptr(), table.shape[1], column, len(lattice.vertices), *vertices, mask)
