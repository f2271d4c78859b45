"""`torch.set_default_dtype(torch.float64)`: networks are built in double precision, and everything goes on working."""

import numpy as np
import pytest
import torch

import nint
from nint.fields import FIELDS
from nint.samplers import SAMPLERS
from nint.signals.base import GridCoords


@pytest.fixture
def doubles():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def image():
    return np.random.default_rng(0).random((9, 8, 3)).astype(np.float32)


def check(fit, d_in=2):
    points = np.random.default_rng(1).random((5, d_in))
    values, slopes = fit(points), fit.gradient(points)
    assert values.dtype == slopes.dtype == torch.float64
    for axis in range(d_in):  # central differences
        offset = np.eye(d_in)[axis] * 1e-6
        expected = (fit(points + offset) - fit(points - offset)) / 2e-6
        torch.testing.assert_close(slopes[..., axis], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sampler", SAMPLERS.names(plugins=False))
def test_every_sampler(doubles, sampler):
    check(nint.fit(image(), field="siren:size=1x8", sampler=sampler, total_steps=4, device="cpu"))


@pytest.mark.parametrize("field", FIELDS.names(plugins=False))
def test_every_network(doubles, field):
    fit = nint.fit(image(), field=f"{field}:size=1x8", sampler="nint", total_steps=3, device="cpu")
    assert {p.dtype for p in fit.field.parameters()} == {torch.float64}
    assert fit(np.zeros((2, 2))).dtype == torch.float64 and fit.gradient(np.zeros((2, 2))).dtype == torch.float64
    assert np.isfinite(np.asarray(fit.decode())).all() and np.isfinite(fit.metrics["psnr"])


@pytest.mark.parametrize("source", [np.random.default_rng(2).random(60), np.random.default_rng(2).random((5, 4, 6, 1))], ids=["1-d", "3-d"])
def test_arrays(doubles, source):
    check(
        nint.fit(source, kind="array", field="siren:size=1x8", sampler="nint", total_steps=3, device="cpu"),
        d_in=1 if source.ndim == 1 else 4,
    )


def test_a_module_of_the_users_in_either_precision(doubles):
    for dtype in (torch.float32, torch.float64):
        model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).to(dtype)
        fit = nint.fit(image(), field=model, sampler="nint", total_steps=3, device="cpu")
        assert fit(np.zeros((2, 2))).dtype == dtype


def test_models_are_read_under_the_other_default(doubles, tmp_path):
    fit = nint.fit(image(), field="siren:size=1x8", sampler="uniform", total_steps=3, device="cpu")
    fit.save(tmp_path / "model.safetensors")
    torch.set_default_dtype(torch.float32)
    single = nint.Fit.load(tmp_path / "model.safetensors")
    assert single(np.zeros((1, 2))).dtype == torch.float32
    np.testing.assert_allclose(np.asarray(single.decode()), np.asarray(fit.decode()), atol=1e-5)
    single.save(tmp_path / "single.safetensors")
    torch.set_default_dtype(torch.float64)
    np.testing.assert_allclose(np.asarray(nint.Fit.load(tmp_path / "single.safetensors").decode()), np.asarray(fit.decode()), atol=1e-5)


def test_a_run_is_resumed_exactly(doubles, tmp_path):
    chosen = {"field": "siren:size=1x8", "sampler": "nint", "total_steps": 6, "device": "cpu"}
    nint.fit(image(), budget=3, out=tmp_path, **chosen)
    resumed, whole = nint.fit(image(), budget=6, out=tmp_path, resume=True, **chosen), nint.fit(image(), budget=6, **chosen)
    assert all(torch.equal(resumed.state_dict()[name], value) for name, value in whole.state_dict().items())


def test_grid_coordinates_are_the_same_numbers_as_ever(doubles):
    found = GridCoords((3, 4))[0:12]
    torch.set_default_dtype(torch.float32)
    assert torch.equal(found, GridCoords((3, 4))[0:12]) and found.dtype == torch.float32
