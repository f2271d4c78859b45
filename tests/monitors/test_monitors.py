"""What watches a run: when, off the clock, and without harm."""

import time

import numpy as np
import pytest
import torch
from oracles.pictures import picture

from nint.errors import DivergedError
from nint.files import load_tensors
from nint.monitors import BaseMonitor
from nint.monitors import checkpoint as checkpoints
from nint.monitors import snapshots as pictures
from nint.monitors.checkpoint import Checkpoint
from nint.monitors.evaluate import Evaluate, evaluate
from nint.monitors.snapshots import Snapshots, is_snapshot_step
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.runs.model import Fit
from nint.signals.image.signal import ImageSignal
from nint.training.budgets import Budget
from nint.training.engine import train

PIXELS = picture(8, 9)


def run_of(steps, source=PIXELS, **settings):
    job = make_job(source, **{"field": "siren:size=1x8", "lr": 1e-3, "device": "cpu", "sampler": "nint"} | settings)
    return job, build_run(job, Budget(steps=steps))


def test_snapshot_steps():
    assert [step for step in range(-3, 2500) if is_snapshot_step(step)] == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000]


def test_snapshots_of_a_run(tmp_path):
    job, run = run_of(12)
    seen = {}

    class Watch(BaseMonitor):
        def after_step(self, run):
            seen[run.step] = run.selection.indices.tolist()

    train(run, [Watch(), Snapshots(tmp_path / "s")])
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == [f"step-{step:06d}.npz" for step in (1, 2, 5, 10, 12)]
    with np.load(tmp_path / "s" / "step-000012.npz", allow_pickle=False) as last:
        assert int(last["step"]) == 12 and float(last["training_seconds"]) == run.clock.training_s
        assert last["selected"].tolist() == seen[12] and last["selected"].dtype == np.int32
        assert np.array_equal(last["decoded"], Fit(run.field, job.field, job.signal.layout).decode())  # after the update
    with np.load(tmp_path / "s" / "step-000005.npz") as middle:
        assert middle["selected"].tolist() == seen[5] and middle["decoded"].shape == (8, 9, 3)


def test_snapshots_of_held_out_signals_name_pixels_of_the_picture(tmp_path):
    job, run = run_of(1, hold_out=0.5)
    train(run, [Snapshots(tmp_path)])
    with np.load(tmp_path / "step-000001.npz") as first:
        assert first["selected"].tolist() == job.signal.kept[run.selection.indices].tolist()


def test_large_pools_and_kinds_without_pictures_are_not_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_LARGEST_POOL", 71)
    train(run_of(2)[1], [Snapshots(tmp_path / "large")])
    assert not (tmp_path / "large").exists()
    monkeypatch.setattr(pictures, "_LARGEST_POOL", 72)
    job, run = run_of(2)
    monkeypatch.setattr(type(job.signal.layout), "keeps_snapshots", False)
    train(run, [Snapshots(tmp_path / "kind")])
    assert not (tmp_path / "kind").exists()


class Slow(ImageSignal):
    """Takes its time to be measured."""

    def evaluate(self, predict):
        time.sleep(0.03)
        return super().evaluate(predict)


def test_evaluation_is_off_the_clock():
    _, run = run_of(10, Slow(PIXELS))
    start = time.perf_counter()
    train(run, [Evaluate(1)])
    elapsed = time.perf_counter() - start
    assert len(run.curve) == 10 and elapsed > 0.3
    assert 0 < run.clock.selection_s < run.clock.training_s < elapsed - 0.3


def test_monitors_are_off_the_clock():
    _, run = run_of(5)

    class Sleep(BaseMonitor):
        def after_step(self, run):
            before = run.clock.training_s
            time.sleep(0.01)
            assert run.clock.training_s == before

    start = time.perf_counter()
    train(run, [Sleep()])
    assert run.clock.training_s < time.perf_counter() - start - 0.05


@pytest.mark.parametrize(
    ("monitor", "steps"),
    [
        (Evaluate(3), [3, 6, 7]),
        (Evaluate(7), [7]),
        (Evaluate(100), [7]),
        (Evaluate(0), [1, 2, 3, 4, 5, 6, 7]),
        (Evaluate(5, at=(2,)), [2, 5, 7]),
    ],
)
def test_when_a_run_is_evaluated(monitor, steps):
    _, run = run_of(7)
    train(run, [monitor])
    assert [row["step"] for row in run.curve] == steps


def test_evaluating_does_not_change_the_run():
    (_, often), (_, once) = run_of(6), run_of(6)
    train(often, [Evaluate(1)])
    train(once, [])
    assert all(torch.equal(a, b) for a, b in zip(often.field.parameters(), once.field.parameters(), strict=True))
    assert evaluate(once).items() <= often.curve[-1].items()
    assert often.forward_equivalents == once.forward_equivalents


def spoil(run):
    with torch.no_grad():
        list(run.field.parameters())[-1].view(-1)[0] = float("inf")


def test_weights_that_are_not_finite_are_divergence_not_a_measurement(tmp_path):
    class Spoil(BaseMonitor):
        def after_step(self, run):
            if run.step == 2:
                spoil(run)

    for monitor in (Evaluate(2), Snapshots(tmp_path)):
        _, run = run_of(5)
        with pytest.raises(DivergedError, match="at step 2: weights are not finite"):
            train(run, [Spoil(), monitor])
        assert run.curve == [] and not (tmp_path / "step-000002.npz").exists()


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    job, run = run_of(3)
    path = tmp_path / "c.safetensors"
    monitor = Checkpoint(path, Fit(run.field, job.field, job.signal.layout), job.settings(), seconds=0)
    train(run, [monitor])
    before = path.read_bytes()
    spoil(run)
    monitor.after_step(run)
    monitor.finish(run, "")
    assert path.read_bytes() == before
    fresh = Checkpoint(tmp_path / "other.safetensors", Fit(run.field, job.field, job.signal.layout), job.settings())
    fresh.after_step(run)
    assert not (tmp_path / "other.safetensors").exists()


def test_checkpoints_are_written_after_the_first_step_then_by_wall_time_and_at_the_end(tmp_path, monkeypatch):
    job, run = run_of(5)
    path, saved, now = tmp_path / "c.safetensors", [], [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])

    class Watch(BaseMonitor):
        def after_step(self, run):
            saved.append(load_tensors(path)[1]["resume"]["step"])
            now[0] += 4

    monitor = Checkpoint(path, Fit(run.field, job.field, job.signal.layout), job.settings(), seconds=10)
    train(run, [monitor, Watch()])
    assert saved == [1, 1, 1, 4, 4]
    assert load_tensors(path)[1]["resume"]["step"] == 5


def test_the_base_does_nothing_and_is_asked_in_order():
    called = []

    class Watch(BaseMonitor):
        def start(self, run):
            called.append(("start", run.step))

        def after_step(self, run):
            called.append(("step", run.step))

        def finish(self, run, reason):
            called.append((reason, run.step))

    _, run = run_of(2)
    train(run, [BaseMonitor(), Watch()])
    assert called == [("start", 0), ("step", 1), ("step", 2), ("finished 2 steps", 2)]
