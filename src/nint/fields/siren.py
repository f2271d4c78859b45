"""SIREN: sin(omega_0 (W x + b)) layers.

Source: Sitzmann et al., NeurIPS 2020; size convention and bias rule of the NINT authors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.fields.base import FieldSpec
from nint.fields.layers import linear
from nint.settings import setting


class Sine(nn.Module):
    """x -> sin(omega_0 (W x + b)), `[..., in] -> [..., out]`."""

    def __init__(self, layer: nn.Linear, omega_0: float) -> None:
        super().__init__()
        self.linear = layer
        self.omega_0 = omega_0

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega_0 * self.linear(x))


@dataclass(frozen=True)
class Siren(FieldSpec):
    """Sine network; 5x256 has 264,707 parameters for 2 -> 3.

    Attributes:
        omega_0: Frequency factor of every sine.
        bias: "weight": biases share the weights' bound (COIN, NINT); "default": PyTorch's rule (original SIREN).
        weight_scale: Factor on the initial weights of all but the last layer (arXiv 2410.04779); 1 is the paper.
    """

    omega_0: float = setting(30.0, "frequency of the sines", symbol="omega_0", above=0)
    bias: str = setting("weight", "initial bias bound: the weight's, or PyTorch's default", choices=("weight", "default"))
    weight_scale: float = setting(1.0, "factor on the initial weights of all but the last layer", above=0)

    lr_source = "Sitzmann et al. 2020 and NINT: 1e-4"

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        width = self.hidden_features
        layers: list[nn.Module] = []
        fan_in = in_features
        for index in range(self.hidden_layers):
            bound = 1 / in_features if index == 0 else math.sqrt(6 / fan_in) / self.omega_0
            layers.append(Sine(self._linear(fan_in, width, bound, self.weight_scale, generator), self.omega_0))
            fan_in = width
        layers.append(self._linear(fan_in, out_features, math.sqrt(6 / fan_in) / self.omega_0, 1.0, generator))
        return nn.Sequential(*layers)

    def _linear(self, fan_in: int, fan_out: int, bound: float, scale: float, generator: torch.Generator) -> nn.Linear:
        bias_bound = bound if self.bias == "weight" else None
        layer = linear(fan_in, fan_out, generator, weight_bound=bound, bias_bound=bias_bound)
        with torch.no_grad():
            layer.weight.mul_(scale)
        return layer
