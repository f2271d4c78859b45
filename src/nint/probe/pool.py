"""Checking a pool before anything is trained on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.signals.base import Pool
from nint.signals.inputs import Columns, Inputs

_CHUNK = 2**20
_READ_WHOLE = 2**26
"""Points of a lazy pool up to which all are looked at; beyond, 64 blocks of 2^16, spread evenly."""

_BLOCKS, _BLOCK = 64, 2**16


def checked_pool(pool: Pool, field: nn.Module, check_finite: bool = True) -> Pool:
    """The pool, with its coordinates in double precision if the network's parameters are.

    Args:
        pool: Any.
        field: The network that will be trained on it.
        check_finite: Look for NaN and infinity.

    Raises:
        UsageError: for what is no tensor and not read by rows, shapes that do not fit, NaN or infinite numbers, or a network whose
            parameters were made inside `torch.inference_mode`.

    Cost: with `check_finite` a pass over coordinates and values, a million rows at a time; of lazy ones with more than 2^26 rows, over
    4 million of them.
    """
    coords, values = pool.coords, pool.values
    if isinstance(coords, Inputs):
        return _checked_inputs(pool, coords, field, check_finite)
    if any(isinstance(rows, np.ndarray) or not hasattr(rows, "shape") for rows in (coords, values)):
        raise UsageError("coords and values must be torch tensors on the network's device, for example torch.from_numpy(array).float().")
    if len(coords.shape) != 2 or len(values.shape) != 2 or coords.shape[0] != values.shape[0] or coords.shape[0] == 0:
        raise UsageError(f"coords {tuple(coords.shape)} and values {tuple(values.shape)} must be [n, d_in] and [n, d_out] with the same n.")
    if pool.grid is not None and int(torch.Size(pool.grid).numel()) != coords.shape[0]:
        raise UsageError(f"A grid of {pool.grid} has {int(torch.Size(pool.grid).numel())} points but there are {coords.shape[0]}.")
    if any(p.is_inference() for p in field.parameters()):
        raise UsageError("The network was made inside torch.inference_mode(), so it cannot be trained; make it outside.")
    for rows, name in ((coords, "coords"), (values, "values")) if check_finite else ():
        _require_finite(rows, name)
    wide = _in_double(field) and coords[:1].dtype == torch.float32
    ready = _Double(coords) if wide else _trainable(coords)
    targets = _trainable(values)
    return pool if ready is coords and targets is values else dataclasses.replace(pool, coords=ready, values=targets)


def _checked_inputs(pool: Pool, coords: Inputs, field: nn.Module, check_finite: bool) -> Pool:
    """As `checked_pool`, for points of several inputs, of which each is looked at."""
    wide = _in_double(field)
    ready = coords.each(lambda part: part.double() if wide and part.dtype == torch.float32 else _trainable(part))
    numbers = checked_pool(dataclasses.replace(pool, coords=Columns(coords)), field, check_finite)
    return dataclasses.replace(pool, coords=ready, values=numbers.values)


def _in_double(field: nn.Module) -> bool:
    return any(p.dtype == torch.float64 for p in field.parameters())


def _require_finite(rows: Any, name: str) -> None:
    for part in _parts(rows):
        finite = torch.isfinite(rows[part])
        if not bool(finite.all()):
            row = part.start + int(torch.nonzero(~finite)[0, 0])
            raise UsageError(f"{name} hold NaN or infinity, first in row {row:,}; leave such points out.")


def _parts(rows: Any) -> Iterator[slice]:
    n = len(rows)
    if isinstance(rows, Tensor) or n <= _READ_WHOLE:
        return (slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK))
    return (slice(start, start + _BLOCK) for start in (block * (n - _BLOCK) // (_BLOCKS - 1) for block in range(_BLOCKS)))


def _trainable(rows: Any) -> Any:
    """A tensor made inside `torch.inference_mode` is copied, because no gradient could pass through it."""
    return rows.clone() if isinstance(rows, Tensor) and rows.is_inference() else rows


class _Double:
    """Rows in double precision.

    Args:
        base: `[n, d]` in single precision, read by rows.
    """

    def __init__(self, base: Any) -> None:
        self._base = base

    def __len__(self) -> int:
        return len(self._base)

    @property
    def shape(self) -> tuple[int, int]:
        return (len(self._base), self._base.shape[1])

    @property
    def device(self) -> torch.device:
        device: torch.device = self._base.device
        return device

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        doubled: Tensor = self._base[rows].double()
        return doubled
