"""Going on with a dataset: which signals are done, and whether it is fitted in the same way."""

from __future__ import annotations

import json

import pytest
from oracles.pictures import waves
from PIL import Image

import nint
from nint.cli.main import main
from nint.errors import UsageError
from nint.many.described import check_same, described
from nint.many.run import read_order

SETTINGS = {"field": "siren:size=1x4", "sampler": "uniform", "threads": 1, "budget": 2}
WORDS = ["--size", "1x8", "--steps", "2", "--threads", "1", "--workers", "1"]


@pytest.fixture
def xy(tmp_path, monkeypatch):
    """Two folders of the same two names, as working directory."""
    for number, name in enumerate(("x/0.png", "x/1.png", "y/0.png", "y/1.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(waves(number)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_of_the_same_names_adds_its_own_signals_only(xy, capsys):
    assert main(["fit-all", "x", "--out", "d", *WORDS]) == 0
    capsys.readouterr()
    assert main(["fit-all", "./x", "y", "--out", "d", "--resume", *WORDS]) == 0
    said = capsys.readouterr().out
    assert "4, 2 of them in d already" in said and "fitted  2 in" in said
    dataset = nint.open_dataset("d")
    assert dict(zip(dataset.ids, dataset.index.column("source").to_pylist(), strict=True)) == {
        "0.png": "x/0.png",
        "1.png": "x/1.png",
        "y/0.png": "y/0.png",
        "y/1.png": "y/1.png",
    }
    for inputs in (["x"], ["y"], [str(xy / "y"), "x/0.png"]):
        assert main(["fit-all", *inputs, "--out", "d", "--resume", *WORDS]) == 0
        assert "fitted  0 in" in capsys.readouterr().out
    assert len(nint.open_dataset("d")) == 4


def test_other_weights_to_start_from_are_another_dataset(xy, capsys):
    for seed in (1, 2):
        nint.fit(waves(9), budget=2, out=xy / f"m{seed}", seed=seed, field="siren:size=1x8,aspect=1.2x1")
    words = ["fit-all", "x", "--out", "d", "--like", "m1", *WORDS]
    assert main([*words, "--init", "m1"]) == 0
    assert json.loads((xy / "d" / "dataset.json").read_text())["order"]["init"] == "model.safetensors"
    assert main([*words, "--resume", "--init", "m2"]) == 2
    assert "was made otherwise: init_weights was " in capsys.readouterr().err
    path = xy / "m1" / "model.safetensors"
    first = nint.Fit.load(path)
    first.record["training_seconds"] = 99.0  # the same weights in another file
    first.save(path)
    assert main([*words, "--resume", "--init", "m1"]) == 0
    path.write_bytes(path.read_bytes()[:100])
    assert main(["fit-all", "x", "--out", "e", *WORDS, "--init", "m1"]) == 2
    assert "is not a readable model" in capsys.readouterr().err and not (xy / "e").exists()


def test_settings_of_zero_are_compared(tmp_path):
    def told(**settings):
        return described(read_order("default", 2, None, None, False, settings), None)

    def check(before, now):
        (tmp_path / "dataset.json").write_text(json.dumps({"format": 1, "nint": "0.1.0", "order": before}))
        check_same(tmp_path, now)

    assert told(warm_up=0.0, compile=False)["settings"] == told(warm_up=0.0)["settings"] != told()["settings"]
    check(told(warm_up=0.0), told(warm_up=0.0))
    for before, now, words in (
        ({"warm_up": 0.0}, {}, "warm_up was 0.0, now None"),
        ({}, {"warm_up": 0.0}, "warm_up was None, now 0.0"),
        ({"warm_up": 0.1}, {"warm_up": 0.0}, "warm_up was 0.1, now 0.0"),
        ({"seed": 3}, {}, "seed was 3, now 0"),
    ):
        with pytest.raises(UsageError, match=f"was made otherwise: {words}. Give"):
            check(told(**before), told(**now))
    older = told()
    del older["init_weights"], older["settings"]["seed"]  # what datasets were like before
    check(older, told())
    check(older | {"init": "model.safetensors"}, told() | {"init": "model.safetensors", "init_weights": "0123"})
    with pytest.raises(UsageError, match="seed was None, now 5"):
        check(older, told(seed=5))


def test_things_in_memory_are_known_again_by_their_content(tmp_path):
    out = tmp_path / "j"
    assert nint.fit_all([waves(0), waves(1)], out, **SETTINGS).ids == ["00000000", "00000001"]
    before = nint.open_dataset(out).index.to_pylist()
    assert all(row["source"].startswith("memory:") for row in before)
    for other in ([waves(0), waves(2)], [Image.fromarray(waves(number)) for number in (0, 1)], {"00000001": waves(0)}):
        with pytest.raises(UsageError, match=r"The dataset holds another signal as '0000000[01]'"):
            nint.fit_all(other, out, resume=True, **SETTINGS)
    assert nint.open_dataset(out).index.to_pylist() == before
    assert len(nint.fit_all([waves(0), waves(1), waves(2)], out, resume=True, **SETTINGS)) == 3
    opened = [Image.fromarray(waves(number)) for number in range(2)]
    for number, image in enumerate(opened):
        image.save(tmp_path / f"{number}.png")
    opened = [Image.open(tmp_path / f"{number}.png") for number in range(2)]
    for resume in (False, True):  # the second time they are decoded
        assert nint.fit_all(opened, tmp_path / "images", resume=resume, **SETTINGS).ids == ["00000000", "00000001"]


def test_a_dataset_is_not_written_into_its_input(xy):
    for inputs in ("x", ["x", "y"], {"one": xy / "x"}, iter(["x"])):
        with pytest.raises(UsageError, match="lies inside the input"):
            nint.fit_all(inputs, "x/ds", **SETTINGS)
    assert sorted(path.name for path in (xy / "x").iterdir()) == ["0.png", "1.png"]
