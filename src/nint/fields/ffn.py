"""FFN: ReLU layers on sines and cosines of random Gaussian frequencies.

Source: Tancik et al., NeurIPS 2020; number of frequencies and layers as in the INT authors' code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, hidden_stack
from nint.settings import setting


class FourierFeatures(nn.Module):
    """x -> [sin(2 pi B x), cos(2 pi B x)], `[..., d] -> [..., 2 frequencies]`.

    Args:
        frequencies: B `[frequencies, d]`, in cycles per unit of coordinate. Fixed, but saved with the network.
    """

    frequencies: Tensor

    def __init__(self, frequencies: Tensor) -> None:
        super().__init__()
        self.register_buffer("frequencies", frequencies)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., 2 frequencies]`."""
        phase = 2 * math.pi * nn.functional.linear(x, self.frequencies)
        return torch.cat([torch.sin(phase), torch.cos(phase)], dim=-1)


@dataclass(frozen=True)
class Ffn(FieldSpec):
    """ReLU network on random Fourier features; 5x256 has 263,939 parameters for 2 -> 3.

    The encoding replaces the first hidden layer: LxH is the encoding, L - 1 ReLU layers of width H, a linear layer.

    Attributes:
        frequencies: Rows of B; each gives a sine and a cosine.
        sigma: Standard deviation of the entries of B, in cycles per unit of coordinate.
    """

    frequencies: int = setting(128, "random frequencies, each a sine and a cosine", symbol="m", at_least=1, at_most=2**16)
    sigma: float = setting(10.0, "standard deviation of the frequencies", symbol="sigma", at_least=1e-3, at_most=1e6)

    default_lr = 1e-3
    lr_source = "Tancik et al. 2020: 1e-3"

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        return dense_parameters(2 * self.frequencies, out_features, self.hidden_layers - 1, self.hidden_features)

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """The encoding, then the ReLU layers."""
        drawn = self.sigma * torch.randn(self.frequencies, in_features, generator=generator)
        layers = hidden_stack(2 * self.frequencies, out_features, self.hidden_layers - 1, self.hidden_features, nn.ReLU, generator)
        return nn.Sequential(FourierFeatures(drawn), *layers)
