"""Parts of the tangent kernel as scores: that of the last layer alone, and the diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.probe.probe import Probe


def last_layer_gradient(probe: Probe) -> Tensor:
    """K_L g over the probe's pool, `[n, c]`, K_L the kernel of the last layer's parameters alone.

    The last layer is the module that the last parameter belongs to.

    Raises:
        UsageError: for a network without parameters.

    Cost: as K g: n forwards, n backwards and n forward-mode passes.
    """
    gradient = probe.gradient()
    if not gradient:
        raise UsageError("The network has no trainable parameters, so it has no last layer.")
    last = list(gradient)[-1].rpartition(".")[0]
    tangent = {name: value if name.rpartition(".")[0] == last else torch.zeros_like(value) for name, value in gradient.items()}
    return probe.jvp(tangent)


def kernel_diagonal(probe: Probe, directions: int, rng: torch.Generator) -> Tensor:
    """An unbiased estimate of sum over channels of K_(ic)(ic) for each point i, `[n]`: the mean of |J v|^2 over random v.

    Args:
        probe: The network and its pool.
        directions: Number of v, whose entries are independent standard normal; the standard deviation of an entry with one channel is
            sqrt(2 / directions) of it.
        rng: Generator on the pool's device.

    Cost: n forward-mode passes a direction.
    """
    total = torch.zeros(len(probe), device=probe.device)
    shapes = probe.parameters()
    for _ in range(directions):
        tangent = {name: torch.randn(p.shape, generator=rng, device=rng.device).to(p) for name, p in shapes.items()}
        total = total + probe.jvp(tangent).square().sum(1)
    return total / directions
