"""What a zarr array says of its numbers: which of them stand for no value, and what a model does not keep of the rest."""

from __future__ import annotations

import base64
import binascii
import contextlib
import math
import struct
from typing import Any

import numpy as np

from nint.signals.grid_rows import rows_of
from nint.signals.image.picture import not_kept

_MISSING = ("_FillValue", "missing_value")  # of the CF conventions
_NAMES_OF_AXES = "_ARRAY_DIMENSIONS"  # xarray, in zarr format 2
_LONGEST = 60
_TOLD = ("scale_factor", "add_offset", "units")


class WithNan:
    """A chunked array of which one number stands for no value, as floats that hold each of the others exactly, and NaN in its place.

    Args:
        array: A zarr array.
        missing: The number.
    """

    def __init__(self, array: Any, missing: Any) -> None:
        self._array, self._missing = array, missing
        self.shape, self.chunks = array.shape, array.chunks
        stored = np.dtype(array.dtype)
        self.dtype = np.dtype(np.float32 if stored.itemsize <= 2 or stored.newbyteorder("=") == np.float32 else np.float64)

    def __getitem__(self, part: Any) -> np.ndarray:
        stored = np.asarray(self._array[part])
        return np.where(stored == self._missing, np.nan, stored).astype(self.dtype)


def with_missing(array: Any, name: str) -> tuple[Any, tuple[str, ...]]:
    """The array, with NaN where it says that there is no value, and sentences on what else it says.

    Args:
        array: A zarr array.
        name: What the sentences call it.

    Raises:
        UsageError: for a chunk that cannot be read.
    """
    said: dict[str, Any] = dict(array.attrs)
    missing = _missing(array, said)
    held = missing is not None and any((block == missing).any() for block in rows_of(array, len(array.shape), name).blocks())
    notes = [_absent_chunks(array, name, None if held is False else missing), not_kept(_meaning(array, said), name)]
    if not held:
        return array, tuple(filter(None, notes))
    found = WithNan(array, missing)
    changed = f", and the numbers are fitted as {found.dtype.name}" if found.dtype != array.dtype else ""
    said_missing = f"The file says that {missing:g} stands for no value; such points are unobserved{changed}."
    return found, tuple(filter(None, [said_missing, *notes]))


def _missing(array: Any, said: dict[str, Any]) -> Any:
    """The number that stands for no value, in the type of the array; None where there is none, and for NaN, which does so anyway."""
    dtype = np.dtype(array.dtype)
    told = [said[key] for key in _MISSING if key in said]
    if _NAMES_OF_AXES in said and not told:  # xarray keeps it as zarr's own fill value in format 2
        told = [array.fill_value]
    for value in told:
        number = _number(value)
        if number is None or dtype.kind not in "iuf" or math.isnan(number):
            continue
        with contextlib.suppress(OverflowError, ValueError, TypeError), np.errstate(over="ignore"):
            stored = dtype.type(number)
            if dtype.kind == "f" or stored == number:
                return stored
    return None


def _number(value: Any) -> Any:
    """What an attribute holds as a number: itself, or what xarray packs into base64 in zarr format 3; None where it is neither."""
    if isinstance(value, (list, tuple)) and len(value) == 1:
        (value,) = value
    if isinstance(value, str):
        try:
            (value,) = struct.unpack("<d", base64.b64decode(value, validate=True))
        except (binascii.Error, struct.error, ValueError):
            return None
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _absent_chunks(array: Any, name: str, missing: Any) -> str:
    """The sentence on chunks that are not stored, whose points have the number that the array fills them with."""
    fill, absent = array.fill_value, 0
    with contextlib.suppress(Exception):  # a store that cannot list what it has
        absent = int(array.nchunks) - int(array.nchunks_initialized)
    if absent <= 0 or fill is None or fill != fill or (missing is not None and fill == missing):
        return ""
    return f"{absent:,} of the {int(array.nchunks):,} chunks of '{name}' are not stored; their points are fitted as {fill:g}."


def _meaning(array: Any, said: dict[str, Any]) -> list[str]:
    """What an array says besides its numbers."""
    found = [f"{key} {_short(said[key])}" for key in _TOLD if key in said]
    axes = getattr(array.metadata, "dimension_names", None) or said.get(_NAMES_OF_AXES) or ()
    named = [str(axis) for axis in axes if axis is not None] if isinstance(axes, (list, tuple)) else []
    if named:
        found.append(f"names of the axes ({_short(', '.join(named))})")
    if set(said) - {*_TOLD, *_MISSING, _NAMES_OF_AXES}:
        found.append("further attributes")
    return found


def _short(value: Any) -> str:
    """A value as one line of at most 60 characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
