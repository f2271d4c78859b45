"""Which networks have passes of their own instead of autograd's, and what such passes offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from torch import Tensor

from nint.fields.grid_passes import grid_passes
from nint.fields.passes import sine_passes


class Passes(Protocol):
    """Passes of one network at its current parameters. Gradients are summed in an order that no number of workers changes."""

    @property
    def out_features(self) -> int:
        """Values of a prediction."""

    def chunks(self, n: int, chunk_size: int) -> list[slice]:
        """How n points are divided."""

    def forward(self, coords: Any, chunks: list[slice], out: Tensor) -> None:
        """Predictions of all rows into `out` `[n, d_out]`."""

    def gradient(
        self, coords: Any, chunks: list[slice], cotangent: Callable[[Tensor, slice], Tensor], want_slope: bool = False
    ) -> tuple[dict[str, Tensor], list[Tensor | None]]:
        """J^T u by parameter name, and the derivative by the coordinates of each chunk where it is wanted."""

    def tangent(self, coords: Any, chunks: list[slice], tangent: Mapping[str, Tensor], out: Tensor) -> None:
        """J v of all rows into `out` `[n, d_out]`."""


def written_out(field: Any) -> Passes | None:
    """The written-out passes of a network; None for one that goes through autograd."""
    return sine_passes(field) or grid_passes(field)
