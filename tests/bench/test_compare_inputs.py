"""The inputs of a comparison: each counts once, and those of one name are told apart."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from nint.bench.compare.asked import Comparison
from nint.bench.compare.pictures import write_pictures
from nint.bench.compare.table import comparison_table
from nint.bench.execute import missing, run_all
from nint.bench.store import Store
from nint.bench.tables.data import table_data
from nint.bench.tables.notes import notes
from nint.bench.tables.write import markdown
from nint.report.comparison import comparison_page
from nint.report.stored import specified, title_of


def picture(path: str | Path, seed: int, text: str = "") -> str:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", text)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (12, 12), dtype=np.uint8)).save(path, pnginfo=about)
    return str(path)


def table_of(*inputs, **changes):
    asked = {"samplers": ("uniform", "full"), "size": "1x8", "steps": 2, "seeds": 2, "checkpoints": (2,), "settings": {"lr": 1e-3}}
    return comparison_table(Comparison(inputs=inputs, **(asked | changes)))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "second",
    [
        "./x/0.png",
        "x/../x/0.png",
        "{here}/x/0.png",
        "link.png",
        "hard.png",
        "copy/0.png",
        "x/copy.png",
        "older/x/0.png",  # the same pixels in other bytes
    ],
)
def test_a_file_that_is_given_twice_counts_once(here, second):
    picture("x/0.png", 0)
    os.symlink("x/0.png", "link.png")
    os.link("x/0.png", "hard.png")
    for copy in ("copy/0.png", "x/copy.png"):
        Path(copy).parent.mkdir(exist_ok=True)
        shutil.copy("x/0.png", copy)
    picture("older/x/0.png", 0, "yesterday")
    second = second.format(here=here)
    once, twice = table_of("x/0.png"), table_of("x/0.png", second)
    assert [spec.key for spec in twice.specs] == [spec.key for spec in once.specs]
    assert (twice.inputs, twice.runs_a_row, twice.title) == (once.inputs, 2, once.title)
    assert twice.remarks == (f"{second} is left out: it is the same as x/0.png.",)
    data = table_data(twice, {})
    assert twice.remarks[0] in notes(data)["Inputs"]
    assert "with 1 input and 2 seeds there are 2 runs a row" in markdown(data)
    assert missing(twice.specs, Store(here / "out")) == twice.specs


def test_a_sample_counts_once_and_others_still_count(here):
    picture("x/0.png", 0), picture("x/1.png", 1)
    table = table_of("sample:camera", "x/0.png", "sample:camera", "x/1.png", "./x/0.png", signal_options={"max_side": 12})
    assert table.inputs == ["sample:camera", "x/0.png", "x/1.png"]
    assert table.remarks == ("sample:camera is named more than once and counts once.", "./x/0.png is left out: it is the same as x/0.png.")


def test_different_files_of_one_name_are_told_apart_everywhere(here):
    sources = picture("2023/jan/cam.png", 0), picture("2024/jan/cam.png", 1)
    table = table_of(*sources, tensorboard=True)
    assert table.inputs == ["2023/jan/cam.png", "2024/jan/cam.png"]
    assert table.title == "2023/jan/cam.png, 2024/jan/cam.png"
    assert table.runs_a_row == 4
    assert len({spec.key for spec in table.specs}) == len({spec.log for spec in table.specs}) == len({s.title for s in table.specs}) == 8
    assert {spec.log.split("/")[1] for spec in table.specs} == {"2023_jan_cam.png", "2024_jan_cam.png"}
    for source in sources:  # a run is the same one without the other beside it
        assert {spec.key for spec in table_of(source).specs} <= {spec.key for spec in table.specs}
        assert table_of(source).inputs == ["jan/cam.png"]

    table = table_of(*sources)
    out = here / "out"
    run_all(table.specs, Store(out), experiment="compare")
    written = [path.name for path in write_pictures(table, Store(out))]
    assert len(set(written)) == len(written) == 6
    for kind in ("reconstructions", "selection"):
        pictures = [(out / f"{kind}-{year}_jan_cam.png-siren_size=1x8.png").read_bytes() for year in (2023, 2024)]
        assert pictures[0] != pictures[1]

    runs, odd = specified(Store(out).records().values())
    assert not odd
    assert {title_of(spec) for spec, _ in runs} == {f"{year}/jan/cam.png, siren:size=1x8, 2 steps" for year in (2023, 2024)}
    assert "2 inputs" in comparison_page(out).lead


def test_comparisons_of_two_launches_are_told_apart_on_their_page(here, monkeypatch):
    picture("2023/jan/cam.png", 0), picture("2024/jan/cam.png", 1)
    store = Store(here / "out")
    for year in ("2023", "2024"):
        monkeypatch.chdir(here / year)
        run_all(table_of("jan/cam.png", seeds=1).specs, store, experiment="compare")
    monkeypatch.chdir("/")
    runs, _ = specified(store.records().values())
    assert [spec.input_name for spec, _ in runs] == ["2023/jan/cam.png"] * 2 + ["2024/jan/cam.png"] * 2
    assert "2 inputs" in comparison_page(here / "out").lead


def test_one_file_in_another_place_is_one_input_on_the_page(here):
    picture("old/x/0.png", 0)
    store = Store(here / "out")
    run_all(table_of("old/x/0.png", seeds=1).specs, store, experiment="compare")
    shutil.move("old", "new")
    run_all(table_of("new/x/0.png", seeds=2).specs, store, experiment="compare")
    runs, _ = specified(store.records().values())
    assert len(runs) == 4
    assert {spec.input_name for spec, _ in runs} == {"x/0.png"}
