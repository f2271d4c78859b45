"""MLP: ReLU layers straight on the coordinates, the baseline that cannot fit detail (spectral bias)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, hidden_stack


@dataclass(frozen=True)
class Mlp(FieldSpec):
    """Plain ReLU network; 5x256 has 264,707 parameters for 2 -> 3."""

    default_lr = 1e-3
    lr_source = "no published rate; 1e-3, as for PEMLP and FFN"

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        return dense_parameters(in_features, out_features, self.hidden_layers, self.hidden_features)

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """Linear layers with a ReLU after each but the last."""
        return hidden_stack(in_features, out_features, self.hidden_layers, self.hidden_features, nn.ReLU, generator)
