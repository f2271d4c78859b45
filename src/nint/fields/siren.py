"""SIREN: sin(omega_0 (W x + b)) layers.

Source: Sitzmann et al., NeurIPS 2020; size convention and bias rule of the NINT authors.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, sine_linears
from nint.fields.passes import SineLayer
from nint.machine.sines import sine
from nint.settings import setting


class Sine(SineLayer):
    """x -> sin(omega_0 (W x + b)), `[..., in] -> [..., out]`."""

    def activation(self, z: Tensor) -> Tensor:
        """Sin(omega_0 z)."""
        return sine(self.omega_0 * z)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in] -> [..., out]`."""
        # scaling the small weight matrix instead of the large activations saves a pass over memory
        return sine(functional.linear(x, self.omega_0 * self.linear.weight, self.omega_0 * self.linear.bias))


@dataclass(frozen=True)
class Siren(FieldSpec):
    """Sine network; 5x256 has 264,707 parameters for 2 -> 3.

    Attributes:
        omega_0: Frequency factor of every sine.
        bias: "weight": biases share the weights' bound (COIN, NINT); "default": PyTorch's rule (original SIREN).
        weight_scale: Factor on the initial weights of all but the last layer (arXiv 2410.04779); 1 is the paper.
    """

    omega_0: float = setting(30.0, "frequency of the sines", symbol="omega_0", at_least=1e-3, at_most=1e6)
    bias: str = setting("weight", "initial bias bound: the weight's, or PyTorch's default", choices=("weight", "default"))
    weight_scale: float = setting(1.0, "factor on the initial weights of all but the last layer", at_least=1e-3, at_most=1e3)

    start_settings = ("bias", "weight_scale")
    lr_source = "Sitzmann et al. 2020 and NINT: 1e-4"

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        return dense_parameters(in_features, out_features, self.hidden_layers, self.hidden_features)

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """Sine layers, then a linear layer."""
        *hidden, last = sine_linears(
            in_features,
            out_features,
            self.hidden_layers,
            self.hidden_features,
            generator,
            omega_0=self.omega_0,
            weight_scale=self.weight_scale,
            default_bias=self.bias == "default",
        )
        return nn.Sequential(*(Sine(layer, self.omega_0) for layer in hidden), last)
