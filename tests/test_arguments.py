"""Public functions refuse what an argument cannot be in one sentence, before anything is read, trained or written."""

import os

import numpy as np
import pytest
import torch

import nint
from nint.arguments import finite, place, switch
from nint.errors import listed

IMAGE = (np.random.default_rng(0).random((16, 16, 3)) * 255).astype(np.uint8)
SMALL = {"budget": 2, "field": "siren:size=1x8", "total_steps": 2}


class Thing:
    """Nothing that an argument could be."""


@pytest.fixture(scope="module")
def fitted():
    return nint.fit(IMAGE, **SMALL)


def test_a_switch_is_true_or_false():
    assert [switch(value, "half") for value in (True, False, 1, 0, np.True_, np.False_)] == [True, False] * 3
    for value in ("no", "", None, 2, 1.0, [], Thing(), torch.ones(2)):
        with pytest.raises(nint.UsageError, match="half must be True or False"):
            switch(value, "half")


def test_a_path_is_text_that_is_not_empty(tmp_path):
    assert place(tmp_path, "out") == place(str(tmp_path), "out") == tmp_path
    for value in (3, None, b"x", [], ("a",), Thing()):
        with pytest.raises(nint.UsageError, match="out must be a path"):
            place(value, "out")
    with pytest.raises(nint.UsageError, match="out is empty"):
        place("", "out")


def test_a_number_is_finite():
    assert finite(2, "scale") == finite(np.float32(2), "scale") == 2.0
    for value in ("2", None, True, float("nan"), float("inf"), [2], Thing()):
        with pytest.raises(nint.UsageError, match=r"scale=.* must be a finite number"):
            finite(value, "scale")


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("force", "resume", "half", "snapshots", "compile") for value in ("no", "false", 3, None, Thing())]
    + [(name, value) for name in ("out", "init") for value in ("", 3, b"x", [], Thing())]
    + [("optimizer", value) for value in (3, [], Thing(), "adm")]
    + [("lr_schedule", value) for value in (3, 2.5, Thing(), "cosin")]
    + [("monitors", value) for value in ("no", 3, None, [1], [Thing()])]
    + [("device", value) for value in (3, [], "gpu")],
)
def test_fit_refuses_what_an_argument_cannot_be_and_writes_nothing(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {"lr_schedule": "no learning-rate schedule", "device": "device"}.get(name, name)
    with pytest.raises(nint.UsageError, match=said) as told:
        nint.fit(IMAGE, **SMALL | {name: value})
    assert "\n" not in str(told.value)
    assert os.listdir(tmp_path) == []


def test_force_as_a_text_replaces_no_run(tmp_path):
    nint.fit(IMAGE, out=tmp_path / "run", **SMALL)
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    with pytest.raises(nint.UsageError, match="force must be True or False"):
        nint.fit(IMAGE, out=tmp_path / "run", force="no", **SMALL | {"seed": 1})
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("force", "resume", "own_seeds") for value in ("no", None, Thing())]
    + [(name, value) for name in ("out", "init", "like") for value in ("", 3, Thing())]
    + [(name, value) for name in ("workers", "threads") for value in ("2", 0, -1, 2.5, True, Thing())]
    + [("inputs", value) for value in ("", [""], 3, None, Thing())]
    + [("recipe", value) for value in ("papr", b"x", Thing())]
    + [("scheduler", 3), ("splits", 3), ("splits", "no"), ("device", 3), ("compile", "no")],
)
def test_fit_all_refuses_what_an_argument_cannot_be(name, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = {"inputs": "inputs must be|A path is empty"}.get(name, name)
    with pytest.raises(nint.UsageError, match=said) as told:
        nint.fit_all(**{"inputs": [IMAGE], "out": "fields", **SMALL, name: value})
    assert "\n" not in str(told.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("value", ["", 3, b"x", [], Thing()])
def test_models_are_read_and_written_at_paths_only(value, fitted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for use in (fitted.save, fitted.write, fitted.pack, fitted.export, fitted.save_pretrained, nint.Fit.load, nint.Fit.from_pretrained):
        with pytest.raises(nint.UsageError, match=r"(path|folder) (must be a path|is empty)"):
            use(value)
    with pytest.raises(nint.UsageError, match=r"path (must be a path|is empty)"):
        nint.open_dataset(value)
    assert os.listdir(tmp_path) == []


def test_a_model_refuses_what_is_no_number_device_or_point(fitted, tmp_path):
    fitted.save(tmp_path / "m.safetensors")
    for value in ("gpu", "", 3, True, [], Thing()):
        with pytest.raises(nint.UsageError, match=r"device|Device"):
            nint.Fit.load(tmp_path / "m.safetensors", device=value)
    for value in ("2", [], True, float("nan"), 0, -1, Thing()):
        with pytest.raises(nint.UsageError, match="scale="):
            fitted.decode(scale=value)
    for value in ("2", [], True, float("nan"), 0, 40, Thing()):
        with pytest.raises(nint.UsageError, match="bits="):
            fitted.pack(tmp_path / "m.nint", bits=value)
        with pytest.raises(nint.UsageError, match="max_kilobytes="):
            fitted.pack(tmp_path / "m.nint", max_kilobytes=value if value != 40 else -1)
    for value in ("x", None, {"a": 1}, 3.0, [[1, 2, 3]], Thing()):
        with pytest.raises(nint.UsageError, match="coords"):
            fitted(value)
    assert fitted.to(torch.device("cpu")) is fitted


@pytest.mark.parametrize(
    ("name", "value"),
    [("value_range", value) for value in (3, "01", (), (1,), (0, 0), (1, 0), (0, float("nan")), ("0", "1"), {0: 1, 2: 3}, Thing())]
    + [("check_finite", value) for value in ("no", None, Thing())]
    + [("group", value) for value in (3, "world", Thing())],
)
def test_a_teacher_refuses_what_an_argument_cannot_be(name, value):
    network = torch.nn.Linear(2, 1)
    with pytest.raises(nint.UsageError, match=name):
        nint.Teacher(network, torch.rand(64, 2), torch.rand(64, 1), "uniform", total_steps=3, **{name: value})


def test_a_teacher_takes_the_range_of_an_array():
    teacher = nint.Teacher(
        torch.nn.Linear(2, 1), torch.rand(64, 2), torch.rand(64, 1), "uniform", total_steps=3, value_range=np.array([-1, 2])
    )
    assert teacher.probe.pool.value_range == (-1.0, 2.0)


def test_words_in_a_sentence():
    assert [listed(words) for words in (["a"], ["a", "b"], ("a", "b", "c"))] == ["a", "a and b", "a, b and c"]


def test_points_on_another_type_are_read(fitted):
    points = torch.rand(5, 2, dtype=torch.float64)
    assert torch.equal(fitted(points), fitted(points.numpy())) and torch.equal(fitted(points), fitted(points.float()))
