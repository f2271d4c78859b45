"""From the bytes of a packed model to named tensors and the header that a `.safetensors` model has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec, build_field
from nint.files import read_bytes, reason_of
from nint.packing.container import split
from nint.packing.header import full
from nint.packing.state import Shapes, count_of, decode_levels, from_raw
from nint.signals.open import layout_from_json

_NUMBERS_PER_BYTE = 4096
"""Most weights that a byte of a file may stand for, so that a small file cannot ask for all memory."""


def load_packed(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors ("field/NAME", float32) and header of a packed model, as `nint.files.load_tensors` gives those of others.

    Raises:
        UsageError: for a file that is missing, damaged, of a newer version or no packed model, and missing packages.
    """
    return unpack(read_bytes(path, "a .nint file"), str(path))


def unpack(data: bytes, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """As `load_packed`, of bytes.

    Args:
        data: The bytes of a file.
        name: Of the file, for messages.

    Raises:
        UsageError: as `load_packed`.
    """
    found, stream = split(data, name)
    try:
        layout = layout_from_json(found["l"])
        header = full(found, layout.in_features, layout.out_features, layout.value_range)
        shapes = _shapes(found, layout.in_features, layout.out_features, len(data), name)
        levels = decode_levels(shapes, found["t"], stream)
        tensors = {key: level.tensor() for key, level in levels.items()} | from_raw(found.get("x", []))
    except UsageError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError, OverflowError, AssertionError) as error:
        raise UsageError(f"{name} is not a complete packed model: {reason_of(error)}.") from error
    return {f"field/{key}": tensor for key, tensor in tensors.items()}, header


def _shapes(found: dict[str, Any], in_features: int, out_features: int, size: int, name: str) -> Shapes:
    """Name -> shape of the coded tensors, in their order: as listed, or those of the network that the spec builds."""
    if found["f"] is None:
        listed = {str(key): tuple(map(int, shape)) for key, shape in found["n"]}
        _check_count(count_of(listed), size, name)
        return listed
    spec: FieldSpec = FIELDS.parse(found["f"])
    _check_count(spec.parameter_count(in_features, out_features) or 0, size, name)
    built = build_field(spec, in_features, out_features, torch.Generator().manual_seed(0)).state_dict()
    return {key: tuple(tensor.shape) for key, tensor in built.items() if tensor.is_floating_point()}


def _check_count(count: int, size: int, name: str) -> None:
    if count > _NUMBERS_PER_BYTE * size:
        raise UsageError(f"{name} is not a complete packed model: its header tells of {count:,} weights, and it has {size:,} bytes.")
