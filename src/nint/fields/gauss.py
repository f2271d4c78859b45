"""GAUSS: exp(-(s z)^2) layers, z = W x + b.

Source: Ramasinghe and Lucey, ECCV 2022; s and the learning rate as in the FINER authors' comparison.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, hidden_stack
from nint.settings import setting


class Gaussian(nn.Module):
    """z -> exp(-(scale z)^2), any shape."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, z: Tensor) -> Tensor:
        """Of the shape of z, in (0, 1]."""
        return torch.exp(z.square() * -(self.scale**2))


@dataclass(frozen=True)
class Gauss(FieldSpec):
    """Gaussian network; 5x256 has 264,707 parameters for 2 -> 3.

    Attributes:
        scale: s, the inverse width of every Gaussian.
    """

    scale: float = setting(30.0, "inverse width of the Gaussians", symbol="s", at_least=1e-3, at_most=1e6)

    default_lr = 5e-3
    lr_source = "Liu et al. 2024 (FINER's comparison): 5e-3"

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        return dense_parameters(in_features, out_features, self.hidden_layers, self.hidden_features)

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """Linear layers with a Gaussian after each but the last."""
        return hidden_stack(in_features, out_features, self.hidden_layers, self.hidden_features, lambda: Gaussian(self.scale), generator)
