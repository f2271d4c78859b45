"""The kernel of one output on a patch of points from activations and back-propagated signals, without a Jacobian.

A layer z = W a + b contributes d f(x_i) / dW = d_i a_i^T and d f(x_i) / db = d_i with d = d f / dz, so that its part of the kernel between
points i and j is (a_i . a_j + 1)(d_i . d_j): two matrix products of the patch's size instead of a row of all parameters for each point.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nint.fields.passes import SineLayer
from nint.ntk.dense import ntk_matrix

_Terms = list[tuple[Tensor, Tensor, bool]]
"""(input a `[n, in]`, output z `[n, out]` with a graph to f, whether there is a bias) of each linear layer."""


def patch_kernel(field: nn.Module, coords: Tensor, channel: int = 0) -> Tensor:
    """K between the points of a patch for one output channel, `[n, n]`.

    Args:
        field: A deterministic network that treats each point on its own.
        coords: `[n, d_in]`.
        channel: Which output.

    Cost: a forward and a backward of the patch and two n x n products a layer, for networks whose parameters all belong to linear layers;
        for others n backwards (`nint.ntk.ntk_matrix`).
    """
    terms, output = _terms(field, coords)
    if output is None:
        return ntk_matrix(field, coords)[:, channel, :, channel]
    signals = torch.autograd.grad(output[:, channel].sum(), [z for _, z, _ in terms])
    total = torch.zeros(len(coords), len(coords), dtype=output.dtype, device=output.device)
    for (a, _, bias), d in zip(terms, signals, strict=True):
        total += (a @ a.T + float(bias)) * (d @ d.T)
    return total.detach()


def _terms(field: nn.Module, coords: Tensor) -> tuple[_Terms, Tensor | None]:
    """The linear layers of a forward, and its output; None for it where parameters lie elsewhere or a layer is used more than once."""
    sines = [module for module in field.modules() if isinstance(module, SineLayer)]
    inner = {id(module.linear) for module in sines}
    layers = [module for module in field.modules() if type(module) is nn.Linear]
    owned = {id(p) for layer in layers for p in layer.parameters(recurse=False)}
    if not layers or any(id(p) not in owned for p in field.parameters()):
        return [], None
    terms: _Terms = []
    hooks = [module.register_forward_hook(_of_sine(terms)) for module in sines]
    hooks += [layer.register_forward_hook(_of_linear(terms)) for layer in layers if id(layer) not in inner]
    try:
        with torch.enable_grad():
            output = field(coords)
    finally:
        for hook in hooks:
            hook.remove()
    return (terms, output) if len(terms) == len(layers) else ([], None)


def _of_linear(terms: _Terms) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
    def hook(layer: nn.Module, inputs: tuple[Tensor], z: Tensor) -> Tensor:
        z = z if z.requires_grad else z.requires_grad_(True)
        terms.append((inputs[0].detach(), z, layer.bias is not None))
        return z

    return hook


def _of_sine(terms: _Terms) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
    """Sine layers do not show their z: it is computed again, and the output goes through it."""

    def hook(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> Tensor:
        assert isinstance(layer, SineLayer)
        z = nn.functional.linear(inputs[0], layer.linear.weight, layer.linear.bias)
        terms.append((inputs[0].detach(), z if z.requires_grad else z.requires_grad_(True), layer.linear.bias is not None))
        return layer.activation(terms[-1][1])

    return hook
