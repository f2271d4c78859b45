"""Error of fine detail: the difference of the Laplacians of prediction and image, on the 8-bit luma scale."""

from __future__ import annotations

import torch
from torch import Tensor

from nint.scores.luma import luma

_WHITE = 255.0


def luma_error(prediction: Tensor, values: Tensor, value_range: tuple[float, float]) -> Tensor:
    """Luma of the prediction minus that of the values, on the 0..255 scale, `[n]`; differentiable.

    Args:
        prediction: `[n, c]` in units of the pool; clamped to the value range first, so that values outside it count as
            black or white (and have no gradient).
        values: `[n, c]`, within the value range.
        value_range: What maps to 0 and to 255.
    """
    low, high = value_range
    scale = _WHITE / (high - low)
    return luma(((prediction - low) * scale).clamp(0, _WHITE)) - luma((values - low) * scale)


def laplacian(image: Tensor, grid: tuple[int, ...]) -> Tensor:
    """4-neighbour Laplacian with zeros around the image; linear and differentiable.

    Args:
        image: One number a pixel, row by row, `[rows * columns]`.
        grid: (rows, columns).

    Returns:
        Sum of the four neighbours minus four times the pixel, `[rows * columns]`.
    """
    rows, columns = grid
    padded = torch.nn.functional.pad(image.view(rows, columns), (1, 1, 1, 1))
    neighbours = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return (neighbours - 4 * padded[1:-1, 1:-1]).reshape(-1)


def laplacian_error(error: Tensor, grid: tuple[int, ...]) -> Tensor:
    """L of EVOS: squared difference of the two Laplacians of each pixel, `[n]`; differentiable.

    Args:
        error: What `luma_error` returns, `[n]`. The Laplacian is linear, so that of the difference is the difference of the two.
        grid: (rows, columns).

    Source: fitness and cross-frequency supervision of EVOS (CVPR 2025).
    """
    return laplacian(error, grid).square()
