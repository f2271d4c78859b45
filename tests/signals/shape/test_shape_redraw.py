"""Redrawn points: which points a step gets, and that no sampler keeps an index beyond its draw."""

import numpy as np
import pytest
import torch
from oracles.dense_ntk import ntk

import nint
from nint.bench.runs import RunSpec
from nint.cli.estimate import Speed, seconds_for, steps_in
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.runs.measured import MEASURED
from nint.signals.samples.shapes import box, sphere, torus
from nint.signals.shape.signal import ShapeSignal
from nint.training.budgets import Budget
from nint.training.engine import train_step

pytest.importorskip("igl", reason="needs libigl")


def test_redraw_is_a_pure_function_of_period_and_seed():
    def made():
        return ShapeSignal(sphere(1.0, 2), "x", pool_size=300, redraw_every=3)

    signal, other = made(), made()
    first = signal.pool("cpu")
    assert signal.pool("cpu") is first and first.epoch == 0
    drawn = [signal.redraw(first, step, 7) for step in range(9)]
    assert [pool.epoch for pool in drawn] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert all(drawn[step] is drawn[step // 3 * 3] for step in range(9))
    for step in (8, 0, 4):  # in another order, from another pool, on another signal
        again = other.redraw(drawn[3], step, 7)
        assert torch.equal(again.coords, drawn[step].coords) and torch.equal(again.values, drawn[step].values)
        assert again.epoch == drawn[step].epoch
    sets = [first, drawn[0], drawn[3], drawn[6], signal.redraw(first, 0, 8)]
    assert all(not torch.equal(a.coords, b.coords) for i, a in enumerate(sets) for b in sets[:i])
    assert sets[-1].epoch == drawn[0].epoch  # another seed is another run


def test_redraw_every_0_keeps_the_points_and_the_global_generators_are_untouched():
    signal = ShapeSignal(sphere(1.0, 2), "x", pool_size=100, redraw_every=0)
    before = np.random.get_state()[1].copy(), torch.get_rng_state()
    kept = signal.redraw(signal.pool("cpu"), 0, 0)
    assert signal.redraw(kept, 5000, 0) is kept
    assert np.array_equal(before[0], np.random.get_state()[1]) and torch.equal(before[1], torch.get_rng_state())
    assert signal.preparation_seconds > 0


def test_the_default_recipe_keeps_points_and_says_so_in_what_it_records(tmp_path):
    job = make_job("sample:box", pool_size=500, device="cpu", budget=Budget(steps=4), recipe="default")
    assert job.signal.redraw_every == job.signal_options["redraw_every"] == MEASURED["shape", "siren"].redraw_every
    named = make_job("sample:box", redraw_every=3, recipe="default", device="cpu")
    paper = make_job("sample:box", recipe="paper", device="cpu")
    ready = ShapeSignal(box(), "x")
    given, kept = (make_job(signal, recipe="default", device="cpu") for signal in (ready, ShapeSignal(box(), "x", redraw_every=2)))
    assert [made.signal.redraw_every for made in (named, paper, given, kept)] == [3, 1, 100, 2]
    assert ready.redraw_every == 1 and "redraw_every" not in paper.signal_options
    compared = RunSpec(input="sample:box", recipe="default", steps=2).job()
    assert compared.signal.redraw_every == compared.signal_options["redraw_every"] == 100
    settings = {"field": "siren:size=1x8", "pool_size": 500, "iou_resolution": 8, "device": "cpu", "lr": 1e-3, "total_steps": 6}
    whole = nint.fit("sample:box", budget=6, **settings)
    nint.fit("sample:box", budget=3, out=tmp_path, **settings)
    again = nint.fit("sample:box", budget=6, out=tmp_path, resume=True, **settings)
    assert all(torch.equal(again.state_dict()[name], value) for name, value in whole.state_dict().items())


def test_what_drawing_takes_is_shared_among_its_steps():
    signal = ShapeSignal(sphere(1.0, 2), "x", pool_size=200, redraw_every=4)
    kept = signal.redrawn_every(0)
    for drawn in (signal, kept):
        drawn.redraw(drawn.pool("cpu"), 0, 0)
    assert 0 < signal.drawing_seconds < signal.preparation_seconds / 4 and kept.drawing_seconds == 0
    assert signal.redraw_every == 4 and kept.redraw(kept.pool("cpu"), 99, 0).epoch == 1
    job = make_job(signal, field="siren:size=1x8", sampler="uniform", device="cpu")
    trial = build_run(job, Budget(seconds=5))
    speed = Speed(1e-9, 1e-9, 1e-3, drawing=9e-3)
    assert steps_in(trial, speed, 1.0) == 99 and abs(seconds_for(trial, speed, 100) - 1) < 0.01


def watch(sampler, steps=6, redraw_every=2, pool_size=80):
    """Steps of a run, each with its pool, its field as it was before the step, its selection and the epoch's step."""
    signal = ShapeSignal(torus(2, 1, 24, 12), "x", pool_size=pool_size, redraw_every=redraw_every)
    run = build_run(make_job(signal, field="siren:size=1x8", sampler=sampler, total_steps=100, lr=1e-2, device="cpu"), Budget(steps=steps))
    for step in range(steps):
        pool = signal.redraw(run.teacher.probe.pool, step, 0)
        with torch.no_grad():
            residual = (run.field(pool.coords) - pool.values)[:, 0]
        kernel = ntk(run.field, pool.coords)[:, 0, :, 0].detach()
        train_step(run)
        assert run.teacher.probe.pool is pool or torch.equal(run.teacher.probe.coords, pool.coords)
        yield step, run, run.selection.indices, residual, kernel


def is_top(indices, scores, count=None):
    """Whether the first `count` indices hold the largest scores, up to rounding."""
    chosen = indices[:count]
    rest = torch.ones(len(scores), dtype=torch.bool)
    rest[chosen] = False
    return bool(scores[chosen].min() >= scores[rest].max() - 1e-6 * scores.max())


def test_int_scores_anew_on_redrawn_points():
    held = None
    for step, _, indices, residual, _ in watch("int:interval=every-100,batch_share=0.25"):
        if step % 2 == 0:  # new points: the batch held back belongs to others
            assert len(indices) == 20 and is_top(indices, residual.abs())
            assert held is None or not torch.equal(indices, held)
            held = indices
        else:
            assert torch.equal(indices, held)


def test_nint_scores_anew_on_redrawn_points():
    for step, run, indices, residual, kernel in watch("nint:random_share=0,decay_rate=0,refresh_interval=100,batch_share=0.25"):
        assert run.teacher.state.ntk_epoch == run.teacher.probe.epoch == 1 + step // 2
        if step % 2 == 0:
            assert is_top(indices, (kernel @ residual).abs(), 20)


def test_nint_at_its_defaults_on_redrawn_points():
    for _, run, indices, _, _ in watch("nint:batch_share=0.2", redraw_every=1):
        assert len(indices) == 16 == len(indices.unique())
        assert run.teacher.state.cached.epoch == run.teacher.probe.epoch


def test_evos_evaluates_redrawn_points_at_once():
    previous = None
    for step, run, indices, residual, _ in watch("evos:batch_share=0.25,mutation_share=0.4"):
        if step % 2 == 0:
            assert len(indices) == 80
            previous = residual
        else:  # the ranking is of these very points, as they were seen one step ago
            elites = int((0.25 - 0.1) * 80)
            assert len(indices) == elites + 8 == len(indices.unique())
            assert is_top(indices, previous.square(), elites)
        assert run.teacher.state.epoch == run.teacher.probe.epoch


@pytest.mark.parametrize(("sampler", "count"), [("full", 80), ("uniform:batch_share=0.25", 20)])
def test_samplers_without_memory(sampler, count):
    batches = [indices for _, _, indices, _, _ in watch(sampler, redraw_every=1)]
    assert all(len(batch) == count == len(batch.unique()) and batch.max() < 80 for batch in batches)
