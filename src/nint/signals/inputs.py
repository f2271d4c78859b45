"""Points that are several tensors each: rays of origins and directions, coordinates and the number of a view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.ntk.inputs import tensors_of


class Inputs:
    """Rows of several tensors with the same number of rows; a row is a tuple or a dict, as it was given.

    Args:
        parts: A tuple or list of tensors `[n, ...]`, or a dict of them.

    Raises:
        UsageError: where a part is no tensor, or numbers of rows or devices differ.
    """

    def __init__(self, parts: Mapping[str, Any] | tuple[Any, ...] | list[Any]) -> None:
        self._names = tuple(parts) if isinstance(parts, Mapping) else None
        self._parts: tuple[Tensor, ...] = tuple(parts.values() if isinstance(parts, Mapping) else parts)
        if not self._parts or not all(isinstance(part, Tensor) and part.ndim > 0 for part in self._parts):
            raise UsageError("coords of several inputs must be a tuple or a dict of torch tensors [n, ...], one row a point.")
        rows = [len(part) for part in self._parts]
        if min(rows) != max(rows) or rows[0] == 0:
            raise UsageError(f"The inputs of coords have {', '.join(map(str, rows))} rows; each must have one row a point.")
        if len({part.device for part in self._parts}) > 1:
            raise UsageError("The inputs of coords lie on different devices; put all of them on the network's device.")

    def __len__(self) -> int:
        return len(self._parts[0])

    @property
    def shape(self) -> tuple[int, int]:
        """(n, columns of all inputs together)."""
        return (len(self), sum(part[:1].numel() for part in self._parts))

    @property
    def device(self) -> torch.device:
        """Where they lie."""
        return self._parts[0].device

    @property
    def names(self) -> tuple[str, ...] | int:
        """Of a dict its keys, of a tuple its length: what one row looks like."""
        return len(self._parts) if self._names is None else self._names

    def __getitem__(self, rows: slice | Tensor) -> Any:
        """Those rows of each tensor, as a tuple or a dict."""
        return self._like(part[rows] for part in self._parts)

    def each(self, change: Callable[[Tensor], Tensor]) -> Inputs:
        """The same inputs with each tensor changed; the object itself where none was."""
        changed = [change(part) for part in self._parts]
        same = all(new is old for new, old in zip(changed, self._parts, strict=True))
        return self if same else Inputs(self._like(changed))

    def _like(self, parts: Any) -> Any:
        return tuple(parts) if self._names is None else dict(zip(self._names, parts, strict=True))


def several(coords: Any) -> Any:
    """`Inputs` for a tuple, list or dict; anything else as it is."""
    return Inputs(coords) if isinstance(coords, (tuple, list, Mapping)) else coords


class Columns:
    """Points of several inputs as rows of plain numbers `[n, d]`: all columns side by side.

    Args:
        base: What is read by rows; its rows may be a tensor, a tuple or a dict of tensors.
    """

    def __init__(self, base: Any) -> None:
        self._base = base

    def __len__(self) -> int:
        return len(self._base)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, columns)."""
        return (len(self), int(self._base.shape[1]))

    @property
    def device(self) -> torch.device:
        """Where the rows are put."""
        device: torch.device = self._base.device
        return device

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        flat = [part.reshape(len(part), -1) for part in tensors_of(self._base[rows])]
        dtype = next((part.dtype for part in flat if part.is_floating_point()), torch.get_default_dtype())
        return torch.cat([part.to(dtype) for part in flat], 1)
