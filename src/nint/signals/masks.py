"""Masked arrays of NumPy: what is masked was not observed."""

from __future__ import annotations

from typing import Any

import numpy as np

from nint.errors import UsageError


def unmasked(array: Any, name: str) -> Any:
    """A masked array as a plain one with NaN where it is masked; anything else as it is.

    Args:
        array: The array.
        name: Where it came from, for messages.

    Raises:
        UsageError: for masked entries of a type that has no NaN.
    """
    if not isinstance(array, np.ma.MaskedArray):
        return array
    if array.dtype.kind == "f":
        return array.filled(np.nan)
    if np.ma.is_masked(array):
        raise UsageError(f"'{name}' masks entries of {array.dtype}, which knows no NaN; convert it to floats.")
    return array.data
