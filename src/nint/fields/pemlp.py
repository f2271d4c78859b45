"""PEMLP: ReLU layers on sines and cosines of the coordinates at doubling frequencies.

Source: Mildenhall et al., ECCV 2020. Differs: frequencies 2^k without pi, and x itself kept, as in the FINER authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, hidden_stack
from nint.settings import setting


class PositionalEncoding(nn.Module):
    """x -> [x, sin(x), cos(x), sin(2x), cos(2x), ..., cos(2^(frequencies-1) x)].

    `[..., d] -> [..., d (1 + 2 frequencies)]`; each block holds all d coordinates.
    """

    def __init__(self, frequencies: int) -> None:
        super().__init__()
        self.frequencies = frequencies

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., d (1 + 2 frequencies)]`."""
        parts = [x]
        for k in range(self.frequencies):
            scaled = 2.0**k * x
            parts += [torch.sin(scaled), torch.cos(scaled)]
        return torch.cat(parts, dim=-1)


@dataclass(frozen=True)
class Pemlp(FieldSpec):
    """ReLU network on a positional encoding; 5x256 has 274,947 parameters for 2 -> 3.

    Attributes:
        frequencies: Octaves k = 0 .. frequencies - 1; 10 give 42 inputs in two dimensions.
    """

    frequencies: int = setting(10, "octaves of the encoding, from 1 to 2^(frequencies-1)", symbol="L", at_least=1, at_most=24)

    default_lr = 1e-3
    lr_source = "Liu et al. 2024 (FINER's comparison): 1e-3"

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        return dense_parameters(in_features * (1 + 2 * self.frequencies), out_features, self.hidden_layers, self.hidden_features)

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """The encoding, then the ReLU layers."""
        encoded = in_features * (1 + 2 * self.frequencies)
        layers = hidden_stack(encoded, out_features, self.hidden_layers, self.hidden_features, nn.ReLU, generator)
        return nn.Sequential(PositionalEncoding(self.frequencies), *layers)
