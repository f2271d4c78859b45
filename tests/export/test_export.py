"""Networks in other forms give the same values, and what has no form is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nint.errors import UsageError
from nint.export.onnx_graph import onnx_bytes
from nint.export.plain import Plain
from nint.export.program import program_of
from nint.export.write import sample_points
from nint.fields import FIELDS, build_field
from nint.runs.model import Fit

FORMS = (
    "siren",
    "finer",
    "gauss:scale=5",
    "wire",
    "pemlp",
    "ffn:frequencies=16",
    "mlp",
    "grid:max_vertices=300,half_side=0.7",
    "grid:max_vertices=256,hashed=true,aspect=2x1x3",
    "siren:aspect=2x1x3",
)
ABOUT = {"nint": "0"}


def network(form: str, axes: int) -> nn.Module:
    form = form.replace("2x1x3", "x".join("213"[:axes]))
    spec = FIELDS.parse(f"{form}{',' if ':' in form else ':'}size=2x24")
    built = build_field(spec, axes, 3, torch.Generator().manual_seed(0))
    for parameter in built.parameters():  # features of a fresh grid are next to 0
        if parameter.abs().max() < 1e-3:
            parameter.data.mul_(1e3)
    return built


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_the_operations_are_those_of_the_network(form: str, axes: int):
    module = network(form, axes)
    points = sample_points(torch.full((axes,), 1.2), 300).double()
    oracle = module.double()(points)  # in float64, where the order of sums does not matter
    plain = Plain(program_of(network(form, axes))).double()
    assert torch.allclose(plain(points), oracle, atol=1e-10 if form != "wire" else 1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_onnxruntime_gives_the_same_values(form: str):
    pytest.importorskip("onnx", reason="needs onnx, from the extra nint[onnx]")
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime, from the extra nint[test]")
    for axes in (1, 2):
        module = network(form, axes)
        session = runtime.InferenceSession(onnx_bytes(program_of(module), axes, 3, ABOUT), providers=["CPUExecutionProvider"])
        for count in (1, 500):
            points = sample_points(torch.ones(axes), count)
            (values,) = session.run(["values"], {"coords": points.numpy()})
            assert values.shape == (count, 3)
            assert np.abs(values - module(points).detach().numpy()).max() < 1e-5


def test_onnx_files_say_what_they_hold(fit: Fit, tmp_path: Path):
    onnx = pytest.importorskip("onnx", reason="needs onnx, from the extra nint[onnx]")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime, from the extra nint[test]")
    assert fit.export(tmp_path / "a.onnx") < 1e-5
    model = onnx.load(tmp_path / "a.onnx")
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert told["field"].startswith("siren:size=2x24") and json.loads(told["layout"])["width"] == 40


def test_pt2_runs_for_any_number_of_points(fit: Fit, tmp_path: Path):
    assert fit.export(tmp_path / "a.pt2") < 1e-5
    loaded = torch.export.load(tmp_path / "a.pt2").module()
    for count in (1, 77):
        points = sample_points(torch.ones(2), count)
        assert torch.allclose(loaded(points), fit(points), atol=1e-5)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.layer(x))


class Odd(Own):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) if float(x.sum()) < 10**9 else x


def test_a_network_of_ones_own_has_a_pt2_and_says_so_of_the_rest(fit: Fit, tmp_path: Path):
    own = Fit(Own(), None, fit.layout)
    own.export(tmp_path / "a.pt2")
    points = sample_points(torch.ones(2), 9)
    assert torch.allclose(torch.export.load(tmp_path / "a.pt2").module()(points), own(points))
    for name in ("a.onnx", "a.json"):
        with pytest.raises(UsageError, match=r"A Own is not one of nint's networks, so only \.pt2"):
            own.export(tmp_path / name)
    with pytest.raises(UsageError, match=r"The layer Tanh is not one of nint's"):
        Fit(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), None, fit.layout).export(tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=r"torch\.export cannot trace this Odd"):
        Fit(Odd(), None, fit.layout).export(tmp_path / "b.pt2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pt2"]


def test_other_endings_are_refused(fit: Fit, tmp_path: Path):
    with pytest.raises(UsageError, match=r"no ending that a network can be exported to; use \.onnx, \.pt2, \.json"):
        fit.export(tmp_path / "a.h5")


def test_without_onnx_one_sentence_says_what_to_install(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=r"ONNX files need the package onnx; pip install 'nint\[onnx\]'"):
        fit.export(tmp_path / "a.onnx")


def test_json_and_bin_hold_the_operations_and_the_weights(fit: Fit, tmp_path: Path):
    fit.export(tmp_path / "a.json")
    about, data = json.loads((tmp_path / "a.json").read_text()), (tmp_path / "a.bin").read_bytes()
    assert [step["kind"] for step in about["steps"]] == ["linear", "sine", "linear", "sine", "linear"]
    assert about["weights"] == "a.bin" and (about["width"], about["channels"]) == (40, 3)
    h = sample_points(torch.ones(2), 50).numpy().astype(np.float64)
    for step in about["steps"]:
        given = {
            name: np.frombuffer(data, "<f4", int(np.prod(at["shape"])), at["offset"]).reshape(at["shape"]).astype(np.float64)
            for name, at in step["tensors"].items()
        }
        h = h @ given["weight"].T + given["bias"] if step["kind"] == "linear" else np.sin(step["numbers"]["omega"] * h)
    assert np.abs(h - fit(sample_points(torch.ones(2), 50)).numpy()).max() < 1e-5
    assert (tmp_path / "a.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("form", ["wire", "gauss", "siren:weight_scale=2.5", "grid:interpolation=cubic,size=1x8,levels=2,max_vertices=64"])
def test_networks_of_the_usual_size_are_exported_within_their_own_rounding(form: str, fit: Fit, tmp_path: Path):
    torch.manual_seed(0)
    field = build_field(FIELDS.parse(form), 2, fit.layout.out_features, torch.Generator().manual_seed(0))
    model = Fit(field, FIELDS.parse(form), fit.layout)
    endings = (".pt2",) if "cubic" in form else (".onnx", ".pt2", ".json")
    for ending in endings:
        if ending == ".onnx":
            pytest.importorskip("onnx", reason="needs nint[onnx]")
        model.export(tmp_path / f"net{ending}")
        assert (tmp_path / f"net{ending}").stat().st_size > 500
    if "cubic" in form:
        with pytest.raises(UsageError, match=r"only .pt2 can be written"):
            model.export(tmp_path / "net.json")


def test_files_say_what_their_values_mean(fit: Fit, tmp_path: Path):
    fit.export(tmp_path / "net.json")
    found = json.loads((tmp_path / "net.json").read_text())
    assert found["layout"] == json.loads(json.dumps(fit.layout.to_json()))
    assert found["extent"] == pytest.approx([1.0, 1.0], abs=1e-2)
    fit.export(tmp_path / "net.pt2")
    extra = {"nint.json": ""}
    torch.export.load(tmp_path / "net.pt2", extra_files=extra)
    assert json.loads(extra["nint.json"])["layout"] == found["layout"]
