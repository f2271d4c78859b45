"""FLOPs of a forward, counted by hand."""

import pytest
import torch
from torch import nn

from nint.fields import FIELDS
from nint.fields.flops import forward_flops


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("siren:size=2x16", 2 * (2 * 16 + 16 * 16 + 16 * 3)),
        ("mlp:size=1x8", 2 * (2 * 8 + 8 * 3)),
        ("ffn:size=2x16,frequencies=4", 2 * (2 * 4 + 8 * 16 + 16 * 3)),
        ("pemlp:size=1x8,frequencies=2", 2 * (10 * 8 + 8 * 3)),
        # int(16 / sqrt(2)) = 11 complex units; a complex product and sum are four real products and four sums
        ("wire:size=2x16", 2 * 2 * 11 + 8 * (11 * 11 + 11 * 3)),
        # two levels of two features: the four corners of a cell in each, then 4 -> 8 -> 3
        ("grid:size=1x8,levels=2", 2 * 2 * 4 * 2 + 2 * (4 * 8 + 8 * 3)),
    ],
)
def test_every_kind_of_network(field, expected):
    built = FIELDS.parse(field).build(2, 3, torch.Generator().manual_seed(0))
    assert forward_flops(built) == expected


def test_a_network_of_ones_own_counts_its_matrices():
    network = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.LayerNorm(5), nn.Linear(5, 1, bias=False))
    assert forward_flops(network) == 2 * (10 + 5)
