"""Luma of colour values."""

from __future__ import annotations

from torch import Tensor

_RED, _GREEN, _BLUE = 0.2989, 0.587, 0.114


def luma(values: Tensor) -> Tensor:
    """Luma of each point, in the unit of the values; differentiable.

    Args:
        values: `[n, c]`: one channel is taken as it is, two are luma and alpha, three are RGB, four are RGB and alpha; any other
            number has no colour meaning and is averaged.

    Returns:
        `[n]`.

    Source: .2989 R + .587 G + .114 B, as in EVOS's code (the weights sum to .9999).
    """
    channels = values.shape[1]
    if channels in (1, 2):
        return values[:, 0]
    if channels in (3, 4):
        return _RED * values[:, 0] + _GREEN * values[:, 1] + _BLUE * values[:, 2]
    return values.mean(1)
