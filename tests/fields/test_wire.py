import math

import numpy as np
import pytest
import torch
from oracles.distributions import assert_uniform

from nint.fields.wire import ComplexLinear, Gabor, Wire


def build(spec):
    return spec.build(2, 3, torch.Generator().manual_seed(0))


def test_first_layer_is_real_and_the_width_is_over_root_two():
    spec = Wire(size="3x256")
    assert spec.complex_features == 181
    field = build(spec)
    assert field[0].weight.shape == (181, 2)
    assert [layer.weight.shape for layer in field if isinstance(layer, ComplexLinear)] == [(181, 181, 2), (181, 181, 2), (3, 181, 2)]


def test_initial_weights_follow_pytorchs_complex_linear():
    field = build(Wire(size="3x400"))
    width = int(400 / math.sqrt(2))
    assert_uniform(field[0].weight, 2**-0.5)
    assert_uniform(field[0].bias, 2**-0.5)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.nn.Linear(width, width, dtype=torch.complex64)
    for weight in (field[2].weight, torch.view_as_real(theirs.weight)):
        assert_uniform(weight[..., 0], width**-0.5)
        assert_uniform(weight[..., 1], width**-0.5)
    for bias in (field[2].bias, torch.view_as_real(theirs.bias)):
        assert_uniform(bias, width**-0.5)


def test_forward_equals_numpy():
    field = build(Wire(size="3x16", omega=5, sigma=3)).double()
    state = {key: value.numpy() for key, value in field.state_dict().items()}

    def complex_of(name):
        return state[name][..., 0] + 1j * state[name][..., 1]

    def gabor(z):
        return np.exp(1j * 5 * z - np.abs(3 * z) ** 2)

    x = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    h = gabor(x @ state["0.weight"].T + state["0.bias"])
    for layer in (2, 4):
        h = gabor(h @ complex_of(f"{layer}.weight").T + complex_of(f"{layer}.bias"))
    expected = (h @ complex_of("6.weight").T + complex_of("6.bias")).real
    np.testing.assert_allclose(field(torch.from_numpy(x)).detach().numpy(), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_gabor_derivatives_in_both_modes(kind):
    """gradcheck compares reverse and forward mode with finite differences, for real and complex z."""
    generator = torch.Generator().manual_seed(0)
    dtype = torch.complex128 if kind == "complex" else torch.float64
    z = (0.3 * torch.randn(6, generator=generator, dtype=dtype)).requires_grad_()
    assert torch.autograd.gradcheck(Gabor(4.0, 3.0), (z,), check_forward_ad=True)


def test_complex_layer_derivatives_in_both_modes():
    layer = ComplexLinear(3, 2, torch.Generator().manual_seed(0)).double()
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.complex128)

    def call(weight, bias):
        return torch.func.functional_call(layer, {"weight": weight, "bias": bias}, (z,))

    leaves = (layer.weight.detach().clone().requires_grad_(), layer.bias.detach().clone().requires_grad_())
    assert torch.autograd.gradcheck(call, leaves, check_forward_ad=True)


def test_wavelets_peak_where_the_card_says():
    omega, sigma = 6.0, 2.0
    peak = math.exp(omega**2 / (4 * sigma**2))
    at = torch.tensor(-1j * omega / (2 * sigma**2), dtype=torch.complex128)
    assert Gabor(omega, sigma)(at).abs().item() == pytest.approx(peak, rel=1e-12)
    z = 3 * torch.randn(2000, generator=torch.Generator().manual_seed(0), dtype=torch.complex128)
    assert Gabor(omega, sigma)(z).abs().max().item() <= peak * (1 + 1e-12)


def test_far_inputs_decay_to_zero_without_nan():
    field = build(Wire(size="3x16"))
    coords = torch.full((4, 2), 1e6, requires_grad=True)
    out = field(coords)
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert torch.isfinite(coords.grad).all()


def test_extreme_settings_that_are_allowed_stay_finite_in_float32():
    field = build(Wire(size="4x32", omega=126, sigma=10))
    coords = torch.rand(500, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1
    out = field(coords)
    out.square().sum().backward()
    assert torch.isfinite(out).all()
    assert all(torch.isfinite(p.grad).all() for p in field.parameters())
