"""From inputs to a dataset: here, on worker processes and on a cluster; what is killed in the middle is neither lost nor repeated."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from oracles.pictures import waves
from PIL import Image

import nint
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.files import TEMPORARY
from nint.many import plan
from nint.many.batch import Order, fit_batch
from nint.many.inputs import items_of
from nint.many.run import read_order, run_order
from nint.many.writer import Writer
from nint.runs.options import FitSettings
from nint.training.budgets import Budget

SETTINGS = {"field": "siren:size=2x8,weight_scale=1", "sampler": "nint-fast:batch_share=0.5", "optimizer": "adam"}


def order_of(steps=6, **options):
    return Order(FitSettings(recipe="default", **SETTINGS), Budget(steps=steps), **options)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(plan, "MOST", 2)


def fields(path):
    dataset = nint.open_dataset(path)
    assert len(set(dataset.ids)) == len(dataset)
    return {id: dataset[number][0] for number, id in enumerate(dataset.ids)}


def same(one, other):
    assert one.keys() == other.keys()
    for id, state in one.items():
        assert all(torch.equal(state[name], other[id][name]) for name in state), id


def test_a_folder_becomes_a_dataset_of_what_fit_gives(folder, tmp_path):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    dataset = nint.fit_all(folder, tmp_path / "out", budget=6, splits="train=0.5,test=0.5", **SETTINGS)
    assert sorted(dataset.ids) == ["a0.png", "a1.png", "a2.png", "a3.png", "a4.png", "b.png", "more/a.png"]
    for id in ("a3.png", "b.png"):
        alone = nint.fit(folder / id, budget=6, **SETTINGS)
        state, row = dataset[dataset.number_of(id)]
        assert all(torch.allclose(state[name], value, atol=1e-5) for name, value in alone.state_dict().items())
        assert row["psnr"] == pytest.approx(alone.metrics["psnr"], abs=1e-3)
        assert row["source"].endswith(id) and row["steps"] == 6 and row["split"] in ("train", "test")
    assert "bad.png" in (tmp_path / "out" / "failed.json").read_text()
    with pytest.raises(UsageError, match="holds a dataset; choose another --out"):
        nint.fit_all(folder, tmp_path / "out", budget=6, **SETTINGS)
    with pytest.raises(UsageError, match=r"was made otherwise: budget was \{'steps': 6\}, now \{'steps': 7\}"):
        nint.fit_all(folder, tmp_path / "out", budget=7, splits="train=0.5,test=0.5", resume=True, **SETTINGS)


def test_resuming_repeats_nothing_and_adds_what_is_new(folder, tmp_path, monkeypatch):
    out = tmp_path / "out"
    run_order(items_of([str(folder)]), order_of(), out)
    before = fields(out)
    Image.fromarray(waves(20)).save(folder / "new.png")
    fitted = []
    real = fit_batch
    monkeypatch.setattr("nint.many.dispatch.fit_batch", lambda batch, *a, **k: fitted.extend(batch) or real(batch, *a, **k))
    report = run_order(items_of([str(folder)]), order_of(), out, resume=True)
    assert [item.id for item in fitted] == ["new.png"]
    assert (report.wanted, report.before, report.fitted) == (8, 7, 1)
    after = fields(out)
    same(before, {id: after[id] for id in before})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    Image.fromarray(waves(21)).save(elsewhere / "new.png")  # another signal of the same name
    run_order(items_of([str(elsewhere)]), order_of(), out, resume=True)
    assert set(fields(out)) - set(after) == {f"{elsewhere.as_posix()}/new.png"}
    run_order(items_of([str(folder)]), order_of(steps=3), out, force=True)
    assert len(fields(out)) == 8


def test_every_kind_goes_in_and_comes_out(tmp_path):
    import scipy.io.wavfile

    place = tmp_path / "in"
    place.mkdir()
    Image.fromarray(waves(0)).save(place / "image.png")
    scipy.io.wavfile.write(place / "sound.wav", 800, (3000 * np.sin(np.arange(400) / 9)).astype(np.int16))
    np.save(place / "array.npy", np.random.default_rng(0).random((5, 6, 7)))
    (place / "points.csv").write_text("x,y,value\n" + "".join(f"{x},{y},{x * y}\n" for x in range(4) for y in range(4)))
    dataset = nint.fit_all(place, tmp_path / "out", budget=3, **SETTINGS)
    kinds = dict(zip(dataset.ids, dataset.index.column("kind").to_pylist(), strict=True))
    assert kinds == {"image.png": "image", "sound.wav": "audio", "array.npy": "volume", "points.csv": "points"}
    shapes = nint.fit_all(
        {"torus": "sample:torus"}, tmp_path / "shapes", budget=3, pool_size=200, iou_resolution=8, threads=1, field="siren:size=2x8"
    )
    assert shapes[0][1]["kind"] == "shape" and shapes[0][1]["together"] == 1 and 0 <= shapes[0][1]["iou"] <= 1
    from nint.many.decode import decode_all

    written = {id: (path, why) for id, path, why in decode_all(dataset, tmp_path / "files")}
    assert all(path is not None and path.exists() for path, _ in written.values()), written
    assert written["image.png"][0] == tmp_path / "files" / "image.png"
    assert np.asarray(Image.open(written["image.png"][0])).shape == (12, 10, 3)
    again = list(decode_all(dataset, tmp_path / "files"))
    assert [one[1:] for one in again] == [(None, "")] * 4


def test_seeds_are_shared_or_one_a_signal(pictures, tmp_path):
    items = {f"s{number}": waves(0) for number in range(2)}
    shared = fields(nint.fit_all(items, tmp_path / "shared", budget=3, **SETTINGS).path)
    assert all(torch.equal(shared["s0"][name], value) for name, value in shared["s1"].items())
    dataset = nint.fit_all(items, tmp_path / "own", budget=3, own_seeds=True, **SETTINGS)
    seeds = dataset.index.column("seed").to_pylist()
    assert len(set(seeds)) == 2
    alone = nint.fit(waves(0), budget=3, seed=seeds[1], **SETTINGS)
    assert all(torch.allclose(dataset[1][0][name], value, atol=1e-5) for name, value in alone.state_dict().items())


def test_settings_and_weights_of_a_model_serve_all(pictures, tmp_path):
    model = nint.fit(
        pictures[0], budget=3, out=tmp_path / "model", field="siren:size=2x9,omega_0=11", sampler="int:batch_share=0.37", lr=3e-3
    )
    path = tmp_path / "model" / "model.safetensors"
    order = read_order("default", 2, path, path, False, {})
    run_order(items_of({"one": pictures[1]}), order, tmp_path / "out")
    dataset = nint.open_dataset(tmp_path / "out")
    settings = dataset.row(0)["settings"]
    assert dataset.row(0)["field"] == FIELDS.text(model.spec) and model.spec.omega_0 == 11
    assert '"sampler": "int:batch_share=0.37"' in settings and '"lr": 0.003' in settings
    start = model.state_dict()
    assert max(float((dataset[0][0][name] - start[name]).abs().max()) for name in start) < 0.02
    with pytest.raises(UsageError, match="module of your own"):
        read_order("default", 2, None, None, False, {"field": torch.nn.Linear(2, 3)})


def test_a_signal_that_diverges_starts_again_at_half_the_rate(pictures):
    order = Order(
        FitSettings(recipe="default", field="siren:size=2x8,weight_scale=1", sampler="full", optimizer="adam", lr=60.0),
        Budget(steps=20),
    )
    found = fit_batch(items_of({"one": pictures[0]}), order)[0]
    alone = None
    try:
        alone = nint.fit(pictures[0], budget=20, field="siren:size=2x8,weight_scale=1", sampler="full", optimizer="adam", lr=60.0)
    except nint.DivergedError as error:
        assert found.error == str(error)
    if alone is not None:
        assert found.row["restarts"] == len(alone.record["restarts"])
    paper = Order(FitSettings(recipe="paper", field="siren:size=2x8,weight_scale=1", sampler="full", lr=1e6), Budget(steps=20))
    assert "Training diverged at step" in fit_batch(items_of({"one": pictures[0]}), paper)[0].error


def test_workers_give_the_same_bits_and_a_killed_one_loses_nothing(folder, tmp_path, small_batches):
    (folder / "bad.png").write_bytes(b"nothing")
    items, order = items_of([str(folder)]), order_of(steps=40)
    run_order(items, order, tmp_path / "one")
    killed, shards = [], tmp_path / "two" / "shards"

    def progress(done, what):
        if not killed and shards.exists() and multiprocessing.active_children():
            killed.append(done)
            os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)

    report = run_order(items, order, tmp_path / "two", workers=2, threads=1, progress=progress)
    assert killed and killed[0] < len(items)
    assert report.fitted == 7 and [id for id, _ in report.failed] == ["bad.png"]
    same(fields(tmp_path / "one"), fields(tmp_path / "two"))
    assert multiprocessing.active_children() == []


KILLED = """
import os, signal, sys
from nint.many import plan, shards
plan.MOST = 2
real, calls = shards.write_atomically, []

