import numpy as np
import pytest
import torch
from oracles.distributions import assert_normal, assert_uniform

from nint.fields.ffn import Ffn


def build(spec, seed=0):
    return spec.build(2, 3, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "widths"), [("1x32", [(256, 3)]), ("3x32", [(256, 32), (32, 32), (32, 3)])])
def test_the_encoding_replaces_the_first_layer(size, widths):
    linears = [layer for layer in build(Ffn(size=size)) if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linears] == widths


def test_initial_values():
    field = build(Ffn(size="3x256", frequencies=4000, sigma=7))
    assert_normal(field[0].frequencies, 7)
    assert_uniform(field[1].weight, 8000**-0.5)
    assert_uniform(field[3].weight, 1 / 16)


def test_frequencies_are_saved_but_not_trained():
    first, second = build(Ffn(size="2x8"), seed=0), build(Ffn(size="2x8"), seed=1)
    assert "0.frequencies" in first.state_dict()
    assert "0.frequencies" not in dict(first.named_parameters())
    assert not torch.equal(first[0].frequencies, second[0].frequencies)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first[0].frequencies, second[0].frequencies)


def test_forward_equals_numpy():
    field = build(Ffn(size="3x16", frequencies=6, sigma=2)).double()
    state = {key: value.numpy() for key, value in field.state_dict().items()}
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    phase = 2 * np.pi * x @ state["0.frequencies"].T
    h = np.concatenate([np.sin(phase), np.cos(phase)], axis=-1)
    for layer in (1, 3):
        h = np.maximum(h @ state[f"{layer}.weight"].T + state[f"{layer}.bias"], 0)
    expected = h @ state["5.weight"].T + state["5.bias"]
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-13)
