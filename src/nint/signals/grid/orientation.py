"""How a video says that its frames are turned or mirrored: the display matrix of MP4."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

_MATRIX_BYTES = 36
_TOLERANCE = 0.02


@dataclass(frozen=True)
class Turn:
    """Turning and mirroring by right angles.

    Attributes:
        transposed: Rows become columns first.
        flip_rows: Then the last row becomes the first one.
        flip_columns: Likewise.
        notes: What of the file's wish is not done.
    """

    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    notes: tuple[str, ...] = ()

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Stored frame `[h, w]` or `[h, w, c]` -> as it is shown."""
        pixels = pixels.swapaxes(0, 1) if self.transposed else pixels
        pixels = pixels[::-1] if self.flip_rows else pixels
        return pixels[:, ::-1] if self.flip_columns else pixels

    def aspect(self, stored: Fraction) -> Fraction:
        """Width over height of a pixel as it is shown, from that of a stored one."""
        return 1 / stored if self.transposed else stored


def transform_of(frame: Any) -> Turn:
    """What the display matrix of a frame of PyAV asks for; nothing where it has none.

    A matrix that turns by other than right angles is followed to the nearest one, and said.
    """
    raw = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), b"")
    return Turn() if len(raw) < _MATRIX_BYTES else turn_of_matrix(struct.unpack("=9i", raw[:_MATRIX_BYTES]))


def turn_of_matrix(matrix: tuple[int, ...]) -> Turn:
    """A display matrix -> turning and mirroring.

    Args:
        matrix: a, b, u, c, d, v, x, y, w in fixed point: a stored point (x, y) is shown at (a x + c y, b x + d y).

    Source: ISO/IEC 14496-12, 6.2.2.
    """
    a, b, c, d = (matrix[index] / 2**16 for index in (0, 1, 3, 4))
    size = math.sqrt(abs(a * d - b * c))
    if size == 0:
        return Turn(notes=("Its display matrix is damaged, so frames are taken as they are stored.",))
    a, b, c, d = a / size, b / size, c / size, d / size
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    right, off = ((b, c), (a, d)) if transposed else ((a, d), (b, c))
    exact = all(abs(abs(value) - 1) < _TOLERANCE for value in right) and all(abs(value) < _TOLERANCE for value in off)
    notes = () if exact else ("Its display matrix turns frames by no right angle; the nearest one is taken.",)
    return Turn(transposed, flip_rows=(b if transposed else d) < 0, flip_columns=(c if transposed else a) < 0, notes=notes)