def write(path, fill):
    calls.append(path)
    end = (lambda: os.kill(os.getpid(), signal.SIGKILL)) if len(calls) == 3 else (lambda: None)
    real(path, lambda target: (fill(target), end()))

shards.write_atomically = write
from nint.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""`nint` that is killed while it writes its third batch into a shard."""


def test_a_killed_parent_loses_only_what_was_under_way(folder, tmp_path, small_batches):
    out = tmp_path / "out"
    words = [
        "fit-all",
        str(folder),
        "--out",
        str(out),
        "--field",
        "siren:size=2x8,weight_scale=1",
        "--sampler",
        "nint-fast:batch_share=0.5",
    ]
    words += ["--optimizer", "adam", "--steps", "6", "--workers", "1", "--quiet"]
    assert subprocess.run([sys.executable, "-c", KILLED, *words]).returncode == -signal.SIGKILL
    left = [path.name for path in (out / "shards").iterdir()]
    assert len(left) == 2 and any(name.startswith(TEMPORARY) for name in left)
    Writer(out, {"train": 1.0})  # makes the index again, which lags behind
    before = fields(out)
    assert len(before) == 4
    report = run_order(items_of([str(folder)]), order_of(), out, resume=True)
    assert (report.before, report.fitted) == (4, 3)
    after = fields(out)
    assert len(after) == 7 and [path.name for path in (out / "shards").iterdir()] == ["000000.safetensors"]
    same(before, {id: after[id] for id in before})


def test_an_interruption_keeps_what_is_finished(folder, tmp_path, small_batches):
    done = []
    items = items_of([str(folder)])
    report = run_order(items, order_of(), tmp_path / "out", progress=lambda n, what: done.append(n), interrupted=lambda: bool(done))
    assert report.interrupted and report.fitted == 2
    assert len(nint.open_dataset(tmp_path / "out")) == 2
    report = run_order(items, order_of(), tmp_path / "out", resume=True)
    assert (report.before, report.fitted) == (2, 5)


def test_a_cluster_gives_the_same_bits(folder, tmp_path, small_batches, cluster):
    items, order = items_of([str(folder)]), order_of()
    run_order(items, order, tmp_path / "here")
    report = run_order(items, order, tmp_path / "there", scheduler=cluster.scheduler_address)
    assert report.fitted == 7
    same(fields(tmp_path / "here"), fields(tmp_path / "there"))


def test_what_cannot_be_is_refused_before_anything_is_written(folder, tmp_path):
    items = items_of([str(folder)])
    for options, words in (
        ({"workers": 0}, "at least 1"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, "give one of them"),
        ({"resume": True, "force": True}, "give one of them"),
    ):
        with pytest.raises(UsageError, match=words):
            run_order(items, order_of(), tmp_path / "out", **options)
    with pytest.raises(UsageError, match="lies inside the input"):
        run_order(items, order_of(), folder / "out", inputs=[str(folder)])
    assert not (tmp_path / "out").exists() and not (folder / "out").exists()


def test_fields_of_a_dataset_are_not_packed(folder, tmp_path):
    with pytest.raises(UsageError, match="packs no fields, so max_kilobytes has no use there"):
        nint.fit_all([str(folder)], tmp_path / "out", budget=2, max_kilobytes=2)
    assert not (tmp_path / "out").exists()
