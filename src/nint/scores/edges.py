"""Edges of the target image: a grey 8-bit copy, Canny, Otsu's threshold and Sobel magnitudes. The network is not asked.

Everything runs once on the CPU with numpy and OpenCV; the samplers move the result to the pool's device.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from nint.errors import UsageError
from nint.signals.base import Pool

_LUMA = np.array([0.2989, 0.5870, 0.1140])
_ROWS = 2**20


def grey_8bit(pool: Pool) -> np.ndarray:
    """The target as a grey image, `[rows, columns]` uint8: the pool's `value_range` is mapped to 0..255 and rounded.

    One channel is taken as it is, two are grey and alpha, three are RGB, four are RGB and alpha; of any other number the mean
    is taken. Alpha is left out.

    Args:
        pool: Points that fill a 2-D grid in order; its values are read by slices.

    Raises:
        UsageError: for a pool without a 2-D grid.

    Source: luma weights .2989, .587, .114, as in the baselines.
    """
    if pool.grid is None or len(pool.grid) != 2:
        raise UsageError("Edges need an image, that is, points which fill a 2-D grid; this pool has none.")
    low, high = pool.value_range
    scale = 255 / (high - low) if high > low else 1.0
    grey = np.empty(len(pool), dtype=np.uint8)
    for start in range(0, len(pool), _ROWS):
        part = _to_numpy(pool.values[start : start + _ROWS])
        grey[start : start + _ROWS] = np.rint(np.clip((_grey(part) - low) * scale, 0, 255)).astype(np.uint8)
    return grey.reshape(pool.grid)


def _to_numpy(values: Any) -> np.ndarray:
    return values.detach().cpu().numpy().astype(np.float64) if isinstance(values, Tensor) else np.asarray(values, dtype=np.float64)


def _grey(values: np.ndarray) -> np.ndarray:
    channels = values.shape[1]
    if channels <= 2:
        return values[:, 0]
    if channels <= 4:
        return values[:, :3] @ _LUMA
    return values.mean(1)


def canny(grey: np.ndarray, low: float, high: float) -> np.ndarray:
    """Canny's edge pixels, `[rows, columns]` bool.

    Args:
        grey: `[rows, columns]` uint8.
        low: Weaker threshold of the hysteresis on the 8-bit scale; OpenCV swaps the two where `low` is the larger.
        high: Stronger threshold.

    Source: OpenCV, 3x3 Sobel, L1 gradient norm, as in the baselines.
    """
    import cv2

    return cv2.Canny(grey, low, high) > 0


def otsu(grey: np.ndarray) -> float:
    """Otsu's threshold of a grey image, 0..255: pixels above it are the bright class."""
    import cv2

    threshold, _ = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return float(threshold)


def dilate_2x2(edges: np.ndarray) -> np.ndarray:
    """Edge pixels grown once by a 2x2 rectangle, `[rows, columns]` bool."""
    import cv2

    return cv2.dilate(edges.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0


def sobel_magnitude(grey: np.ndarray) -> np.ndarray:
    """Length of the 3x3 Sobel gradient, `[rows, columns]` float64; the border pixels are repeated outwards, so that it is no edge."""
    import cv2

    across = cv2.Sobel(grey, cv2.CV_64F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE)
    down = cv2.Sobel(grey, cv2.CV_64F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE)
    return np.hypot(across, down)
