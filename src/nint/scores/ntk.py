"""The paper's score: how far a gradient step on all points would move each point's prediction."""

from __future__ import annotations

from torch import Tensor

from nint.probe.probe import Probe


def ntk_gradient(probe: Probe) -> Tensor:
    """W = K g = J (J^T g) over the probe's pool, `[n, c]`.

    Cost: n forwards (which also serve the errors of the step), n backwards and n forward-mode passes.
    Source: Eq. 7 and Algorithm 1 of the paper.
    """
    return probe.jvp(probe.gradient())


def ntk_gradient_norm(probe: Probe) -> Tensor:
    """Norm over channels of w = K g, `[n]`. Cost: that of `ntk_gradient`."""
    norm: Tensor = ntk_gradient(probe).norm(dim=1)
    return norm
