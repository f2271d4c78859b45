"""A fitted signal: callable anywhere, with slopes, saved and read without pickle."""

import json
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn

import nint
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.files import load_tensors, save_tensors
from nint.report.fit import read_record
from nint.runs.model import FORMAT, Fit, round_to_half
from nint.signals.image.signal import ImageLayout, ImageSignal

SPEC = FIELDS.parse("siren:size=2x8,omega_0=10")
LAYOUT = ImageLayout(5, 7, 3)


def made(spec=SPEC, layout=LAYOUT, seed=0):
    module = spec.build(layout.in_features, layout.out_features, torch.Generator().manual_seed(seed))
    return Fit(module, spec, layout, {"psnr": 21.5}, {"steps": 3, "curve": [{"step": 1}]})


def points(n=11, seed=1):
    return torch.rand(n, 2, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_call_keeps_the_leading_shape_of_tensors_and_arrays():
    fit, rows = made(), points(24)
    flat = fit(rows)
    with torch.no_grad():
        assert torch.allclose(flat, fit.field(rows), atol=1e-6)
    assert not flat.requires_grad and flat.shape == (24, 3)
    assert torch.allclose(fit(rows.reshape(2, 3, 4, 2)), flat.reshape(2, 3, 4, 3), atol=1e-6)
    assert torch.allclose(fit(rows[0]), flat[0], atol=1e-6) and fit(rows[0]).shape == (3,)
    assert torch.allclose(fit(rows.double().numpy()), flat, atol=1e-6)
    assert torch.allclose(fit(rows[:1].tolist()), flat[:1], atol=1e-6)


@pytest.mark.parametrize("coords", [torch.zeros(4, 3), torch.zeros(4, 1), torch.zeros(3), torch.tensor(0.5), torch.zeros(2, 0)])
def test_other_numbers_of_columns_are_refused(coords):
    for ask in (made(), made().gradient):
        with pytest.raises(UsageError, match=r"must end in 2 columns"):
            ask(coords)


def test_slopes_are_those_of_finite_differences():
    fit, rows = made(), points()
    slopes = fit.gradient(rows)
    assert slopes.shape == (11, 3, 2) and not slopes.requires_grad
    exact, step = made().field.double(), 1e-6
    x = rows.double()
    with torch.no_grad():
        for axis in range(2):
            shift = torch.zeros(2, dtype=torch.float64)
            shift[axis] = step
            expected = (exact(x + shift) - exact(x - shift)) / (2 * step)
            assert torch.allclose(slopes[..., axis].double(), expected, rtol=1e-4, atol=1e-4)


def test_slopes_are_those_of_autograd_point_by_point():
    fit, rows = made(), points()
    slopes = fit.gradient(rows.reshape(1, 11, 2))
    assert slopes.shape == (1, 11, 3, 2)
    for row, slope in zip(rows, slopes[0], strict=True):
        expected = torch.autograd.functional.jacobian(lambda x: fit.field(x[None])[0], row)
        assert torch.allclose(slope, expected, rtol=1e-4, atol=1e-5)
    assert all(p.grad is None for p in fit.field.parameters())


def test_save_and_load_without_pickle(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("pickle was used")

    fit = made()
    monkeypatch.setattr(torch, "load", refuse)
    monkeypatch.setattr(torch, "save", refuse)
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    before = torch.get_rng_state()
    fit.save(tmp_path / "m.safetensors")
    back = Fit.load(tmp_path / "m.safetensors")
    assert torch.equal(torch.get_rng_state(), before)
    assert back.spec == SPEC and back.layout == LAYOUT and back.metrics == {"psnr": 21.5} and back.record == {"steps": 3}
    assert torch.equal(back(points()), fit(points()))
    assert not back.field.training
    assert np.array_equal(back.decode(), fit.decode()) and back.decode().shape == (5, 7, 3)


def test_the_header_tells_what_the_file_is(tmp_path):
    made().save(tmp_path / "m.safetensors")
    with safe_open(str(tmp_path / "m.safetensors"), "pt") as file:
        header = json.loads(file.metadata()["nint"])
        assert sorted(file.keys()) == sorted(f"field/{name}" for name in made().state_dict())
    assert header["format"] == FORMAT and FIELDS.parse(header["field"]) == SPEC
    layout = {"kind": "image", "height": 5, "width": 7, "channels": 3, "bits": 8}
    assert {name: header["layout"][name] for name in layout} == layout
    assert "slowest axis first" in header["coordinates"] and "linspace" in header["coordinates"]
    assert header["value_range"] == [0.0, 1.0] and (header["in_features"], header["out_features"]) == (2, 3)
    assert header["metrics"] == {"psnr": 21.5} and "curve" not in header["record"]


def test_half_precision_is_that_of_rounded_weights(tmp_path):
    fit, rounded = made(), made()
    fit.save(tmp_path / "whole.safetensors")
    fit.save(tmp_path / "half.safetensors", half=True)
    back = Fit.load(tmp_path / "half.safetensors")
    round_to_half(rounded.field)
    assert torch.equal(back(points()), rounded(points())) and not torch.equal(back(points()), fit(points()))
    assert {value.dtype for value in back.state_dict().values()} == {torch.float32}
    sizes = [sum(v.numel() * v.element_size() for v in load_tensors(tmp_path / f"{n}.safetensors")[0].values()) for n in ("whole", "half")]
    assert sizes[0] == 2 * sizes[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"field": None}, "holds a Siren.*field="),
        ({"field": "sirene"}, "sirene"),
        ({"field": "siren:size=2x9"}, "not a complete model"),
        ({"field": 5}, "not a complete model"),
        ({"field": ["siren"]}, "not a complete model"),
        ({"format": FORMAT + 1}, "newer nint"),
        ({"format": "one"}, "not a complete model"),
        ({"layout": None}, "no kind of signal"),
        ({"layout": {"kind": "image", "height": 0, "width": 7, "channels": 3}}, "height"),
        ({"layout": {"kind": "image", "height": 5}}, "lacks width, channels"),
        ({"layout": {"kind": "image", "height": 5, "width": 7, "channels": 3, "breadth": 1}}, "no setting 'breadth'"),
        ({"layout": {"kind": "image", "height": 5, "width": 7, "channels": 1}}, "not a complete model"),
    ],
)
def test_a_corrupt_header_is_refused(tmp_path, change, said):
    path = tmp_path / "m.safetensors"
    made().save(path)
    tensors, header = load_tensors(path)
    header["module"] = "Siren"
    save_tensors(path, tensors, header | change)
    with pytest.raises(UsageError, match=said):
        Fit.load(path)
    for key in change:
        if key != "module":
            save_tensors(path, tensors, {k: v for k, v in header.items() if k != key})
            with pytest.raises(UsageError, match="not a complete model"):
                Fit.load(path)


