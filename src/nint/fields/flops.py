"""Floating-point operations of a network: a measure of work that no machine changes."""

from __future__ import annotations

from torch import nn


def forward_flops(field: nn.Module) -> int:
    """FLOPs of one point's forward: two (a multiplication and an addition) for each number of its weight matrices.

    Biases, activations and encodings without matrices are left out; they are a few percent. Complex weights count eight a pair, fixed
    frequencies like weights, and of a table of features only the corners that are read. Of a network that is not one of nint's,
    every parameter with two or more axes counts as a matrix.
    """
    from nint.fields.ffn import FourierFeatures
    from nint.fields.grid import FeatureGrid
    from nint.fields.wire import ComplexLinear

    flops = 0
    for module in field.modules():
        if isinstance(module, FeatureGrid):
            flops += 2 * module.lattice.corner_count * module.table.shape[1]
        elif isinstance(module, ComplexLinear):
            flops += 4 * module.weight.numel()  # stored as two real numbers a weight
        elif isinstance(module, FourierFeatures):
            flops += 2 * module.frequencies.numel()
        else:
            flops += sum(2 * p.numel() for p in module.parameters(recurse=False) if p.ndim >= 2)
    return flops
