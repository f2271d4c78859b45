"""What a network takes: one tensor of points, or a tuple or dict of tensors with one row a point each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor


def tensors_of(inputs: Any) -> list[Tensor]:
    """All tensors, in order."""
    if isinstance(inputs, Tensor):
        return [inputs]
    return list(inputs.values() if isinstance(inputs, Mapping) else inputs)


def each_tensor(inputs: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same inputs with each tensor changed."""
    if isinstance(inputs, Tensor):
        return change(inputs)
    if isinstance(inputs, Mapping):
        return {name: change(part) for name, part in inputs.items()}
    return tuple(change(part) for part in inputs)


def points_in(inputs: Any) -> int:
    """How many points these are."""
    return len(tensors_of(inputs)[0])


def described(inputs: Any) -> str:
    """Shapes, for a message: "(4, 2)" or "(4, 3) and (4, 3)"."""
    return " and ".join(str(tuple(part.shape)) for part in tensors_of(inputs))


class Whole:
    """A handful of points as rows that are only ever read whole.

    Args:
        inputs: What a network takes.
    """

    def __init__(self, inputs: Any) -> None:
        self._inputs = inputs

    def __len__(self) -> int:
        return points_in(self._inputs)

    def __getitem__(self, rows: slice) -> Any:
        return self._inputs
