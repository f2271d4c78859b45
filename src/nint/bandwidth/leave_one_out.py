"""The leave-one-out error of kernel regression in closed form: how well the kernel predicts each point of a patch from the others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

NUGGETS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Added to the diagonal of the scaled kernel; the best is taken, so that noise is not mistaken for detail."""

_MEAN = 100.0
"""Added to every entry of the scaled kernel, so that the mean of a patch costs nothing.

Centring the kernel instead leaves the constant direction nearly free, and the error then looks wonderful at any high frequency.
"""


def scaled(kernel: Tensor) -> Tensor:
    """The kernel over the mean diagonal of its centred version, plus a constant, `[n, n]` in double precision."""
    kernel = kernel.double()
    spread = kernel.diagonal().mean() - kernel.mean()  # the trace of H K H over n, H = I - 1 1^T / n
    return kernel / spread.clamp(min=1e-300) + _MEAN


def leave_one_out(kernel: Tensor, values: Tensor, nuggets: Sequence[float] = NUGGETS) -> Tensor:
    """The mean square of e_i = (M^-1 y)_i / (M^-1)_ii with M = K + nugget I, for each nugget, `[len(nuggets)]`.

    Args:
        kernel: Between the points, `[n, n]`, symmetric.
        values: At the points, `[n, c]`; channels share the kernel.
        nuggets: Numbers for the diagonal.

    Cost: one eigendecomposition.
    """
    eigenvalues, vectors = torch.linalg.eigh(kernel)
    projected, squared = vectors.T @ values.to(kernel.dtype), vectors.square()
    found = []
    for nugget in nuggets:
        inverse = 1 / (eigenvalues.clamp(min=0) + nugget)
        weights = vectors @ (inverse[:, None] * projected)  # M^-1 y
        found.append((weights / (squared @ inverse)[:, None]).square().mean())
    return torch.stack(found)
