"""Image quality: PSNR and SSIM of a prediction against a target in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nint.errors import UsageError

SSIM_SIDE = {"uniform": 7, "gaussian": 11}
"""Window of SSIM -> its side in pixels, the least side of an image."""

_CHUNK = 2**20
_STRIP_ROWS = 64


def psnr(prediction: Any, target: Any) -> float:
    """Peak signal-to-noise ratio in dB: 10 log10(1 / mean squared error), summed in float64.

    Args:
        prediction: `[h, w]` or `[h, w, c]` floats, array or tensor; clamped to [0, 1].
        target: The same shape, in [0, 1].

    Returns:
        dB; infinity where both are equal, NaN where the prediction holds NaN.

    Raises:
        UsageError: where the shapes differ or the values are not floats.

    >>> import numpy as np
    >>> target = np.zeros((4, 4))
    >>> round(psnr(target + 0.1, target), 4)
    20.0
    >>> psnr(target - 0.5, target)
    inf
    """
    prediction, target = checked_pair(prediction, target)
    left, right = prediction.reshape(-1), target.reshape(-1)
    total = 0.0
    for start in range(0, left.size, _CHUNK):  # in chunks, so that a large image is not copied to float64 as a whole
        part = slice(start, start + _CHUNK)
        error = np.clip(left[part].astype(np.float64), 0, 1) - right[part]
        total += float(np.square(error, out=error).sum())  # not a product: NumPy's BLAS threads go on spinning beside the training
    if total == 0:
        return math.inf
    return 10 * math.log10(left.size / total) if math.isfinite(total) else math.nan


def ssim(prediction: Any, target: Any, window: str = "uniform") -> float:
    """Structural similarity, the mean over pixels and channels, with data range 1, in float64.

    The window is part of the definition, and the two give different numbers: tables name theirs.

    Args:
        prediction: `[h, w]` or `[h, w, c]` floats, array or tensor; clamped to [0, 1].
        target: The same shape, in [0, 1].
        window: "uniform": 7x7, sample covariance (scikit-image's default, what the paper's reference reports). "gaussian": sigma 1.5
            in 11x11, population covariance (Wang et al. 2004). Windows that leave the image are not counted.

    Raises:
        UsageError: where a side is shorter than the window, the shapes differ, or the values are not floats.

    Source: Wang et al., Image quality assessment: from error visibility to structural similarity, 2004, as computed by
        `skimage.metrics.structural_similarity`.

    >>> import numpy as np
    >>> ramp = np.linspace(0, 1, 64).reshape(8, 8)
    >>> round(ssim(ramp, ramp), 6)
    1.0
    >>> round(ssim(1 - ramp, ramp), 4)
    -0.9549
    >>> round(ssim(0.9 * ramp, ramp), 4)
    0.989
    """
    if window not in SSIM_SIDE:
        raise UsageError(f"ssim: window={window} is not known; it must be uniform or gaussian.")
    prediction, target = checked_pair(prediction, target)
    if prediction.ndim not in (2, 3):
        raise UsageError(f"ssim needs images [h, w] or [h, w, c], not the shape {prediction.shape}.")
    height, width = prediction.shape[:2]
    if min(height, width) < SSIM_SIDE[window]:
        raise UsageError(f"ssim needs at least {SSIM_SIDE[window]} pixels a side, but the image has {width}x{height}.")

    from skimage.metrics import structural_similarity

    similarity: Callable[..., float] = structural_similarity  # without types of its own
    kind: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False} if window == "gaussian" else {}
    # The mean over windows is summed over channels and strips of rows, so that only a strip is held in float64 at a time.
    left, right = prediction.reshape(height, width, -1), target.reshape(height, width, -1)
    inside = SSIM_SIDE[window] - 1
    windows = height - inside
    step = max(_STRIP_ROWS, _CHUNK // width)
    total = 0.0
    for channel in range(left.shape[2]):
        for start in range(0, windows, step):
            count = min(step, windows - start)
            rows = slice(start, start + count + inside)
            strip = np.clip(left[rows, :, channel].astype(np.float64), 0, 1), right[rows, :, channel].astype(np.float64)
            total += count * float(similarity(*strip, data_range=1.0, **kind))
    return total / float(windows * left.shape[2])


def checked_pair(prediction: Any, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Prediction and target as float arrays.

    Raises:
        UsageError: where the shapes differ, they are empty, or the values are not floats.
    """
    left, right = _floats(prediction, "prediction"), _floats(target, "target")
    if left.shape != right.shape:
        raise UsageError(f"The prediction has the shape {left.shape}, the target {right.shape}; they must be the same.")
    if left.size == 0:
        raise UsageError("There is nothing to compare: prediction and target are empty.")
    return left, right


def _floats(values: Any, label: str) -> np.ndarray:
    if hasattr(values, "detach"):  # a tensor; bfloat16 is unknown to numpy, so short floats are widened first
        values = values.detach().cpu()
        values = (values.float() if values.is_floating_point() and values.element_size() < 4 else values).numpy()
    found = np.asarray(values)
    if found.dtype.kind != "f":
        raise UsageError(f"The {label} holds {found.dtype}; it must be floats in [0, 1].")
    return found
