import numpy as np
import torch
from oracles.distributions import assert_uniform

from nint.fields.gauss import Gauss


def test_initial_weights_are_pytorchs():
    field = Gauss(size="2x400").build(2, 3, torch.Generator().manual_seed(0))
    linears = [layer for layer in field if isinstance(layer, torch.nn.Linear)]
    assert [layer.in_features for layer in linears] == [2, 400, 400]
    for layer in linears:
        assert_uniform(layer.weight, layer.in_features**-0.5)
    for layer in linears[:2]:
        assert_uniform(layer.bias, layer.in_features**-0.5)


def test_forward_equals_numpy():
    field = Gauss(size="3x16", scale=4).build(2, 3, torch.Generator().manual_seed(0)).double()
    state = {key: value.numpy() for key, value in field.state_dict().items()}
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    h = x
    for layer in (0, 2, 4):
        h = np.exp(-((4 * (h @ state[f"{layer}.weight"].T + state[f"{layer}.bias"])) ** 2))
    expected = h @ state["6.weight"].T + state["6.bias"]
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-13)
