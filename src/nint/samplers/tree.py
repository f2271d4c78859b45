"""Nested values <-> JSON plus tensors: how sampler and optimizer states travel in a checkpoint without pickle."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from typing import Any

from torch import Tensor

from nint.errors import UsageError
from nint.settings import current_names


def flatten(value: Any, prefix: str, tensors: dict[str, Tensor]) -> Any:
    """Turns a value into JSON; its tensors go into `tensors` under names that start with `prefix`.

    Args:
        value: Tensors, plain values, lists, tuples, dicts with string or integer keys, and dataclasses of these.
        prefix: Name of this value.
        tensors: Filled with contiguous CPU copies.

    Raises:
        UsageError: for a value of another type.
    """
    if isinstance(value, Tensor):
        while prefix in tensors:  # the keys 1 and "1", or "a.0" beside the first item of "a"
            prefix += "'"
        tensors[prefix] = value.detach().cpu().contiguous().clone()
        return {"@tensor": prefix}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: flatten(getattr(value, f.name), f"{prefix}.{f.name}", tensors) for f in dataclasses.fields(value)}
        return {"@fields": fields}
    if isinstance(value, dict):
        return {"@items": [[key, flatten(item, f"{prefix}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [flatten(item, f"{prefix}.{number}", tensors) for number, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no word for these
        return {"@float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise UsageError(f"A state holds a {type(value).__name__} ('{prefix}'), which a checkpoint cannot keep; use tensors and plain values.")


def unflatten(value: Any, tensors: dict[str, Tensor], hint: Any = None, like: Any = None) -> Any:
    """Undoes `flatten`.

    Args:
        value: The JSON.
        tensors: By name.
        hint: The type that is expected; dataclasses are only ever built from it, never from the file.
        like: A value of the same structure, whose type serves where the hint does not say enough.

    Raises:
        UsageError: for the fields of another dataclass.
    """
    if isinstance(value, dict) and "@tensor" in value:
        return tensors[value["@tensor"]]
    if isinstance(value, dict) and "@float" in value:
        return float(value["@float"])
    if isinstance(value, dict) and "@items" in value:
        return {key: unflatten(item, tensors) for key, item in value["@items"]}
    if isinstance(value, dict) and "@fields" in value:
        cls = _dataclass_of(hint) or (type(like) if dataclasses.is_dataclass(like) else None)
        renamed = {} if cls is None else current_names(cls)
        fields = {renamed.get(name, name): item for name, item in value["@fields"].items()}
        if cls is None or not _fits(cls, set(fields)):
            raise UsageError("The checkpoint holds a state that does not fit this version's sampler; it cannot be resumed.")
        hints = typing.get_type_hints(cls)
        return cls(**{name: unflatten(item, tensors, hints[name], getattr(like, name, None)) for name, item in fields.items()})
    if isinstance(value, list):
        items = [unflatten(item, tensors, _item_hint(hint)) for item in value]
        return tuple(items) if typing.get_origin(hint) is tuple else items
    return value


def _fits(cls: type, names: set[str]) -> bool:
    """Whether a dataclass can be built from values of these names; fields that came later have defaults that mean what was before."""
    fields = {f.name: f for f in dataclasses.fields(cls)}
    none = dataclasses.MISSING
    return names <= set(fields) and all(
        name in names or field.default is not none or field.default_factory is not none for name, field in fields.items()
    )


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _dataclass_of(hint: Any) -> type | None:
    return next((option for option in _options(hint) if isinstance(option, type) and dataclasses.is_dataclass(option)), None)


def _item_hint(hint: Any) -> Any:
    args = typing.get_args(hint)
    return args[0] if args and typing.get_origin(hint) in (list, tuple) else None
