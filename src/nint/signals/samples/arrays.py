"""`sample:ripples`: an array made by code, so that trying arrays needs no file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nint.signals.grid.array import ArraySignal

_ROWS, _COLUMNS = 96, 128
_SOURCES = ((0.3, 0.25, 9.0), (0.7, 0.8, 14.0))  # row and column in heights, waves a height


def ripples(*, in_dims: int | None = None) -> ArraySignal:
    """Rings about two centres that fade outwards and add up, `[96, 128]` float32, made by code.

    Args:
        in_dims: As in `load_array`.
    """
    row, column = (np.arange(_ROWS)[:, None] + 0.5) / _ROWS, (np.arange(_COLUMNS) + 0.5) / _ROWS
    height = np.zeros((_ROWS, _COLUMNS))
    for y, x, waves in _SOURCES:
        distance = np.hypot(row - y, column - x)
        height += np.exp(-2 * distance) * np.cos(2 * np.pi * waves * distance)
    return ArraySignal(height.astype(np.float32), in_dims=in_dims, name="sample:ripples")


SAMPLES: dict[str, tuple[str, Callable[..., ArraySignal]]] = {
    "ripples": ("96x128 array of floats, synthetic: rings about two centres", ripples),
}
"""Name -> (description, function that makes the signal from the options of `load_array`)."""
