"""Arrays of pixels: what they must be, how large, which way up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nint.errors import UsageError
from nint.settings import whole

DTYPES = {8: np.uint8, 16: np.uint16, 32: np.float32}
"""Bits of a channel -> type of a pixel."""

PIXEL_LIMIT = 2**28
"""Most pixels that a file may claim to hold; more is taken for a decompression bomb."""

PACKED_AT_MOST = 5000
"""Bytes of content that a byte of a file may hold. Deflate reaches 1,032, LZW 2,800; WebP more, but only where next to nothing is shown."""

_NOT_WORTH_A_CHECK = 2**24

FLOAT_EXCESS = 1e-6
"""How far floats may lie beyond [0, 1] to count as rounded; they are clipped to it."""

ORIENTATION_TAG = 274
"""EXIF and TIFF tag that says how the stored pixels are turned."""


def checked_pixels(array: np.ndarray, name: str) -> np.ndarray:
    """Pixels that can be fitted; floats beyond [0, 1] by no more than rounding are clipped to it.

    Args:
        array: `[h, w]` or `[h, w, c]` with 1 to 4 channels; uint8, uint16, bool, or float in [0, 1].
        name: What the messages call it.

    Returns:
        A contiguous copy in uint8, uint16 or float32; a single channel is squeezed.

    Raises:
        UsageError: for another shape or type, a single pixel, one colour everywhere, or floats that are not finite or outside [0, 1].
    """
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.size == 0:
        raise UsageError(f"'{name}' is empty: its shape is {array.shape}.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] > 4):
        first = array.ndim == 3 and array.shape[0] <= 4
        hint = "channels seem to come first, and must come last" if first else "an image is [h, w] or [h, w, c] with 1 to 4 channels"
        raise UsageError(f"'{name}' has the shape {array.shape}; {hint}.")
    if array.shape[0] * array.shape[1] == 1:
        raise UsageError(f"'{name}' is a single pixel; an image needs at least two.")
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    elif kind == "u" and size <= 2:
        array = np.array(array, dtype=DTYPES[8 * size], order="C")
    elif kind == "f":
        if not np.isfinite(array).all():
            raise UsageError(f"'{name}' holds NaN or infinity.")
        low, high = float(array.min()), float(array.max())
        if low < -FLOAT_EXCESS or high > 1 + FLOAT_EXCESS:
            raise UsageError(f"'{name}' holds values from {low:.9g} to {high:.9g}; scale floats to [0, 1].")
        array = np.clip(np.array(array, dtype=np.float32, order="C"), 0, 1)
    else:
        raise UsageError(f"'{name}' holds {array.dtype}; pixels must be uint8, uint16, bool, or floats in [0, 1].")
    array = np.ascontiguousarray(array)
    if (array == array[0, 0]).all():
        raise UsageError(f"'{name}' has the same value in every pixel, so there is nothing to learn.")
    return array


def downsample(array: np.ndarray, max_side: int) -> np.ndarray:
    """Averages areas of pixels so that the longest side is `max_side`; a smaller image is returned as it is.

    Channels are averaged on their own: colour under transparent pixels counts like any other.
    """
    max_side = whole(max_side, "max_side")
    height, width = array.shape[:2]
    longest = max(height, width)
    if longest <= max_side:
        return array

    import cv2

    size = max(1, round(width * max_side / longest)), max(1, round(height * max_side / longest))
    return cv2.resize(array, size, interpolation=cv2.INTER_AREA)


def check_pixel_count(path: Path, width: int, height: int, limit: int = PIXEL_LIMIT) -> None:
    """Refuses a file by the size in its header, before its pixels are unpacked.

    Args:
        path: Named in the message.
        width: As the header says.
        height: Likewise.
        limit: Most pixels.

    Raises:
        UsageError: names the size and the limit.
    """
    if width * height > limit:
        raise UsageError(
            f"'{path}' claims {width * height} pixels ({width}x{height}), more than the limit of {limit}; --max-points raises it."
        )


def check_packing(path: Path, claimed: int, stored: int) -> None:
    """Refuses a file whose header claims more content than its bytes can hold, before anything is allocated.

    Args:
        path: Named in the message.
        claimed: Bytes of the content once unpacked.
        stored: Bytes of the file.

    Raises:
        UsageError: for more than `PACKED_AT_MOST` times the file, beyond what costs nothing to try.
    """
    if claimed > _NOT_WORTH_A_CHECK + PACKED_AT_MOST * stored:
        raise UsageError(
            f"'{path}' is damaged or cut short: its header claims {claimed / 2**20:,.0f} MiB of content, more than the {stored:,} bytes "
            "of the file can hold."
        )


def upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turns stored pixels upright.

    Args:
        array: `[h, w]` or `[h, w, c]`.
        orientation: 1 to 8: on which side of the upright image the stored first row and first column lie; 1 for upright.

    Source: EXIF 2.3, tag 274.
    """
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
