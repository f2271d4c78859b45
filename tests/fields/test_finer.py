import math

import numpy as np
import pytest
import torch
from oracles.distributions import assert_uniform

from nint.fields.finer import Finer, VariableSine
from nint.fields.siren import Siren
from nint.ntk.products import ntk_vector_product


def build(spec, in_features=2, out_features=3):
    return spec.build(in_features, out_features, torch.Generator().manual_seed(0))


def test_initial_weights_are_sirens():
    finer, siren = build(Finer(size="3x16")).state_dict(), build(Siren(size="3x16")).state_dict()
    assert finer.keys() == siren.keys()
    assert all(torch.equal(finer[key], siren[key]) for key in finer)


@pytest.mark.parametrize("bias", ["weight", "default"])
def test_first_bias_is_drawn_on_its_own(bias):
    field = build(Finer(size="2x512", first_bias=1.5, bias=bias))
    assert_uniform(field[0].linear.weight, 1 / 2)
    assert_uniform(field[0].linear.bias, 1.5)
    assert_uniform(field[1].linear.weight, math.sqrt(6 / 512) / 30)
    assert_uniform(field[1].linear.bias, math.sqrt(6 / 512) / 30 if bias == "weight" else 1 / math.sqrt(512))


def test_weight_scale_leaves_the_last_layer():
    plain, scaled = build(Finer(size="2x16")).state_dict(), build(Finer(size="2x16", weight_scale=2)).state_dict()
    torch.testing.assert_close(scaled["1.linear.weight"], 2 * plain["1.linear.weight"])
    assert torch.equal(scaled["1.linear.bias"], plain["1.linear.bias"])
    assert torch.equal(scaled["2.weight"], plain["2.weight"])


def test_forward_equals_numpy():
    field = build(Finer(size="3x16", omega_0=25, first_bias=1)).double()
    state = {key: value.numpy() for key, value in field.state_dict().items()}
    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    h = x
    for layer in range(3):
        z = h @ state[f"{layer}.linear.weight"].T + state[f"{layer}.linear.bias"]
        h = np.sin(25 * (np.abs(z) + 1) * z)
    expected = h @ state["3.weight"].T + state["3.bias"]
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-13)


def test_the_factor_is_constant_in_reverse_and_forward_mode():
    """d/db sin(w (|z|+1) z) with the factor held is w (|z|+1) cos(...), in both modes."""
    linear = torch.nn.Linear(1, 1).double()
    with torch.no_grad():
        linear.weight.fill_(0.7)
        linear.bias.fill_(-0.2)
    layer = VariableSine(linear, omega_0=5.0)
    x = torch.tensor([[0.9]], dtype=torch.float64)
    z = 0.7 * 0.9 - 0.2
    held = 5 * (abs(z) + 1) * math.cos(5 * (abs(z) + 1) * z)
    reverse = torch.autograd.grad(layer(x).sum(), linear.bias)[0]
    assert reverse.item() == pytest.approx(held, rel=1e-12)
    primals = {name: p.detach() for name, p in layer.named_parameters()}
    tangents = {"linear.weight": torch.zeros(1, 1, dtype=torch.float64), "linear.bias": torch.ones(1, dtype=torch.float64)}
    _, forward = torch.func.jvp(lambda p: torch.func.functional_call(layer, p, (x,)), (primals,), (tangents,))
    assert forward.item() == pytest.approx(held, rel=1e-12)


class _UnderNoGrad(VariableSine):
    """The published code's way, which forward mode does not respect."""

    def forward(self, x):
        z = self.linear(x)
        with torch.no_grad():
            factor = z.abs() + 1
        return torch.sin(self.omega_0 * factor * z)


def test_no_grad_instead_of_detach_would_break_the_symmetry_of_k():
    """The reason for `.detach()`. If this fails, PyTorch has changed and the remark in the module can go."""
    field = build(Finer(size="2x8", first_bias=1)).double()
    naive = torch.nn.Sequential(*(_UnderNoGrad(layer.linear, layer.omega_0) for layer in field[:-1]), field[-1])
    coords = torch.rand(6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    u, w = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    gap = {}
    for name, network in (("detach", field), ("no_grad", naive)):
        ukw = (u * ntk_vector_product(network, coords, w)).sum().item()
        wku = (w * ntk_vector_product(network, coords, u)).sum().item()
        gap[name] = abs(ukw - wku) / (abs(ukw) + abs(wku))
    assert gap["detach"] < 1e-10
    assert gap["no_grad"] > 1e-4
