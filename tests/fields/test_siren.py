import math

import numpy as np
import pytest
import torch
from oracles.distributions import assert_uniform

from nint.fields.siren import Siren


def build(spec, in_features=2, out_features=3):
    return spec.build(in_features, out_features, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bias", ["weight", "default"])
def test_initial_weights(bias):
    field = build(Siren(size="4x256", omega_0=20, bias=bias), in_features=3)
    first, *hidden = [layer.linear for layer in field[:-1]]
    assert_uniform(first.weight, 1 / 3)
    assert_uniform(first.bias, 1 / 3 if bias == "weight" else 1 / math.sqrt(3))
    for layer in [*hidden, field[-1]]:
        assert_uniform(layer.weight, math.sqrt(6 / 256) / 20)
    for layer in hidden:
        assert_uniform(layer.bias, math.sqrt(6 / 256) / 20 if bias == "weight" else 1 / 16)


def test_weight_scale_multiplies_all_but_the_last_weights():
    plain, scaled = build(Siren(size="3x16")).state_dict(), build(Siren(size="3x16", weight_scale=1.5)).state_dict()
    for key, value in plain.items():
        factor = 1.5 if key.endswith("linear.weight") else 1.0
        torch.testing.assert_close(scaled[key], factor * value)
    assert torch.equal(scaled["3.weight"], plain["3.weight"])


def test_forward_equals_numpy():
    field = build(Siren(size="3x16", omega_0=25)).double()
    state = {key: value.numpy() for key, value in field.state_dict().items()}
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    h = x
    for layer in range(3):
        h = np.sin(25 * (h @ state[f"{layer}.linear.weight"].T + state[f"{layer}.linear.bias"]))
    expected = h @ state["3.weight"].T + state["3.bias"]
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-13)
