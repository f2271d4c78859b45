"""Layers that the networks share. They are initialised from an explicit generator, never from the global one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn


class _Uninitialised(nn.Linear):
    """A linear layer whose parameters are not drawn, which `nn.Linear` would do from the global generator."""

    def reset_parameters(self) -> None:
        """Leaves them as they are."""


def uniform_(tensor: Tensor, bound: float, generator: torch.Generator) -> None:
    """Fills with U(-bound, bound)."""
    with torch.no_grad():
        tensor.uniform_(-bound, bound, generator=generator)


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
    layer: nn.Linear = _Uninitialised(in_features, out_features, dtype=dtype)
    layer.__class__ = nn.Linear
    uniform_(layer.weight, default if weight_bound is None else weight_bound, generator)
    uniform_(layer.bias, default if bias_bound is None else bias_bound, generator)
    return layer


def hidden_stack(
    in_features: int,
    out_features: int,
    hidden_layers: int,
    hidden_features: int,
    activation: Callable[[], nn.Module],
    generator: torch.Generator,
) -> nn.Sequential:
    """Linear layers with PyTorch's default initialisation, an activation after each but the last.

    Args:
        in_features: Inputs.
        out_features: Outputs.
        hidden_layers: Layers that an activation follows; with 0, one linear layer remains.
        hidden_features: Their width.
        activation: Makes one activation module.
        generator: CPU generator.
    """
    widths = [in_features] + [hidden_features] * hidden_layers
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(widths):
        layers += [linear(fan_in, fan_out, generator), activation()]
    return nn.Sequential(*layers, linear(widths[-1], out_features, generator))


def sine_linears(
    in_features: int,
    out_features: int,
    hidden_layers: int,
    hidden_features: int,
    generator: torch.Generator,
    *,
    omega_0: float,
    weight_scale: float = 1.0,
    default_bias: bool = False,
    first_bias: float | None = None,
) -> list[nn.Linear]:
    """The linear layers of a sine network, hidden ones first, output layer last.

    Args:
        in_features: Inputs.
        out_features: Outputs.
        hidden_layers: Layers that a sine follows.
        hidden_features: Their width.
        generator: CPU generator.
        omega_0: First weights are U(+-1/in), the others U(+-sqrt(6/fan_in)/omega_0).
        weight_scale: Factor on the drawn weights of all but the last layer; biases are not scaled.
        default_bias: Biases follow PyTorch's rule, U(+-1/sqrt(fan_in)), instead of sharing the weights' bound.
        first_bias: Bias bound of the first layer; None leaves it to `default_bias`.

    Source: Sitzmann et al. 2020, Sec. 3.2; `weight_scale` arXiv 2410.04779; `first_bias` Liu et al. 2024.
    """
    widths = [in_features] + [hidden_features] * hidden_layers + [out_features]
    layers = []
    for index, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        bound = 1 / fan_in if index == 0 else math.sqrt(6 / fan_in) / omega_0
        bias_bound = None if default_bias else bound
        if index == 0 and first_bias is not None:
            bias_bound = first_bias
        layer = linear(fan_in, fan_out, generator, weight_bound=bound, bias_bound=bias_bound)
        if index < hidden_layers:
            with torch.no_grad():
                layer.weight.mul_(weight_scale)
        layers.append(layer)
    return layers
