"""Fitting errors as scores: output space only, as if the kernel were the identity."""

from __future__ import annotations

from torch import Tensor

from nint.probe.probe import Probe


def residual_l1(probe: Probe) -> Tensor:
    """Sum over channels of |prediction - value|, `[n]`. Cost: n forwards (shared with the step's other scores). Source: INT."""
    return probe.residual().abs().sum(1)


def gradient_norm(probe: Probe) -> Tensor:
    """Norm over channels of g = d loss / d prediction, `[n]`. Cost: n forwards (shared). Source: Sec. 3.3 of the paper."""
    norm: Tensor = probe.loss_gradient().norm(dim=1)
    return norm


def error(probe: Probe) -> Tensor:
    """What ranks points by their error, `[n]`: `gradient_norm`, or `residual_l1` where the loss saturates. Cost: n forwards (shared).

    Source: Sec. 3.3 of the paper has |g|. Differs: with L1, and with Huber beyond its delta, |g| is the same for every point, and the
    highest of equal numbers would be the same few points at each step.
    """
    return residual_l1(probe) if probe.loss.saturates else gradient_norm(probe)
