"""Edges of the target image: an 8-bit luma copy, Canny, Otsu's threshold and Sobel magnitudes. The network is not involved.

Everything runs once on the CPU with numpy and OpenCV; the samplers move the result to the pool's device.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nint.errors import UsageError
from nint.scores.luma import luma
from nint.signals.base import Pool

_ROWS = 2**20
"""Points converted at a time, so that no double-precision copy of a large image is made."""


def luma_8bit(pool: Pool) -> NDArray[np.uint8]:
    """The target as a luma image, `[rows, columns]` uint8: the pool's `value_range` is mapped to 0..255 and rounded.

    Args:
        pool: Points that fill a 2-D grid in order; its values are read by slices.

    Raises:
        UsageError: for a pool without a 2-D grid.

    Source: channels as in `nint.scores.luma`.
    """
    if pool.grid is None or len(pool.grid) != 2:
        raise UsageError("Edges need an image, that is, points which fill a 2-D grid; this pool has none.")
    low, high = pool.value_range
    scale = 255 / (high - low) if high > low else 1.0
    levels = np.empty(len(pool), dtype=np.uint8)
    for start in range(0, len(pool), _ROWS):
        part = pool.values[start : start + _ROWS].detach().cpu().double()
        levels[start : start + _ROWS] = luma(((part - low) * scale).clamp(0, 255)).round().byte().numpy()
    return levels.reshape(pool.grid)


def canny(image: NDArray[np.uint8], low: float, high: float) -> NDArray[np.bool_]:
    """Canny's edge pixels, `[rows, columns]` bool.

    Args:
        image: `[rows, columns]` uint8.
        low: Weaker threshold of the hysteresis on the 8-bit scale; OpenCV swaps the two where `low` is the larger.
        high: Stronger threshold.

    Source: OpenCV, 3x3 Sobel, L1 gradient norm, as in the baselines.
    """
    import cv2

    return cv2.Canny(image, low, high) > 0


def otsu(image: NDArray[np.uint8]) -> float:
    """Otsu's threshold of a luma image, 0..255: pixels above it are the bright class."""
    import cv2

    threshold, _ = cv2.threshold(image, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(threshold)


def dilate_2x2(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Edge pixels grown once by a 2x2 rectangle, `[rows, columns]` bool."""
    import cv2

    return cv2.dilate(edges.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0


def sobel_magnitude(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Length of the 3x3 Sobel gradient, `[rows, columns]` float64; the border pixels are replicated outwards."""
    import cv2

    across = cv2.Sobel(image, cv2.CV_64F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)
    down = cv2.Sobel(image, cv2.CV_64F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down)
