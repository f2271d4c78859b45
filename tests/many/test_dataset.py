"""The format of a dataset: what is written, what a kill or damage leaves, and how it is read."""

from __future__ import annotations

import errno
import json
import math
import os
import pickle

import numpy as np
import pytest
import torch
from oracles.pictures import waves

import nint
from nint.errors import UsageError
from nint.many import shards
from nint.many.batch import Order, fit_batch
from nint.many.card import LOADING, MARK
from nint.many.inputs import items_of
from nint.many.run import run_order
from nint.many.writer import Writer, parse_splits, split_of
from nint.runs.options import FitSettings
from nint.training.budgets import Budget

ORDER = Order(FitSettings(recipe="default", field="siren:size=2x8,weight_scale=1", sampler="uniform"), Budget(steps=4))


@pytest.fixture(scope="module")
def outcomes():
    return fit_batch(items_of({f"s{number}": waves(number) for number in range(5)}), ORDER)


@pytest.fixture
def written(tmp_path, outcomes, monkeypatch):
    """A dataset of five fields in shards of two."""
    monkeypatch.setattr(shards, "MOST_FIELDS", 2)
    writer = Writer(tmp_path, {"train": 0.5, "test": 0.5})
    for start in range(0, 5, 3):
        writer.add(outcomes[start : start + 3])
    writer.write_index()
    return tmp_path


def test_every_field_comes_back_as_it_was(written, outcomes):
    dataset = nint.open_dataset(written)
    assert dataset.ids == [f"s{number}" for number in range(5)]
    assert shards.shard_names(written) == [f"shards/{number:06d}.safetensors" for number in range(3)]
    for number, one in enumerate(outcomes):
        state, row = dataset[number]
        assert (
            list(state) == list(one.state) == ["0.linear.weight", "0.linear.bias", "1.linear.weight", "1.linear.bias", "2.weight", "2.bias"]
        )
        assert all((state[name].numpy() == one.state[name]).all() for name in state)
        assert row["psnr"] == one.row["metrics"]["psnr"] and row["shape"] == [12, 10, 3] and row["kind"] == "image"
        assert json.loads(row["settings"])["field"] == row["field"] == "siren:size=2x8,aspect=1.2x1"
        fit = dataset.fit(row["id"])
        assert fit.evaluate(waves(number))["psnr"] == pytest.approx(row["psnr"], abs=1e-4)
        assert fit.metrics["psnr"] == row["psnr"]
    with pytest.raises(IndexError):
        dataset[5]
    with pytest.raises(UsageError, match="has no field 's9'"):
        dataset.fit("s9")


def test_a_loader_gives_flat_parameters_from_several_processes_worth_of_copies(written):
    dataset = nint.open_dataset(written, flat=True)
    loader = torch.utils.data.DataLoader(pickle.loads(pickle.dumps(dataset)), batch_size=5)
    (vectors, rows) = next(iter(loader))
    assert vectors.shape == (5, 2 * 8 + 8 + 8 * 8 + 8 + 8 * 3 + 3)
    assert (vectors[2] == dataset[2][0]).all() and rows["id"][2] == "s2"


def test_splits_are_parts_that_do_not_depend_on_order(written):
    parts = [nint.open_dataset(written, split=name) for name in ("train", "test")]
    assert sorted(id for part in parts for id in part.ids) == nint.open_dataset(written).ids
    assert all(split_of(id, {"train": 0.5, "test": 0.5}) == "train" for id in parts[0].ids)
    with pytest.raises(UsageError, match="has no split 'val'; it has test, train"):
        nint.open_dataset(written, split="val")
    shares = [split_of(f"s{number}", {"a": 0.7, "b": 0.2, "c": 0.1}) for number in range(4000)]
    assert shares.count("a") / 4000 == pytest.approx(0.7, abs=0.03)
    assert parse_splits("train=0.9,test=0.1") == {"train": 0.9, "test": 0.1}
    for wrong in ("train", "train=x", "train=0.5,test=0.4", "train=1.5,test=-0.5"):
        with pytest.raises(UsageError, match="--splits"):
            parse_splits(wrong)


def test_it_is_read_without_nint(written, outcomes, monkeypatch):
    monkeypatch.chdir(written)
    assert len(LOADING.strip().splitlines()) <= 10 and "nint" not in LOADING
    found = {}
    exec(LOADING, found)
    assert found["row"]["id"] == "s0"
    assert all((found["weights"][name].numpy() == value).all() for name, value in outcomes[0].state.items())


def test_a_torn_index_is_told_and_made_again(written):
    index = written / "index.parquet"
    rows = nint.open_dataset(written).index.to_pylist()
    index.write_bytes(index.read_bytes()[:-40])
    with pytest.raises(UsageError, match=r"cut short or damaged .* --resume makes it again"):
        nint.open_dataset(written)
    writer = Writer(written, {"train": 0.5, "test": 0.5})
    assert writer.problems == ["The index was cut short or damaged; it is made again from the shards."]
    assert nint.open_dataset(written).index.to_pylist() == rows
    index.unlink()
    Writer(written, {"train": 1.0})
    assert nint.open_dataset(written).index.to_pylist() == rows


