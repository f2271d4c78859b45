"""Native sines against NumPy in float64, over the phases that training reaches and beyond."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from nint.machine import sines
from nint.machine.sines import SineKernel, chain_, sine

ULP = 2.0**-23  # of 1


@pytest.fixture(params=["native", "plain"])
def way(request, monkeypatch):
    if request.param == "plain":
        monkeypatch.setattr(sines, "native", lambda: None)
    elif sines.native() is None:
        pytest.skip("the native sines were not built: there was no C compiler")
    return request.param


def phases(largest, shape=(37, 53), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator) * 2 - 1) * largest


def exact(z, bias, omega_0):
    x = (z + bias).double().numpy()  # the sum is float32's, as everywhere; what follows is exact
    factor = 1.0 if omega_0 is None else omega_0 * (np.abs(x) + 1)
    return np.sin(factor * x), np.cos(factor * x) * factor, np.abs(factor * x), np.broadcast_to(factor, x.shape)


@pytest.mark.parametrize("omega_0", [None, 30.0])
@pytest.mark.parametrize("largest", [1e-3, 1.0, 30.0, 1e3, 9.9e3])
def test_against_float64(way, largest, omega_0):
    z, bias = phases(largest if omega_0 is None else math.sqrt(largest / omega_0) / 2), phases(1e-2, (53,), 1)
    value, slope, phase, factor = exact(z, bias, omega_0)
    # FINER's phase is a product of float32 numbers, each rounding of which moves it by a few parts in 2^24
    allowed = 2 * ULP + (0 if omega_0 is None else 2 * ULP * phase)
    kernel = SineKernel(omega_0)
    found, found_slope = z.clone(), torch.empty_like(z)
    kernel.slope_(found, bias, found_slope)
    assert (np.abs(found.numpy() - value) <= allowed).all()
    assert (np.abs(found_slope.numpy() - slope) <= (allowed + 2 * ULP) * factor).all()
    assert torch.equal(kernel.value_(z.clone(), bias), found)
    tangent = phases(3.0, seed=2)
    moved = tangent.clone()
    assert torch.equal(kernel.tangent_(z.clone(), bias, moved), found)
    assert torch.allclose(moved, tangent * found_slope, rtol=1e-6, atol=1e-7)


def test_beyond_the_stated_range_the_c_library_takes_over():
    if sines.native() is None:
        pytest.skip("the native sines were not built: there was no C compiler")
    z = torch.tensor([[1.1e4, -3e5, 1e8, 3e30, 0.5], [math.inf, -math.inf, math.nan, 0.0, 1.0]])
    slope, zero = torch.empty_like(z), torch.zeros(5)
    value = SineKernel().slope_(z.clone(), zero, slope)
    finite = torch.isfinite(z)
    assert np.abs(value[finite].numpy() - np.sin(z[finite].double().numpy())).max() <= ULP
    assert np.abs(slope[finite].numpy() - np.cos(z[finite].double().numpy())).max() <= ULP
    assert torch.isnan(value[~finite]).all()


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (3, 7), (64, 1), (65, 128), (130, 5000)])
def test_chain(way, shape):
    cotangent, slope, sums = phases(1.0, shape), phases(2.0, shape, 1), phases(1.0, (shape[1],), 2)
    product = cotangent.double() * slope.double()
    expected = sums.double() + product.sum(0)
    chain_(cotangent, slope, sums)
    assert torch.allclose(cotangent.double(), product, rtol=1e-6, atol=1e-7)
    assert torch.allclose(sums.double(), expected, rtol=1e-5, atol=1e-5)


def test_sine_has_every_derivative():
    z = phases(5.0, (6, 4)).requires_grad_()
    weight = phases(1.0, (6, 4), 3)
    (first,) = torch.autograd.grad((weight * sine(z)).sum(), z, create_graph=True)
    (second,) = torch.autograd.grad((first * first).sum(), z)
    wide, wide_weight = z.detach().double().numpy(), weight.double().numpy()
    assert np.allclose(first.detach().numpy(), wide_weight * np.cos(wide), atol=1e-6)
    assert np.allclose(second.numpy(), -2 * wide_weight**2 * np.cos(wide) * np.sin(wide), atol=1e-5)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(z.detach(), weight)
        assert np.allclose(torch.autograd.forward_ad.unpack_dual(sine(dual)).tangent.numpy(), wide_weight * np.cos(wide), atol=1e-6)
    jacobian = torch.func.vmap(torch.func.grad(lambda x: sine(x).sum()))(z.detach())
    assert np.allclose(jacobian.numpy(), np.cos(wide), atol=1e-6)
    hessian = torch.func.hessian(lambda x: sine(x).sum())(z.detach().reshape(-1)[:3])
    assert np.allclose(torch.diagonal(hessian).numpy(), -np.sin(wide.reshape(-1)[:3]), atol=1e-6)


def test_the_rule_of_sine_under_forward_over_reverse():
    """The custom function itself, which `sine` leaves out where PyTorch's own rule costs less."""
    if sines.native() is None:
        pytest.skip("the native sines were not built: there was no C compiler")
    z, move = phases(5.0, (6, 4)), phases(1.0, (6, 4), 3)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(z, move)
        value = sines._SineWithCosine.apply(dual)[0]
        assert torch.allclose(torch.autograd.forward_ad.unpack_dual(value).tangent, move * torch.cos(z), atol=1e-6)


def test_without_the_native_code_everything_works_as_well():
    code = "import nint; from nint.machine.sines import native; assert native() is None"
    code += "; print(nint.fit('sample:camera', max_side=12, budget=3).metrics)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | {"NINT_NATIVE": "off"})
    assert done.returncode == 0 and "psnr" in done.stdout, done.stderr


def test_another_word_is_refused(monkeypatch):
    from nint.errors import UsageError

    monkeypatch.setenv("NINT_NATIVE", "fast")
    with pytest.raises(UsageError, match="on or off"):
        sines.native.__wrapped__()
