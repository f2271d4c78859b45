"""PSNR of a prediction function on a whole signal, or an estimate of it where the signal is large; SSIM of volumes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nint.ntk.products import row_chunks
from nint.signals.base import MEASURE_UP_TO, Predict, RowReader
from nint.signals.grid_rows import block_points

ESTIMATE_POINTS = 2**20
"""Points on which the quality of larger signals is estimated."""


def estimate_note(n: int) -> tuple[str, ...]:
    """What to say before the run of a signal of n points."""
    return (f"PSNR is estimated on {min(n, ESTIMATE_POINTS)} random points.",) if n > MEASURE_UP_TO else ()


def measure(predict: Predict, coords: RowReader, values: RowReader, keep: bool = False) -> tuple[dict[str, float], Tensor | None]:
    """PSNR of a prediction function, block by block, over the points without NaN.

    Args:
        predict: Rows of coordinates -> values.
        coords: `[n, d_in]`, read by rows.
        values: `[n, d_out]` in [0, 1], read by rows.
        keep: Whether to return the prediction, where all points are measured.

    Returns:
        {"psnr": dB} ({} where no measured point was observed), and the prediction `[n, d_out]` or None.

    Cost:
        One forward a point; beyond 2^22 points, on 2^20 of them.
    """
    n = len(values)
    rows = None if n <= MEASURE_UP_TO else spread_rows(n, ESTIMATE_POINTS)
    total, count, kept = 0.0, 0, []
    for part in row_chunks(n if rows is None else len(rows), block_points(values.shape[1])):
        chosen = part if rows is None else rows[part]
        prediction = predict(coords[chosen]).detach().cpu()
        error = prediction.double().clamp(0, 1) - values[chosen].double()
        error = error[~torch.isnan(values[chosen]).any(dim=1)]
        total += float(error.square().sum())
        count += error.numel()
        if keep and rows is None:
            kept.append(prediction)
    if count == 0:
        return {}, None
    decibels = math.inf if total == 0 else 10 * math.log10(count / total) if math.isfinite(total) else math.nan
    return {"psnr": decibels}, torch.cat(kept) if kept else None


def spread_rows(n: int, count: int) -> Tensor:
    """The same random rows of range(n) at every call, in ascending order: one of each of `count` equal intervals.

    Args:
        n: Rows to choose from.
        count: How many to choose.

    Returns:
        `[count]` int64.
    """
    edges = np.arange(count + 1) * n // count
    lengths = np.diff(edges)
    return torch.from_numpy(edges[:-1] + (np.random.default_rng(0).random(count) * lengths).astype(np.int64))


def ssim_3d(prediction: np.ndarray, target: np.ndarray) -> float:
    """Structural similarity of volumes: uniform 7x7x7 window, sample covariance, data range 1, mean over channels, in float64.

    Args:
        prediction: `[z, y, x, c]`, clamped to [0, 1]; every side of at least 7.
        target: The same shape, in [0, 1].

    Source: Wang et al. 2004, as computed by `skimage.metrics.structural_similarity`.
    """
    from skimage.metrics import structural_similarity

    similarity: Callable[..., Any] = structural_similarity
    clamped = np.clip(prediction.astype(np.float64), 0, 1)
    channels = [similarity(clamped[..., c], target[..., c].astype(np.float64), data_range=1.0) for c in range(target.shape[3])]
    return float(np.mean(channels))
