"""A stack of signals against the same signals alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from oracles.pictures import waves

import nint
from nint.errors import UsageError
from nint.many.groups import group_of, stacks, work_of
from nint.many.passes import CHUNK_VALUES, chunks, stacked_passes
from nint.many.stack import Stack
from nint.monitors.evaluate import Evaluate
from nint.ntk.products import forward_rows, jvp_rows, vjp_rows
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.training.budgets import Budget
from nint.training.engine import train

STEPS = 16
SAMPLERS = (
    "full",
    "uniform:batch_share=0.3",
    "int:batch_share=0.3,interval=every-3",
    "nint:batch_share=0.4,refresh_interval=3",
    "nint:batch_share=0.4,random_share=1",
    "nint:batch_share=0.4,random_share=0,decay_rate=0,refresh_interval=1",
    "nint-fast:batch_share=0.3,schedule=growing,points_per_cell=4",
)
FIELDS = (
    "siren:size=2x16",
    "finer:size=2x16",
    "ffn:size=2x16",
    "gauss:size=2x16",
    "wire:size=2x16",
    "grid:size=1x16",
)


def job_of(source, **changes):
    settings = {"field": "siren:size=2x16", "sampler": "uniform", "optimizer": "adam", "lr": 2e-3, "budget": STEPS, "recipe": "default"}
    return make_job(source, **(settings | changes))


def stack_of(jobs, budget=None, pools=None, **options):
    pools = [job.signal.pool(job.device) for job in jobs] if pools is None else pools
    return Stack(jobs, pools, budget or Budget(steps=STEPS), **options).train()


def alone(job, steps=STEPS):
    run = build_run(job, Budget(steps=steps))
    train(run)
    return run


def differing(state, other):
    return max(float((state[name] - other[name]).abs().max()) for name in other)


def relative(found, exact):
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize(
    ("sampler", "own_seeds"),
    [
        *((sampler, False) for sampler in SAMPLERS),
        *((sampler, True) for sampler in SAMPLERS if "0.3" in sampler or "interval=3" in sampler),
    ],
)
def test_a_stack_gives_what_each_signal_gives_alone(pictures, sampler, own_seeds):
    jobs = [job_of(one, sampler=sampler, seed=3 + own_seeds * number) for number, one in enumerate(pictures[:3])]
    found = stack_of(jobs)
    for job, outcome in zip(jobs, found, strict=True):
        run = alone(job)
        assert differing(outcome.state, run.field.state_dict()) < 2e-5
        assert outcome.forward_equivalents == pytest.approx(run.forward_equivalents)
        assert outcome.steps == STEPS
    assert differing(found[0].state, found[1].state) > 1e-2  # and not the same for all


@pytest.mark.parametrize(
    "changes", [{"optimizer": "muon"}, {"loss": "l1"}, {"loss": "huber"}, {"optimizer": "muon:nesterov=False,ratio=2"}]
)
def test_optimizers_and_losses_are_those_of_a_single_fit(pictures, changes):
    jobs = [job_of(one, sampler="nint-fast:batch_share=0.3", **changes) for one in pictures[:2]]
    for job, outcome in zip(jobs, stack_of(jobs), strict=True):
        assert differing(outcome.state, alone(job).field.state_dict()) < 2e-4  # muon's iteration enlarges rounding


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_stacks(pictures, field):
    jobs = [
        job_of(one, field=field, sampler="nint:batch_share=0.4,refresh_interval=5", seed=number) for number, one in enumerate(pictures[:2])
    ]
    assert group_of(jobs[0], jobs[0].signal.pool(jobs[0].device), Budget(steps=8)) is not None
    for job, outcome in zip(jobs, stack_of(jobs, Budget(steps=8)), strict=True):
        run = alone(job, 8)
        assert outcome.state.keys() == run.field.state_dict().keys()
        assert differing(outcome.state, run.field.state_dict()) < 2e-5


def test_order_and_batching_change_nothing(pictures):
    jobs = [job_of(one, sampler="nint-fast:batch_share=0.3") for one in pictures]
    whole = stack_of(jobs)
    parts = [*stack_of(jobs[:3][::-1])[::-1], *stack_of(jobs[3:])]
    for one, other in zip(whole, parts, strict=True):
        assert differing(one.state, other.state) < 1e-6


def test_a_signal_that_diverges_leaves_the_others_as_they_are(pictures):
    jobs = [job_of(one, sampler="nint-fast:batch_share=0.3") for one in pictures[:4]]
    pools = [job.signal.pool(job.device) for job in jobs]
    pools[1] = dataclasses.replace(pools[1], values=pools[1].values * 1e25)
    found = stack_of(jobs, pools=pools)
    assert found[1].error is not None and "diverged at step 0" in str(found[1].error) and not found[1].state
    without = stack_of([jobs[0], *jobs[2:]])
    for one, other in zip([found[0], *found[2:]], without, strict=True):
        assert one.error is None
        assert differing(one.state, other.state) < 1e-6


def test_each_signal_stops_at_its_own_psnr(pictures):
    budget = Budget(steps=150, psnr=20.0)
    jobs = [job_of(one, sampler="nint-fast:batch_share=0.5", budget=budget, lr=5e-3) for one in pictures[:4]]
    found = stack_of(jobs, budget)
    steps = [outcome.steps for outcome in found]
    assert len(set(steps)) > 1 and min(steps) < 150
    for job, outcome in zip(jobs, found, strict=True):
        run = build_run(job, budget)
        assert train(run, [Evaluate(3)]) == outcome.stopped
        assert outcome.steps == run.step
        assert outcome.metrics["psnr"] == pytest.approx(run.curve[-1]["psnr"], abs=1e-3)
        assert differing(outcome.state, run.field.state_dict()) < 1e-4


def test_an_interruption_gives_nothing(pictures):
    asked = []
    assert stack_of([job_of(pictures[0])], interrupted=lambda: asked.append(1) or len(asked) > 3) is None
    assert len(asked) == 4


@pytest.mark.parametrize("field", ["siren:size=2x16,omega_0=5", "finer:size=2x16,omega_0=5", "gauss:size=2x16"])
def test_passes_are_those_of_each_network(field):
    spec = nint.FIELDS.parse(field)
    networks = [spec.build(2, 3, torch.Generator().manual_seed(number)) for number in range(4)]
    params = {
        name: torch.stack([dict(n.named_parameters())[name].detach() for n in networks]) for name, _ in networks[0].named_parameters()
    }
    coords = torch.rand(50, 2, generator=torch.Generator().manual_seed(9)) * 2 - 1
    weights = torch.rand(4, 50, 3, generator=torch.Generator().manual_seed(8)) - 0.5
    passes = stacked_passes(networks[0], 3)
    slopes = passes.gradient(params, coords, None, lambda out, which, rows: weights[which, rows])
    predicted, moved = passes.predict(params, coords), passes.tangents(params, slopes, coords)
    for number, network in enumerate(networks):
        network.double()
        exact = vjp_rows(network, coords.double(), lambda out, rows, number=number: weights[number, rows].double(), 50)
        assert torch.allclose(predicted[number].double(), forward_rows(network, coords.double(), 50), atol=1e-5)
        for name, value in exact.items():
            assert relative(slopes[name][number].double(), value) < 1e-4
        tangent = {name: slopes[name][number].double() for name in exact}
        assert relative(moved[number].double(), jvp_rows(network, coords.double(), tangent, 50)) < 1e-4


@pytest.mark.parametrize(("signals", "points", "width"), [(1, 1, 1), (7, 100, 32), (3, CHUNK_VALUES, 2), (64, 1024, 64)])
def test_chunks_cover_everything_once(signals, points, width):
    seen = np.zeros((signals, points), int)
    for which, rows in chunks(signals, points, width):
        seen[which, rows] += 1
        assert (which.stop - which.start) * (rows.stop - rows.start) * width <= CHUNK_VALUES
    assert (seen == 1).all()


def test_large_signals_are_cut_into_chunks_of_points(pictures, monkeypatch):
    jobs = [job_of(one, sampler="nint:batch_share=0.9,refresh_interval=5") for one in pictures[:2]]
    whole = stack_of(jobs)
    monkeypatch.setattr("nint.many.passes.CHUNK_VALUES", 16 * 50)
    for one, other in zip(whole, stack_of(jobs), strict=True):
        assert differing(one.state, other.state) < 2e-5


def test_what_cannot_be_stacked_is_trained_alone(pictures):
    def group(budget=None, **changes):
        job = job_of(pictures[0], **changes)
        return group_of(job, job.signal.pool(job.device), budget or Budget(steps=5))

    assert group() is not None
    assert group(Budget(seconds=1.0)) is None
    assert group(sampler="evos") is None
    assert group(sampler="nint:candidates=50") is None
    assert group(sampler="int:interval=every-2,between=redraw") is None
    assert group(optimizer="sgd") is None
    assert group(field="siren:size=8x1024") is None
    assert group() != group(field="siren:size=2x17") != group(lr=1e-4)
    shape = make_job("sample:torus", field="siren:size=2x16", pool_size=500, iou_resolution=8)
    assert group_of(shape, shape.signal.pool(shape.device), Budget(steps=5)) is None  # redraws its points
    large = job_of(waves(0, 40, 40), field="siren:size=2x16")
    assert work_of(large, large.signal.pool(large.device)) > work_of(job_of(pictures[0]), job_of(pictures[0]).signal.pool(large.device))


def test_stacks_are_of_nearly_one_length():
    assert [list(part) for part in stacks(list(range(7)), 3)] == [[0, 1], [2, 3], [4, 5, 6]]
    assert [len(part) for part in stacks(list(range(64)), 64)] == [64]


def test_a_start_that_does_not_fit_is_told(pictures, tmp_path):
    nint.fit(pictures[0], budget=2, field="siren:size=2x17").save(tmp_path / "other.safetensors")
    from nint.many.batch import start_of

    with pytest.raises(UsageError, match="holds another network than siren"):
        start_of(str(tmp_path / "other.safetensors"), job_of(pictures[0]))
