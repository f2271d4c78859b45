"""Running specs in one process and on worker processes: the same numbers, nothing lost, nothing repeated."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
from concurrent.futures import Future

import pytest
import torch
from oracles.ticking import SELECTION, STEP

import nint
from nint.bench import execute, interleaved, unfinished
from nint.bench.execute import missing, run_all
from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import UsageError
from nint.runs.build import build_run
from nint.runs.model import Fit
from nint.runs.snapshots import load_snapshots
from nint.work import tasks

FACTS = {"training_seconds", "selection_seconds"}


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def spec_of(**changes) -> RunSpec:
    values = {
        "input": "sample:camera",
        "field": "siren:size=2x16",
        "sampler": "uniform",
        "steps": 25,
        "evaluate_at": (7, 25),
        "square": 16,
        "settings": (("lr", 1e-3), ("total_steps", 40)),
    }
    return RunSpec(**(values | changes))


def several(**changes) -> list[RunSpec]:
    return [spec_of(sampler=sampler, seed=seed, group=f"seed {seed}", **changes) for seed in (0, 1) for sampler in ("nint", "uniform")]


def numbers(record):
    """Everything of a curve that no clock decides."""
    return [{name: value for name, value in row.items() if name not in FACTS} for row in record["curve"]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """Runs made in one process: their specs and records."""
    torch.set_num_threads(1)
    store = Store(tmp_path_factory.mktemp("reference"))
    run_all(several(), store, command="nint bench table1")
    return several(), store


def test_a_run_is_the_run_that_fit_makes(reference):
    specs, store = reference
    for spec in specs:
        alone = nint.fit(
            spec.signal(), recipe="paper", field=spec.field, sampler=spec.sampler, seed=spec.seed, lr=1e-3, budget=25, total_steps=40
        )
        record = store.records()[spec.key]
        assert record["error"] is None
        assert record["psnr"] == alone.metrics["psnr"]
        assert record["forward_equivalents"] == alone.record["forward_equivalents"]


def test_records_say_what_was_asked_and_hold_every_metric(reference):
    specs, store = reference
    assert list(store.records()) == [spec.key for spec in specs]
    for spec, record in zip(specs, store.records().values(), strict=True):
        assert RunSpec.from_json(record["spec"]) == spec
        assert record["command"] == "nint bench table1"
        assert record["threads"] == 1
        assert "launch" in record
        assert [row["step"] for row in record["curve"]] == [7, 25]
        pixels, weights = 16 * 16, 2 * 16 + 16 * 16 + 16
        for row in record["curve"]:
            assert row.keys() >= {"psnr", "ssim", "forward_equivalents", "training_seconds"}
            assert row["flops"] == pytest.approx(row["forward_equivalents"] * pixels * 2 * weights)


def test_groups_are_interleaved_and_warmed_up_first(tmp_path, monkeypatch):
    order, steps = [], interleaved.train_step
    monkeypatch.setattr(interleaved, "BLOCK_SECONDS", 1e9)
    monkeypatch.setattr(interleaved, "train_step", lambda run: order.append(type(run.teacher.sampler).__name__[0]) or steps(run))
    warmed = []
    monkeypatch.setattr(interleaved, "train", lambda run: warmed.append(type(run.teacher.sampler).__name__[0]))
    run_all(several(), Store(tmp_path))
    assert warmed == ["N", "U"]  # once a kind of run, not once a run
    assert "".join(order) == ("N" * 20 + "U" * 20 + "N" * 5 + "U" * 5) * 2


def test_finished_runs_are_never_repeated_and_failed_ones_are(tmp_path, monkeypatch):
    specs = [spec_of(), spec_of(settings=(("lr", 1e4), ("optimizer", "sgd"))), spec_of(input="missing.png")]
    store = Store(tmp_path)
    run_all(specs, store)
    errors = [store.records()[spec.key]["error"] for spec in specs]
    assert errors[0] is None
    assert "diverged" in errors[1]
    assert "missing.png" in errors[2]
    built = []
    monkeypatch.setattr(interleaved, "build_run", lambda job, budget: built.append(job.rate) or build_run(job, budget))
    again = Store(tmp_path)
    assert missing(specs, again) == specs[1:]
    run_all(specs, again)
    assert set(built) == {1e4}
    assert len(again.path.read_text().splitlines()) == 5
    assert len(Store(tmp_path).records()) == 3


def test_the_same_run_of_two_experiments_runs_once_and_is_kept_where_one_asks(tmp_path):
    store = Store(tmp_path)
    twice = [spec_of(group="table1"), spec_of(group="fig1", keep=True)]
    run_all(twice, store)
    assert len(store.path.read_text().splitlines()) == 1
    place = store.place(twice[0].key)
    kept = Fit.load(place / "model.safetensors")
    record = store.records()[twice[0].key]
    assert kept.evaluate(twice[0].signal())["psnr"] == pytest.approx(record["psnr"], abs=1e-4)
    assert [snapshot.step for snapshot in load_snapshots(place)] == [1, 7, 25]
    assert missing(twice, Store(tmp_path)) == []
    (place / "model.safetensors").unlink()
    assert [spec.keep for spec in missing(twice, Store(tmp_path))] == [True]
    assert missing(twice[:1], Store(tmp_path)) == []


def test_an_interruption_loses_only_what_was_under_way(tmp_path):
    store, told = Store(tmp_path), []
    run_all(several(), store, progress=lambda done, what: told.append(done), interrupted=lambda: max(told, default=0) >= 2)
    assert len(store.records()) == 2
    assert told == sorted(told)
    run_all(several(), store)
    assert len(store.records()) == len(store.path.read_text().splitlines()) == 4


@pytest.mark.parametrize(("sampler", "workers"), [("nint", 1), ("nint-fast", 1), ("nint", 2)])
def test_a_long_run_goes_on_where_it_was_stopped(tmp_path, monkeypatch, sampler, workers):
    monkeypatch.setattr(interleaved, "BLOCK_STEPS", 4)
    monkeypatch.setattr(unfinished, "EVERY_S", 0.0)
    spec = spec_of(sampler=sampler, keep=True)
    whole, store = Store(tmp_path / "whole"), Store(tmp_path / "parts")
    run_all([spec], whole)
    asked = []
    run_all([spec], store, interrupted=lambda: asked.append(1) or len(asked) > 4)
    state = store.place(spec.key) / "checkpoint.safetensors"
    assert store.records() == {}
    assert state.exists()
    run_all([spec], store, workers=workers, threads=1)
    found, expected = store.records()[spec.key], whole.records()[spec.key]
    assert found["sittings"] == [{"step": 8, "notes": []}]
    assert numbers(found) == numbers(expected)
    assert found["forward_equivalents"] == expected["forward_equivalents"]
    assert [snapshot.step for snapshot in load_snapshots(store.place(spec.key))] == [1, 7, 25]
    assert not state.exists()


def test_a_state_that_does_not_fit_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "EVERY_S", 0.0)
    store, spec = Store(tmp_path), spec_of()
    place = store.place(spec.key)
    place.mkdir(parents=True)
    (place / "checkpoint.safetensors").write_bytes(b"torn")
    run_all([spec], store)
    assert "sittings" not in store.records()[spec.key]
    assert store.records()[spec.key]["error"] is None
    assert not (place / "checkpoint.safetensors").exists()


def test_short_runs_leave_no_state(tmp_path):
    store, spec = Store(tmp_path), spec_of()
    asked = []
    run_all([spec], store, interrupted=lambda: asked.append(1) or len(asked) > 2)
    assert list(tmp_path.rglob("*.safetensors")) == []


def test_budgets_of_seconds_stop_by_their_own_clocks(tmp_path, ticking):
    specs = [spec_of(sampler=s, steps=None, seconds=0.1, evaluate_at=(0.0, 0.04, 0.1), group="g") for s in ("uniform", "full")]
    store = Store(tmp_path)
    run_all(specs, store)
    for spec in specs:
        rows = [(row["step"], row["training_seconds"]) for row in store.records()[spec.key]["curve"]]
        assert rows == [(1, STEP), (5, 5 * STEP), (11, 11 * STEP)]  # the first steps that end at or past 0, 0.04 and 0.1 s
        assert store.records()[spec.key]["selection_seconds"] == 11 * SELECTION


def test_budgets_of_seconds_are_not_run_side_by_side(tmp_path):
    wanted = [spec_of(steps=None, seconds=1.0, evaluate_at=())]
    with pytest.raises(UsageError, match="time each other"):
        run_all(wanted, Store(tmp_path), workers=2)
    with pytest.raises(UsageError, match="time each other"):
        run_all(wanted, Store(tmp_path), scheduler="tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match="at least 1"):
        run_all(wanted, Store(tmp_path), workers=0)
    with pytest.raises(UsageError, match="give one of them"):
        run_all(several(), Store(tmp_path), workers=2, scheduler="tcp://127.0.0.1:1")
    assert not (tmp_path / "runs.jsonl").exists()


def test_a_file_that_has_changed_is_told(tmp_path):
    from PIL import Image

    path = tmp_path / "kodak" / "kodim01.png"
    path.parent.mkdir()
    Image.linear_gradient("L").save(path)
    specs, store = [spec_of(input=str(path), steps=3, evaluate_at=())], Store(tmp_path / "out")
    run_all(specs, store)
    moved = tmp_path / "elsewhere" / "kodak" / "kodim01.png"
    moved.parent.mkdir(parents=True)
    path.rename(moved)
    there = [dataclasses.replace(specs[0], input=str(moved))]
    assert missing(specs, store) == missing(there, store) == []
    other = tmp_path / "third" / "kodak" / "kodim01.png"
    other.parent.mkdir(parents=True)
    Image.radial_gradient("L").save(other)
    with pytest.raises(UsageError, match="is not the file"):
        missing([dataclasses.replace(specs[0], input=str(other))], store)


class Died(Exception):
    pass


class Doomed:
    """Two workers that die together whenever one of them is given the run with seed 1."""

    slots = 2
    died = (Died,)
    shares_files = False

    def __init__(self):
        self.flying, self.together = [], []

    def submit(self, function, spec, *, place, facts):
        future = Future()
        self.flying.append((spec, future))
        self.together.append([waiting["seed"] for waiting, _ in self.flying])
        return future

    def settle(self):
        """Lets everything that is under way end."""
        broken = any(spec["seed"] == 1 for spec, _ in self.flying)
        for spec, future in self.flying:
            key = RunSpec.from_json(spec).key
            record = {"key": key, "spec": spec, "error": None, "curve": []}
            future.set_exception(Died()) if broken else future.set_result({"record": record, "files": {"note.txt": b"kept"}})
        self.flying = []


def test_a_run_that_takes_its_worker_with_it_is_given_up_and_costs_no_other(tmp_path, monkeypatch):
    pool, store = Doomed(), Store(tmp_path)
    monkeypatch.setattr(tasks, "wait", lambda futures, **options: pool.settle() or (set(futures), set()))
    specs = [spec_of(seed=seed) for seed in range(4)]
    execute._run_on(pool, specs, store, {"command": "nint bench"}, lambda done, what: None, lambda: False)
    errors = {record["spec"]["seed"]: record["error"] for record in store.records().values()}
    assert {seed for seed, error in errors.items() if error is None} == {0, 2, 3}
    assert "died 3 times" in errors[1]
    assert pool.together[:2] == [[0], [0, 1]]
    assert all(len(seeds) == 1 or 1 not in seeds for seeds in pool.together[2:])  # once under suspicion, alone
    assert [0] in pool.together[2:]
    assert (store.place(specs[2].key) / "note.txt").read_bytes() == b"kept"


def kill_one_worker():
    victim = multiprocessing.active_children()[0]
    os.kill(victim.pid, signal.SIGKILL)


def test_worker_processes_give_the_same_numbers_and_a_killed_one_loses_nothing(reference, tmp_path):
    specs, expected = reference
    store, kept = Store(tmp_path), spec_of(keep=True, steps=10, evaluate_at=(5,))
    killed = []

    def progress(done, what):
        if done >= 1 and not killed and multiprocessing.active_children():
            killed.append(done)
            kill_one_worker()

    run_all([*specs, kept, spec_of(input="missing.png")], store, workers=2, threads=1, progress=progress)
    assert killed
    assert len(store.path.read_text().splitlines()) == 6  # no run twice
    for spec in specs:
        assert numbers(store.records()[spec.key]) == numbers(expected.records()[spec.key])
    assert (store.place(kept.key) / "model.safetensors").exists()
    assert [snapshot.step for snapshot in load_snapshots(store.place(kept.key))] == [1, 5, 10]
    assert [record["error"] is not None for record in store.records().values()].count(True) == 1
    assert multiprocessing.active_children() == []


def test_an_interrupted_pool_keeps_what_is_finished(tmp_path):
    store, told = Store(tmp_path), []
    endless = [spec_of(seed=seed, steps=10**7) for seed in (0, 1)]
    run_all(
        [spec_of(steps=5), *endless],
        store,
        workers=2,
        threads=1,
        progress=lambda done, what: told.append(done),
        interrupted=lambda: max(told, default=0) >= 1,
    )
    assert list(store.records()) == [spec_of(steps=5).key]
    assert multiprocessing.active_children() == []