def test_an_index_that_lags_behind_is_brought_up(written, outcomes):
    before = (written / "index.parquet").read_bytes()
    writer = Writer(written, {"train": 1.0})
    extra = fit_batch(items_of({"new": waves(9)}), ORDER)
    writer._written_at = math.inf  # as if it had just been written: a kill comes before the next time
    writer.add(extra)
    assert (written / "index.parquet").read_bytes() == before
    assert len(Writer(written, {"train": 1.0})) == 6
    assert nint.open_dataset(written).ids[-1] == "new"


@pytest.mark.parametrize("cut", [10, 2000, -1])
def test_a_shard_that_was_cut_short_costs_its_own_signals_only(written, outcomes, cut):
    path = written / "shards" / "000001.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UsageError, match="not a readable shard"):
        nint.open_dataset(written)[2]
    assert nint.open_dataset(written)[4][1]["id"] == "s4"
    writer = Writer(written, {"train": 0.5, "test": 0.5})
    assert len(writer.problems) == 1 and "signals are fitted again" in writer.problems[0] and not path.exists()
    aside = path.with_name("damaged-000001.safetensors")
    assert f"It is kept as shards/{aside.name}" in writer.problems[0] and aside.exists()
    assert sorted(writer.sources) == ["s0", "s1", "s4"]
    writer.add(outcomes)  # what is there is not doubled
    writer.write_index()
    dataset = nint.open_dataset(written)
    assert sorted(dataset.ids) == [f"s{number}" for number in range(5)] and not path.exists()  # a number is not given twice
    for number, id in enumerate(dataset.ids):
        assert (dataset[number][0]["2.bias"].numpy() == outcomes[int(id[1:])].state["2.bias"]).all()


def test_a_shard_that_cannot_be_opened_is_left_as_it_is(written, monkeypatch):
    import builtins

    first, second = (written / "shards" / f"00000{number}.safetensors" for number in (0, 1))
    before, real = second.read_bytes(), open

    def refusing(name, *rest, **options):
        if name == second:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(name))
        return real(name, *rest, **options)

    first.write_bytes(first.read_bytes()[:-1])  # the other's damage is not mended meanwhile
    monkeypatch.setattr(builtins, "open", refusing)
    with pytest.raises(UsageError, match=r"000001.safetensors cannot be opened: Too many open files\."):
        Writer(written, {"train": 1.0})
    with pytest.raises(UsageError, match=r"cannot be opened: Too many open files\."):
        nint.open_dataset(written)[2]
    monkeypatch.undo()
    assert second.read_bytes() == before and first.exists()
    assert len(Writer(written, {"train": 1.0})) == 3


@pytest.mark.parametrize(
    "told", ["null", "[]", "{}", "no JSON", '{"format": 1, "names": ["2.bias"], "rows": [{}]}', '{"format": 1, "names": ["x"], "rows": []}']
)
def test_headers_that_cannot_be_are_damage(tmp_path, told):
    from safetensors.numpy import save_file

    (tmp_path / "shards").mkdir()
    path = tmp_path / "shards" / "000000.safetensors"
    save_file({"2.bias": np.zeros((1, 3), np.float32), "x": np.zeros((), np.float32)}, str(path), metadata={"nint": told})
    assert "is not a readable shard" in Writer(tmp_path, {"train": 1.0}).problems[0]
    save_file({"x": np.zeros((), np.float32)}, str(path), metadata={"nint": '{"format": 99, "nint": "9.9"}'})
    with pytest.raises(UsageError, match=r"was written by a newer nint \(9.9\)"):
        Writer(tmp_path, {"train": 1.0})
    assert path.exists()


def test_fields_of_several_shapes_lie_in_shards_of_their_own(tmp_path):
    writer = Writer(tmp_path, {"train": 1.0})
    items = items_of({"grey": waves(0, channels=1), "colour": waves(1), "other": waves(2, channels=1)})
    writer.add(fit_batch(items, ORDER))
    writer.write_index()
    dataset = nint.open_dataset(tmp_path)
    assert len(shards.shard_names(tmp_path)) == 2
    assert [tuple(dataset[number][0]["2.bias"].shape) for number in range(3)] == [(1,), (3,), (1,)]


def test_what_failed_is_listed_and_then_forgotten(tmp_path, outcomes):
    writer = Writer(tmp_path, {"train": 1.0})
    bad = fit_batch(items_of({"s0": np.zeros((4, 4), np.uint8)}), ORDER)
    assert "nothing to learn" in bad[0].error
    writer.add(bad)
    writer.write_index()
    assert Writer(tmp_path, {"train": 1.0}).failed == [{"id": "s0", "source": bad[0].source, "error": bad[0].error}]
    writer.add(outcomes[:1])
    writer.write_index()
    assert json.loads((tmp_path / "failed.json").read_text()) == {"signals": []}


def test_a_card_of_ones_own_stays(tmp_path):
    items = items_of({"one": waves(0)})
    run_order(items, ORDER, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.startswith("---\ntags:") and MARK in card and "1 image" in card
    (tmp_path / "out" / "README.md").write_text("Mine.")
    run_order(items_of({"two": waves(1)}), ORDER, tmp_path / "out", resume=True)
    assert (tmp_path / "out" / "README.md").read_text() == "Mine."
    assert nint.open_dataset(tmp_path / "out").ids == ["one", "two"]


def test_no_dataset_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"is not a dataset of fields: it has no index.parquet"):
        nint.open_dataset(tmp_path)
