"""What a network gives at many coordinates, without a graph, in chunks that suit the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nint.machine.fork import refuse_after_fork
from nint.ntk.products import chunk_size_for, forward_rows


def predict_rows(field: nn.Module, coords: Any, device: torch.device) -> Tensor:
    """Predictions `[n, d_out]`, in chunks of the device's size; rows that lie elsewhere are moved."""
    refuse_after_fork()
    return forward_rows(field, _OnDevice(coords, device, precision_of(field)), chunk_size_for(device))


def precision_of(field: nn.Module) -> torch.dtype:
    """What coordinates must be: double where the parameters are, else single precision."""
    return torch.float64 if any(p.dtype == torch.float64 for p in field.parameters()) else torch.float32


class _OnDevice:
    def __init__(self, coords: Any, device: torch.device, dtype: torch.dtype) -> None:
        self._coords, self._device, self._dtype = coords, device, dtype

    def __len__(self) -> int:
        return len(self._coords)

    def __getitem__(self, rows: slice) -> Tensor:
        moved: Tensor = self._coords[rows].to(self._device, self._dtype)
        return moved
