import numpy as np
import torch
from oracles.distributions import assert_uniform

from nint.fields.pemlp import Pemlp, PositionalEncoding


def encode(x, frequencies):
    columns = [x]
    for k in range(frequencies):
        columns += [np.sin(2**k * x), np.cos(2**k * x)]
    return np.concatenate(columns, axis=-1)


def test_encoding_has_42_features_in_two_dimensions_and_no_pi():
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    features = PositionalEncoding(10)(torch.from_numpy(x)).numpy()
    assert features.shape == (20, 42)
    np.testing.assert_allclose(features, encode(x, 10), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(features[:, -2:], np.cos(512 * x), rtol=1e-12, atol=1e-13)


def test_initial_weights_are_pytorchs():
    field = Pemlp(size="2x400").build(2, 3, torch.Generator().manual_seed(0))
    linears = [layer for layer in field if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == [(42, 400), (400, 400), (400, 3)]
    for layer in linears:
        assert_uniform(layer.weight, layer.in_features**-0.5)


def test_forward_equals_numpy():
    field = Pemlp(size="2x16", frequencies=4).build(2, 3, torch.Generator().manual_seed(0)).double()
    state = {key: value.numpy() for key, value in field.state_dict().items()}
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    h = encode(x, 4)
    for layer in (1, 3):
        h = np.maximum(h @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
    expected = h @ state["5.weight"].T + state["5.bias"]
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-13)