@pytest.mark.parametrize("header", [[], None, "text", 5])
def test_a_header_that_is_not_a_table_is_refused(tmp_path, header):
    save_tensors(tmp_path / "m.safetensors", {"a": torch.ones(1)}, header)
    with pytest.raises(UsageError, match="not a readable model or checkpoint"):
        Fit.load(tmp_path / "m.safetensors")


class Mine(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x):
        return torch.sin(self.layer(x))


def test_a_foreign_module_needs_to_be_passed(tmp_path):
    generator = torch.Generator().manual_seed(0)
    module = Mine()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    Fit(module, None, LAYOUT).save(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="holds a Mine, which is not one of nint's networks; pass it with field="):
        Fit.load(tmp_path / "m.safetensors")
    back = Fit.load(tmp_path / "m.safetensors", field=Mine())
    assert torch.equal(back(points()), module(points()).detach()) and back.spec is None
    with pytest.raises(UsageError, match="not a complete model"):
        Fit.load(tmp_path / "m.safetensors", field=nn.Linear(2, 2))


def test_evaluate_measures_the_same_layout_and_refuses_another():
    fit = made()
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    rows, columns = np.meshgrid(np.linspace(-1, 1, 5), np.linspace(-1, 1, 7), indexing="ij")
    prediction = np.clip(fit(np.stack([rows, columns], -1)).double().numpy(), 0, 1)
    expected = -10 * np.log10(np.mean((prediction - pixels / 255.0) ** 2))
    assert fit.evaluate(pixels)["psnr"] == pytest.approx(expected, abs=1e-4)
    assert fit.evaluate(ImageSignal(pixels)) == fit.evaluate(pixels)
    with pytest.raises(UsageError, match=r"3 channels.*2 to 1"):
        fit.evaluate(pixels[..., 0])
    with pytest.raises(UsageError, match=r"of kind image.*of kind array"):
        fit.evaluate(np.random.default_rng(0).random((4, 5, 6)), in_dims=3)


def test_a_pipe_is_no_model_and_no_record(tmp_path):
    os.mkfifo(tmp_path / "m.safetensors")
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(UsageError, match="named pipe"):
        Fit.load(tmp_path / "m.safetensors")
    with pytest.raises(UsageError, match="named pipe"):
        read_record(tmp_path)


def test_nothing_is_written_over_the_file_that_was_fitted(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(path)
    before = path.read_bytes()
    fit = nint.fit(path, field="siren:size=1x8", budget=1)
    for write in (fit.write, fit.save, fit.pack):
        with pytest.raises(UsageError, match=r"also the input .*a\.png"):
            write(path)
        assert path.read_bytes() == before
    fit.write(tmp_path / "b.png")
    fit.write(tmp_path / "b.png")  # any other file is replaced
