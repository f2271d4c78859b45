"""Linear layers that are initialised from an explicit generator, never from the global one."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def uniform_(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """Fills with U(-bound, bound); complex tensors get independent real and imaginary parts."""
    with torch.no_grad():
        target = torch.view_as_real(tensor) if tensor.is_complex() else tensor
        target.uniform_(-bound, bound, generator=generator)


def linear(
    in_features: int,
    out_features: int,
    generator: torch.Generator,
    *,
    weight_bound: float | None = None,
    bias_bound: float | None = None,
    dtype: torch.dtype | None = None,
) -> nn.Linear:
    """`nn.Linear` with uniform weights and bias.

    Args:
        in_features: Inputs.
        out_features: Outputs.
        generator: CPU generator.
        weight_bound: Weights are U(+-bound); None is PyTorch's default, 1/sqrt(in_features).
        bias_bound: Biases are U(+-bound); None is PyTorch's default, 1/sqrt(in_features).
        dtype: Parameter type; None is the default dtype.
    """
    default = 1 / math.sqrt(in_features)
    layer = nn.utils.skip_init(nn.Linear, in_features, out_features, dtype=dtype)
    uniform_(layer.weight, default if weight_bound is None else weight_bound, generator)
    uniform_(layer.bias, default if bias_bound is None else bias_bound, generator)
    return layer
