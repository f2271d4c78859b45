"""A real cluster of two workers on loopback: the same numbers as in one process, and a killed worker loses nothing."""

from __future__ import annotations

import os
import signal

import pytest
import torch

from nint.bench.execute import run_all
from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import UsageError
from nint.runs.model import Fit
from nint.runs.snapshots import load_snapshots

pytest.importorskip("distributed", reason="needs nint[cluster]")


def spec_of(**changes) -> RunSpec:
    values = {"input": "sample:camera", "field": "siren:size=2x16", "sampler": "nint", "steps": 25, "evaluate_at": (7,), "square": 16}
    return RunSpec(**(values | changes))


def numbers(record):
    return [{name: value for name, value in row.items() if "seconds" not in name} for row in record["curve"]]


def test_a_cluster_gives_the_same_numbers_and_a_killed_worker_loses_nothing(cluster, tmp_path):
    specs = [spec_of(seed=0), spec_of(seed=1, sampler="uniform"), spec_of(seed=2, keep=True), spec_of(seed=3, steps=400)]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = Store(tmp_path / "here")
        run_all(specs, expected)
    finally:
        torch.set_num_threads(before)
    store, killed = Store(tmp_path / "there"), []

    def progress(done, what):
        if done >= 1 and not killed:
            killed.append(done)
            worker = next(iter(cluster.workers.values()))
            os.kill(worker.pid, signal.SIGKILL)

    run_all([*specs, spec_of(input="missing.png")], store, scheduler=cluster.scheduler_address, progress=progress)
    assert killed
    assert len(store.path.read_text().splitlines()) == 5
    for spec in specs:
        assert numbers(store.records()[spec.key]) == numbers(expected.records()[spec.key])
        assert store.records()[spec.key]["threads"] == 1
    place = store.place(specs[2].key)
    assert [snapshot.step for snapshot in load_snapshots(place)] == [1, 7, 25]
    assert Fit.load(place / "model.safetensors").metrics["psnr"] == store.records()[specs[2].key]["psnr"]
    assert "missing.png" in store.records()[spec_of(input="missing.png").key]["error"]
    run_all(specs, store, scheduler=cluster.scheduler_address)
    assert len(store.path.read_text().splitlines()) == 5


def test_a_scheduler_that_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("nint.work.dask_cluster._CONNECT_S", 0.2)
    with pytest.raises(UsageError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        run_all([spec_of()], Store(tmp_path), scheduler="tcp://127.0.0.1:9")
