"""The commands about datasets, as a person runs them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nint
from nint.cli.main import main
from nint.many.card import LOADING
from nint.many.statistics import QUANTILES, spread, worst

WORDS = ["--size", "2x8", "--sampler", "uniform", "--steps", "4"]


@pytest.fixture
def dataset(folder, tmp_path, capsys):
    (folder / "bad.png").write_bytes(b"nothing")
    out = tmp_path / "dataset"
    assert main(["fit-all", str(folder), "--out", str(out), *WORDS]) == 0
    said = capsys.readouterr().out
    assert "fitted  7 in" in said and "failed: bad.png: " in said and "1 process" in said
    return out


def test_a_dataset_is_inspected_decoded_and_reported_on(dataset, tmp_path, capsys):
    assert main(["inspect", str(dataset)]) == 0
    said = capsys.readouterr().out
    for words in (
        "7 fields in 1 shards",
        "6 12x10x3, 1 8x9x3",
        "6 siren:size=2x8,aspect=1.2x1",
        "PSNR",
        "median",
        "worst by PSNR",
        "failed: bad.png",
    ):
        assert words in said, words
    assert main(["decode-all", str(dataset), "--out", str(tmp_path / "files"), "--scale", "2"]) == 0
    assert "7 of 7 signals written" in capsys.readouterr().out
    assert np.asarray(Image.open(tmp_path / "files" / "more" / "a.png")).shape == (24, 20, 3)
    (tmp_path / "files" / "b.png").unlink()
    assert main(["decode-all", str(dataset), "--out", str(tmp_path / "files")]) == 0
    assert "1 of 7 signals written, 6 were there already (--force overwrites them)\n" in capsys.readouterr().out
    pytest.importorskip("plotly")
    assert main(["report", str(dataset)]) == 0
    page = (dataset / "report.html").read_text(encoding="utf-8")
    assert "Place in the distribution" in page and page.count("data:image") >= 7 and "bad.png" in page


def test_fields_that_cannot_be_written_leave_no_folders_and_say_why(dataset, tmp_path, capsys):
    out = tmp_path / "files"
    assert main(["decode-all", str(dataset), "--out", str(out), "--scale", "1000000"]) == 1
    said = capsys.readouterr().out
    assert "0 of 7 signals written" in said and "not written: more/a.png: " in said and said.count("not written: ") == 7
    assert not out.exists()
    out.mkdir()
    (out / "b.png").mkdir()  # in the way of a file: it counts as there, and the others are written
    assert main(["decode-all", str(dataset), "--out", str(out)]) == 0
    assert "6 of 7 signals written" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"signals": [{}], "order": {}}', '{"signals": 1, "order": {"settings": 1}}'])
def test_a_damaged_file_beside_the_index_is_told(dataset, content, capsys):
    for name in ("failed.json", "dataset.json"):
        (dataset / name).write_text(content)
    assert main(["inspect", str(dataset)]) == 0
    said = capsys.readouterr().out
    assert "7 fields" in said and re.search("damaged +dataset.json and failed.json", said)
    assert main(["fit-all", str(dataset.parent / "in"), "--out", str(dataset), "--resume", *WORDS]) == 2
    assert "dataset.json is missing or damaged, so it is not known how" in capsys.readouterr().err


def test_a_folder_with_a_parquet_file_that_is_none(folder, tmp_path, capsys):
    (folder / "labels.parquet").write_bytes(b"a,b")
    for column in ([], ["--column", "image"]):
        assert main(["fit-all", str(folder), "--out", str(tmp_path / "out"), "--force", *column, *WORDS]) == 0
        said = capsys.readouterr().out
        assert "fitted  7 in" in said and "failed: labels.parquet: '" in said and "is not a Parquet file that can be read: " in said


def test_words_that_cannot_be_are_refused(dataset, folder, tmp_path, capsys):
    for words, sentence in (
        (["fit-all"], "fit-all needs INPUT; see nint fit-all --help."),
        (["fit-all", str(folder)], "fit-all needs --out, the folder of the dataset."),
        (["fit-all", str(folder), "--out", str(dataset)], "holds a dataset; choose another --out, or add --resume"),
        (["fit-all", str(folder), "--out", str(dataset), "--resume", "--steps", "5"], "was made otherwise: "),
        (["fit-all", str(folder), "--out", str(tmp_path / "o"), "--like", str(tmp_path / "gone")], "There is no model"),
        (["decode-all", str(dataset)], "decode-all needs --out, the folder for the files."),
        (["decode-all", str(tmp_path), "--out", str(tmp_path / "o")], "is not a dataset of fields: it has no index.parquet."),
    ):
        assert main(words) == 2
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


def test_the_page_shows_how_to_read_a_dataset_without_nint():
    page = (Path(__file__).parents[2] / "docs" / "many-signals.md").read_text(encoding="utf-8")
    snippets = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert LOADING in snippets  # executed in test_dataset.py


def test_distributions_and_the_worst():
    rows = [{"metrics": {"psnr": float(value), "lpips": float("nan")}} for value in range(101)]
    assert spread(rows) == {"psnr": [0.0, 5.0, 50.0, 95.0, 100.0]}
    assert spread([{"metrics": {"psnr": value}} for value in (40.0, 20.0)])["psnr"] == pytest.approx([20, 21, 30, 39, 40])
    inf = float("inf")
    assert spread([{"metrics": {"psnr": value}} for value in (inf, 20.0, inf)])["psnr"][1:] == [inf] * 4
    numbers = np.random.default_rng(0).normal(size=37)
    assert spread([{"metrics": {"psnr": value}} for value in numbers])["psnr"] == pytest.approx(np.quantile(numbers, QUANTILES))
    values = [("a", 3.0), ("b", float("nan")), ("c", 1.0), ("d", 2.0)]
    assert worst(values, "psnr", 2) == [("c", 1.0), ("d", 2.0)]
    assert worst(values, "chamfer", 1) == [("a", 3.0)]


def test_where_no_signal_can_be_fitted_one_sentence_says_why_even_when_quiet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.random.default_rng(0).random((6, 7), np.float32))
    words = ["fit-all", "a.npy", "--steps", "1", "--size", "1x4", "--threads", "1", "--workers", "1"]
    assert main([*words, "--quiet", "--out", "out"]) == 2
    found = capsys.readouterr()
    assert found.out == "" and found.err.count("\n") == 1
    assert found.err.startswith("nint: None of the 6 signals could be fitted; the first: 'array' has the shape (7,); an image is")
    assert found.err.endswith("channels. All reasons are in out/failed.json.\n")


def test_decoding_never_replaces_what_was_fitted(dataset, folder, tmp_path, capsys):
    before = {path: path.read_bytes() for path in folder.rglob("*.png")}
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a1.png").symlink_to(folder / "a0.png")  # another signal's source, by way of a link
    assert main(["decode-all", str(dataset), "--out", str(folder), "--force"]) == 1
    said = capsys.readouterr().out
    assert "0 of 7 signals written" in said and said.count("is one of the signals that the dataset was fitted to") == 7
    assert main(["decode-all", str(dataset), "--out", str(tmp_path / "files"), "--force"]) == 1
    assert "6 of 7 signals written" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == before


def test_sources_are_known_again_from_another_folder(tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "photos").mkdir()
    Image.fromarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3)).save(tmp_path / "a" / "photos" / "p.png")
    monkeypatch.chdir(tmp_path / "a")
    assert main(["fit-all", "photos", "--out", "../b/ds", *WORDS]) == 0
    monkeypatch.chdir(tmp_path / "b")
    before = (tmp_path / "a" / "photos" / "p.png").read_bytes()
    assert main(["decode-all", "ds", "--out", "../a/photos", "--force"]) == 1
    assert "is one of the signals that the dataset was fitted to" in capsys.readouterr().out
    assert (tmp_path / "a" / "photos" / "p.png").read_bytes() == before
    monkeypatch.chdir(tmp_path / "a")
    assert main(["fit-all", "photos", "--out", "../b/ds", "--resume", *WORDS]) == 0


def test_a_dataset_that_replaces_another_takes_its_report_along(dataset, folder, tmp_path, capsys):
    pytest.importorskip("plotly")
    assert main(["report", str(dataset)]) == 0
    assert main(["fit-all", str(folder / "b.png"), "--out", str(dataset), "--force", *WORDS]) == 0
    assert not (dataset / "report.html").exists()
    capsys.readouterr()
    assert main(["report", str(dataset), "--input", str(folder / "b.png")]) == 2
    assert "--input applies to the report of a fit or a comparison" in capsys.readouterr().err


def test_a_list_without_files_and_a_packed_model_to_be_like(folder, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    out = tmp_path / "new"
    assert main(["fit-all", f"@{tmp_path / 'empty.txt'}", "--out", str(out), *WORDS]) == 2
    assert "empty.txt names no files; a list has a path on each line." in capsys.readouterr().err
    assert not out.exists()
    pytest.importorskip("cbor2", reason="packing needs cbor2, from the extra nint[pack]")
    fit = nint.fit("sample:camera", max_side=8, field="siren:size=1x8", budget=2)
    fit.pack(tmp_path / "donor.nint")
    assert main(["fit-all", str(folder / "b.png"), "--out", str(out), "--like", str(tmp_path / "donor.nint"), "--steps", "2"]) == 2
    assert "donor.nint does not say how it was fitted" in capsys.readouterr().err


def test_a_dataset_without_a_field_does_not_stand_in_the_way(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    settings = ["--field", "siren:size=1x8", "--steps", "2", "--out", "made", "--quiet"]
    assert main(["fit-all", "typo", *settings]) == 2
    assert "There is no file 'typo'" in capsys.readouterr().err
    assert main(["fit-all", str(folder), *settings]) == 0
    assert len(nint.open_dataset("made")) == 7
    assert main(["fit-all", str(folder), *settings]) == 2  # now there is something to lose
    assert "holds a dataset" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x.npy", "x.parquet", "@x.txt"])
def test_pipes_are_refused(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo(name.removeprefix("@"))
    assert main(["fit-all", name, "--steps", "2", "--out", "made", "--quiet"]) == 2
    assert "named pipe" in capsys.readouterr().err
