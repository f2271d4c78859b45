"""Signals whose names are not UTF-8, and what is said of the signals of a dataset together."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import pytest
from oracles.pictures import waves
from PIL import Image

import nint
from nint.cli.main import main
from nint.many.notes import counted
from nint.many.shards import Shard
from nint.many.writer import Writer

WORDS = ["--size", "1x4", "--sampler", "uniform", "--steps", "2", "--threads", "1", "--workers", "1"]
SWITCHED = "\N{REPLACEMENT CHARACTER}"

needs_such_names = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names of files are text here")


def named(folder, *names):
    folder.mkdir()
    found = [os.path.join(folder, os.fsdecode(name)) for name in names]
    for number, path in enumerate(found):
        with open(path, "wb") as file:
            Image.fromarray(waves(number)).save(file, "PNG")
    return found


@needs_such_names
def test_names_that_are_not_utf8_are_fitted_once_under_ids_that_are(tmp_path, capsys):
    paths = named(tmp_path / "in", b"lat\xe8.png", b"lat\xe9.png", b"other\xff.png", b"plain.png")
    out = tmp_path / "out"
    words = ["fit-all", str(tmp_path / "in"), "--out", str(out), "--own-seeds", "--splits", "train=0.5,test=0.5", *WORDS]
    assert main(words) == 0
    dataset = nint.open_dataset(out)
    assert len(dataset) == 4 and {f"other{SWITCHED}.png", "plain.png"} <= set(dataset.ids)
    assert sum(f"lat{SWITCHED}.png" in id for id in dataset.ids) == 2
    assert sorted(Writer(out, {"train": 1.0}).sources.values()) == sorted(paths)  # as they are
    assert main([*words, "--resume"]) == 0
    assert "4 of them in" in capsys.readouterr().out
    assert main(["decode-all", str(out), "--out", str(tmp_path / "files")]) == 0
    assert (tmp_path / "files" / f"other{SWITCHED}.png").exists()


@needs_such_names
def test_a_file_of_such_a_name_that_cannot_be_fitted_is_one_line(tmp_path, capsys):
    bad, _ = named(tmp_path / "in", b"bad\xe9.png", b"good.png")
    with open(bad, "wb") as file:
        file.write(b"nothing")
    for more in ([], ["--resume"]):
        assert main(["fit-all", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *WORDS, *more]) == 0
        assert f"failed: bad{SWITCHED}.png: '" in capsys.readouterr().out.replace("\\udce9", SWITCHED)
    (failed,) = json.loads((tmp_path / "out" / "failed.json").read_text())["signals"]
    assert failed["id"] == f"bad{SWITCHED}.png" and failed["source"] == bad
    assert nint.open_dataset(tmp_path / "out").ids == ["good.png"]


@needs_such_names
def test_pages_and_tables_are_written_of_such_names(tmp_path, monkeypatch):
    for package in ("jinja2", "markdown_it", "matplotlib"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    (path, other) = named(tmp_path / "in", b"lat\xe9.png", b"b.png")
    assert main(["fit", path, *WORDS[:8], "--out", "fit", "--html", "--quiet"]) == 0
    assert f"lat{SWITCHED}.png" in (tmp_path / "fit" / "report.html").read_text(encoding="utf-8")
    assert main(["report", "fit"]) == 0
    assert main(["compare", path, other, "--samplers", "uniform", "--size", "1x4", "--steps", "2", "--out", "cmp", "--html"]) == 0
    assert f"lat{SWITCHED}.png" in (tmp_path / "cmp" / "table.md").read_text(encoding="utf-8")


def test_the_index_tells_only_of_what_is_in_a_shard(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def refusing(self, place):
        raise RuntimeError("no shard")

    monkeypatch.setattr(Shard, "write", refusing)
    with pytest.raises(RuntimeError, match="no shard"):
        nint.fit_all(folder, out, budget=2, field="siren:size=1x4", sampler="uniform")
    assert len(nint.open_dataset(out)) == 0 and json.loads((out / "failed.json").read_text()) == {"signals": []}
    monkeypatch.undo()
    assert len(nint.fit_all(folder, out, budget=2, field="siren:size=1x4", sampler="uniform", resume=True)) == 7


def profiled(path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(waves(0)).save(path, icc_profile=profile, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x0f\0\2\0\0\0\2x\0\0\0\0\0\0\0")


def test_notes_on_each_file_are_counted_and_stored(tmp_path, capsys):
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    for name in ("a.jpg", "b.jpg"):
        profiled(place / name)
    Image.fromarray(waves(0)).save(place / "c.png")
    assert main(["fit-all", str(place), "--out", str(out), *WORDS]) == 0
    said = capsys.readouterr().out
    assert "note: 2 of 3, for example: The model does not keep the EXIF data of 'a.jpg'.\n" in said
    assert f"notes   on 3 of 3 (all in {out}/notes.json)\n" in said
    told = {one["id"]: one["notes"] for one in json.loads((out / "notes.json").read_text())["signals"]}
    assert told["b.jpg"][0] == "The model does not keep the EXIF data of 'b.jpg'." and len(told["c.png"]) == 1
    (out / "notes.json").unlink()  # as of a dataset of before; shards hold them
    assert main(["fit-all", str(place), "--out", str(out), *WORDS, "--resume"]) == 0
    assert (
        "note: " not in capsys.readouterr().out
        and {one["id"]: one["notes"] for one in json.loads((out / "notes.json").read_text())["signals"]} == told
    )
    assert main(["decode-all", str(out), "--out", str(tmp_path / "files"), "--ending", "bmp"]) == 0
    assert "note: 2 of 3: " in capsys.readouterr().out
    assert main(["decode-all", str(out), "--out", str(tmp_path / "files"), "--ending", "png"]) == 0
    assert "note: " not in capsys.readouterr().out


def test_notes_that_differ_in_names_and_numbers_are_counted_together():
    notes = [("a", "'a.wav' has 1,200 samples."), ("b", "'b.wav' has 3 samples."), ("b", "It is quiet."), ("c", "It is quiet.")]
    notes += [("d", "It is quiet.")]
    assert counted(notes, 12) == ["3 of 12: It is quiet.", "2 of 12, for example: 'a.wav' has 1,200 samples."]
    assert counted([], 0) == []


def test_images_in_a_table_are_read_as_files_are(tmp_path, capsys):
    import io

    import cv2
    import pyarrow as pa
    import pyarrow.parquet as pq
    import tifffile

    from nint.many.inputs import items_of
    from nint.signals.open import open_signal

    rng = np.random.default_rng(0)
    deep, floats = rng.integers(0, 65536, (9, 8, 3)).astype(np.uint16), rng.random((9, 8), np.float32)
    tiff, jpeg2000 = io.BytesIO(), io.BytesIO()
    tifffile.imwrite(tiff, floats)
    Image.fromarray(waves(0)).save(jpeg2000, "JPEG2000")  # which no file of ours may be, but which Pillow reads
    cells = [cv2.imencode(".png", deep)[1].tobytes(), tiff.getvalue(), jpeg2000.getvalue(), b"junk"]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": cells}), path)
    items = items_of([str(path)])
    first, second, third = (open_signal(item.open(), max_points=10_000) for item in items[:3])
    assert (first.array == deep[..., ::-1]).all() and first.name == "a.parquet#0"
    assert second.array.dtype == np.float32 and (second.array == floats).all()
    assert third.array.shape == waves(0).shape
    with pytest.raises(nint.errors.UsageError, match="claims 72 pixels"):
        open_signal(items[0].open(), max_points=71)
    assert main(["fit-all", str(path), "--out", str(tmp_path / "out"), *WORDS]) == 0
    said = capsys.readouterr().out
    assert "fitted  3 in" in said and "object at 0x" not in said
    assert "a.parquet#3' holds no image that can be read; PNG, JPEG, TIFF, WebP, BMP and GIF can.\n" in said


def test_the_limit_on_what_a_file_claims_does_not_break_what_is_in_memory():
    from nint.signals.open import open_signal

    for source in (waves(0), Image.fromarray(waves(0))):
        assert open_signal(source, max_points=4).array.shape == waves(0).shape


def test_a_list_of_files_may_start_with_a_byte_order_mark(folder, tmp_path, monkeypatch):
    from nint.many.inputs import items_of

    monkeypatch.chdir(folder)
    (tmp_path / "list.txt").write_text("a1.png\nb.png\n", encoding="utf-8-sig")
    assert [item.source for item in items_of([f"@{tmp_path / 'list.txt'}"])] == ["a1.png", "b.png"]
