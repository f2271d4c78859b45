import math

import pytest
import torch
from oracles.distributions import assert_uniform

from nint.fields.layers import hidden_stack, linear, sine_linears


def test_linear_default_bounds_are_pytorchs():
    layer = linear(100, 300, torch.Generator().manual_seed(0))
    assert_uniform(layer.weight, 0.1)
    assert_uniform(layer.bias, 0.1)


def test_linear_with_given_bounds_and_type():
    layer = linear(100, 300, torch.Generator().manual_seed(0), weight_bound=0.5, bias_bound=2.0, dtype=torch.float64)
    assert layer.weight.dtype == layer.bias.dtype == torch.float64
    assert_uniform(layer.weight, 0.5)
    assert_uniform(layer.bias, 2.0)


@pytest.mark.parametrize("hidden_layers", [0, 1, 3])
def test_hidden_stack_ends_in_a_linear_layer(hidden_layers):
    stack = hidden_stack(4, 2, hidden_layers, 8, torch.nn.ReLU, torch.Generator().manual_seed(0))
    kinds = [type(layer) for layer in stack]
    assert kinds == [torch.nn.Linear, torch.nn.ReLU] * hidden_layers + [torch.nn.Linear]
    assert stack(torch.zeros(5, 4)).shape == (5, 2)


def test_sine_linears_bounds():
    layers = sine_linears(4, 300, 2, 300, torch.Generator().manual_seed(0), omega_0=15, first_bias=3.0)
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(4, 300), (300, 300), (300, 300)]
    assert_uniform(layers[0].weight, 1 / 4)
    assert_uniform(layers[0].bias, 3.0)
    for layer in layers[1:]:
        assert_uniform(layer.weight, math.sqrt(6 / 300) / 15)
        assert_uniform(layer.bias, math.sqrt(6 / 300) / 15)
