"""FINER: sin(omega_0 (|z| + 1) z) layers, z = W x + b, whose frequency grows with |z|.

Source: Liu et al., CVPR 2024.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, sine_linears
from nint.fields.passes import SineLayer
from nint.machine.sines import SineKernel, sine
from nint.settings import setting


class VariableSine(SineLayer):
    """x -> sin(omega_0 (|z| + 1) z) with z = W x + b, `[..., in] -> [..., out]`.

    Every derivative treats the factor |z| + 1 as a constant. It is detached rather than computed under `no_grad`, which
    forward-mode AD ignores: J v and J^T u would then belong to two different Jacobians, and K would not be symmetric.
    """

    @property
    def kernel(self) -> SineKernel:
        """FINER's phase and its sine."""
        return SineKernel(self.omega_0)

    @property
    def fold(self) -> float:
        """1: the phase is not linear in W and b."""
        return 1.0

    def activation(self, z: Tensor) -> Tensor:
        """Sin(omega_0 (|z| + 1) z), its factor a constant to every derivative."""
        return sine(self.omega_0 * (z.detach().abs() + 1) * z)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in] -> [..., out]`."""
        return self.activation(self.linear(x))


@dataclass(frozen=True)
class Finer(FieldSpec):
    """Sine network of variable frequency; 5x256 has 264,707 parameters for 2 -> 3.

    Attributes:
        omega_0: Frequency factor of every sine.
        first_bias: First biases are U(+-first_bias); None leaves them to `bias` (images), 1.0 is for signed distances.
        bias: "weight": biases share the weights' bound, as in our SIREN; "default": PyTorch's rule (FINER's authors).
        weight_scale: Factor on the initial weights of all but the last layer (arXiv 2410.04779); 1 is the paper.
    """

    omega_0: float = setting(30.0, "frequency of the sines", symbol="omega_0", at_least=1e-3, at_most=1e6)
    first_bias: float | None = setting(
        None, "bound of the first biases (signed distances: 1.0); none: as bias", symbol="k", above=0, at_most=1e6
    )
    bias: str = setting("weight", "initial bias bound: the weight's, or PyTorch's default", choices=("weight", "default"))
    weight_scale: float = setting(1.0, "factor on the initial weights of all but the last layer", at_least=1e-3, at_most=1e3)

    start_settings = ("bias", "first_bias", "weight_scale")
    default_lr = 5e-4
    lr_source = "Liu et al. 2024 (FINER): 5e-4, decayed by 0.1^(t/T)"

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        return dense_parameters(in_features, out_features, self.hidden_layers, self.hidden_features)

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """Sine layers of variable frequency, then a linear layer."""
        *hidden, last = sine_linears(
            in_features,
            out_features,
            self.hidden_layers,
            self.hidden_features,
            generator,
            omega_0=self.omega_0,
            weight_scale=self.weight_scale,
            default_bias=self.bias == "default",
            first_bias=self.first_bias,
        )
        return nn.Sequential(*(VariableSine(layer, self.omega_0) for layer in hidden), last)
