"""What a person names, as signals."""

from __future__ import annotations

import io

import numpy as np
import pytest
from oracles.pictures import waves
from PIL import Image

from nint.errors import UsageError
from nint.many.inputs import items_of
from nint.many.items import Loaded
from nint.many.plan import batch_size, batches
from nint.runs.options import FitSettings
from nint.signals.open import open_signal
from nint.training.budgets import Budget

SMALL = FitSettings(recipe="default", field="siren:size=2x16")


def ids(items):
    return [item.id for item in items]


def test_a_folder_gives_its_signals_and_nothing_else(folder):
    assert ids(items_of([str(folder)])) == ["a0.png", "a1.png", "a2.png", "a3.png", "a4.png", "b.png", "more/a.png"]
    with pytest.raises(UsageError, match="no signal that can be fitted"):
        items_of([str(folder)], kind="audio")


def test_files_patterns_and_lists(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    assert ids(items_of(["a*.png"])) == [f"a{number}.png" for number in range(5)]
    assert ids(items_of(["**/a.png"])) == ["a.png"]
    (tmp_path / "list.txt").write_text("# mine\na1.png\n\nmore/a.png\n")
    assert [item.source for item in items_of([f"@{tmp_path / 'list.txt'}", "b.png"])] == ["a1.png", "more/a.png", "b.png"]
    with pytest.raises(UsageError, match="No file fits the pattern 'c"):
        items_of(["c*.png"])
    with pytest.raises(UsageError, match=r"list of files 'gone.txt' cannot be read: No such file"):
        items_of(["@gone.txt"])


def test_names_that_clash_become_paths_and_what_is_named_twice_counts_once(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (folder / "more" / "a0.png").write_bytes((folder / "a0.png").read_bytes())
    assert ids(items_of(["a0.png", "more/a0.png", "b.png", "b.png"])) == ["a0.png", "more/a0.png", "b.png"]
    assert ids(items_of(["b.png", str(folder / "b.png")])) == ["b.png"]


def test_arrays_with_a_leading_axis(tmp_path):
    stack = np.stack([waves(number) for number in range(3)])
    np.save(tmp_path / "stack.npy", stack)
    np.save(tmp_path / "one.npy", stack[0])
    items = items_of([str(tmp_path / "stack.npy")])
    assert ids(items) == [f"stack.npy/{number:08d}" for number in range(3)]
    assert (items[2].open() == stack[2]).all()
    assert ids(items_of([str(tmp_path / "stack.npy"), str(tmp_path / "one.npy")])) == ["stack.npy", "one.npy"]
    assert len(items_of([str(tmp_path / "stack.npy"), str(tmp_path / "one.npy")], leading_axis=True)) == 3 + 12
    np.save(tmp_path / "stack.npy", stack[::-1])
    assert (items[2].open() == stack[0]).all()  # not what was kept of the file before
    np.save(tmp_path / "flat.npy", np.zeros(4))
    with pytest.raises(UsageError, match="no array of signals along its first axis"):
        items_of([str(tmp_path / "flat.npy")])


def test_zarr_arrays_with_a_leading_axis(tmp_path):
    zarr = pytest.importorskip("zarr")
    stack = np.stack([waves(number) for number in range(3)])
    array = zarr.create_array(str(tmp_path / "stack.zarr"), shape=stack.shape, dtype=stack.dtype, chunks=(1, *stack.shape[1:]))
    array[:] = stack
    items = items_of([str(tmp_path / "stack.zarr")])
    assert len(items) == 3 and (items[1].open() == stack[1]).all()


def encoded(number):
    buffer = io.BytesIO()
    Image.fromarray(waves(number)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("structs", [True, False])
def test_parquet_files_of_images(tmp_path, structs):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [encoded(0), encoded(1), b"no image", None]
    column = [None if cell is None else {"bytes": cell, "path": "x.png"} for cell in cells] if structs else cells
    path = tmp_path / "images.parquet"
    pq.write_table(pa.table({"label": [0, 1, 2, 3], "image": column}), path, row_group_size=2)
    items = items_of([str(path)])
    assert ids(items)[1] == "images.parquet/00000001"
    assert (open_signal(items[1].open()).array == waves(1)).all()
    with pytest.raises(UsageError, match="holds no image that can be read"):
        items[2].open()
    with pytest.raises(UsageError, match="holds no image"):
        items[3].open()
    assert ids(items_of([str(path)], column="image")) == ids(items)
    pq.write_table(pa.table({"image": column[::-1]}), path, row_group_size=2)
    assert (open_signal(items[2].open()).array == waves(1)).all()  # not what was kept of the file before
    pq.write_table(pa.table({"label": [0, 1]}), path)
    with pytest.raises(UsageError, match=r"has no column of images .* its columns: label"):
        items_of([str(path)])


def test_parquet_files_that_hold_no_images(folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    labels, torn = folder / "more" / "labels.parquet", folder / "torn.parquet"
    pq.write_table(pa.table({"label": [0, 1]}), labels)
    torn.write_bytes(b"PAR1 and no more")
    for column, words in ((None, "has no column of images"), ("image", "has no column 'image'; its columns: label")):
        found = {item.id: item for item in items_of([str(folder)], column=column)}
        assert len(found) == 9 and [len(batch) for batch in batches(found.values(), SMALL, Budget(steps=5))] == [6, 1, 2]
        for id, sentence in (("more/labels.parquet", words), ("torn.parquet", "is not a Parquet file that can be read")):
            with pytest.raises(UsageError, match=sentence):
                found[id].open()
        with pytest.raises(UsageError, match=words):
            items_of([str(labels)], column=column)
    with pytest.raises(UsageError, match="is not a Parquet file that can be read"):
        items_of([str(torn)], column="image")
    assert len(items_of([str(folder)], kind="image")) == 9
    with pytest.raises(UsageError, match="no signal that can be fitted"):
        items_of([str(folder)], kind="audio")
    (item, _) = items_of([str(labels)], column="label")
    assert item.kind_of_shape()[1] is None
    with pytest.raises(UsageError, match=r"The column 'label' of .* holds no images, but values of type int"):
        item.open()


def test_things_in_memory():
    items = items_of({"one": waves(0), "two": Image.fromarray(waves(1))})
    assert ids(items) == ["one", "two"] and (items[0].open() == waves(0)).all()
    assert ids(items_of([waves(0), waves(1)])) == ["00000000", "00000001"]
    with pytest.raises(UsageError, match="paths or signals, not both"):
        items_of([waves(0), "sample:camera"])


def test_the_source_of_a_thing_in_memory_is_its_content(tmp_path):
    import torch

    def source(value):
        return Loaded.of("one", value).source

    Image.fromarray(waves(0)).save(tmp_path / "a.png")
    opened = Image.open(tmp_path / "a.png")
    before = source(opened)
    assert before.startswith("memory:") and opened.tile  # not decoded, since from_pil asks the file for its bits
    assert (open_signal(opened).array == waves(0)).all()
    assert source(opened) == before == source(Image.fromarray(waves(0))) != source(Image.fromarray(waves(1)))
    flipped = waves(0)[::-1]
    assert source(waves(0)) == source(waves(0).copy()) == source(torch.from_numpy(waves(0))) != source(flipped)
    assert source(flipped) == source(flipped.copy()) != source(flipped.astype(np.int16))
    assert source(open_signal(waves(0))) != source(open_signal(waves(1)))
    palette = Image.fromarray(waves(0)).convert("P", palette=Image.Palette.ADAPTIVE)
    other = palette.copy()
    other.putpalette(palette.getpalette()[::-1])
    assert source(palette) != source(other)
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with Image.open(tmp_path / "cut.png") as cut:
        assert source(cut) == "PngImageFile" and source([1, 2]) == "list"


def test_batches_are_of_one_shape_and_hold_everything_once(folder):
    items = items_of([str(folder)])
    found = list(batches(items, SMALL, Budget(steps=5)))
    assert sorted(item.id for batch in found for item in batch) == sorted(ids(items))
    assert [ids(batch) for batch in found] == [["a0.png", "a1.png", "a2.png", "a3.png", "a4.png", "more/a.png"], ["b.png"]]
    assert [len(batch) for batch in batches(items, SMALL, Budget(seconds=1.0))] == [1] * 7


def test_small_signals_come_in_large_batches():
    assert batch_size(1024, SMALL, Budget(steps=5)) == 64
    assert batch_size(512 * 768, FitSettings(field="siren:size=5x256"), Budget(steps=5)) == 1
    assert 1 < batch_size(64 * 64, FitSettings(field="siren:size=5x256"), Budget(steps=5)) < 64
