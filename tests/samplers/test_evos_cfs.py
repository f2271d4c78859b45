"""EVOS's cross-frequency supervision and its scale rule against a dense full-image formulation."""

import math

import pytest
import torch
from oracles.evos import GREY, LAPLACE, drive, make_field, make_pool, oracle_evaluations, oracle_maps, rng
from torch import nn

from nint.probe.objectives import L1, L2
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.evos import CrossFrequencyLoss, Evos
from nint.scores.laplacian import luma_error
from nint.signals.base import Pool
from nint.training.gradient import accumulate_gradient

# ---------------------------------------------------------------- cross-frequency supervision


def test_which_steps_are_supervised():
    probe = Probe(make_field(1), make_pool((6, 6), 1), L2())
    total = 1000
    evaluations = set(oracle_evaluations(total))
    states = []
    for step, selection, state in drive(Evos(), probe, 420, total):
        states.append(state)
        supervised = isinstance(selection.objective, CrossFrequencyLoss)
        assert supervised == (step in evaluations or step + 1 <= 0.3 * total)
        if not supervised:
            assert selection.objective is None
    assert states[-1].luma_error is None  # dropped once nothing needs it


@pytest.mark.parametrize("text", ["evos:cfs=false", "evos:frequency_weight=0"])
def test_without_cfs_the_loss_is_the_run_s_own(text):
    probe = Probe(make_field(1), make_pool((6, 6), 1), L2())
    assert all(selection.objective is None for _, selection, _ in drive(SAMPLERS.parse(text), probe, 120, 1000))


def test_without_cfs_the_crossover_still_uses_lambda():
    grid = (9, 16)
    probe = Probe(make_field(3), make_pool(grid, 3), L2())
    chosen = {}
    for text in ("evos", "evos:cfs=false", "evos:cfs=false,frequency_weight=0"):
        *_, (_, selection, _) = drive(SAMPLERS.parse(text), probe, 2, 100)
        chosen[text] = set(selection.indices[: int(0.1 * 144)].tolist())
    assert chosen["evos"] == chosen["evos:cfs=false"] != chosen["evos:cfs=false,frequency_weight=0"]


def dense_gradient(field, pool, indices, cached, weight, loss):
    """Autograd through a plain full-image formulation: paste, grey, convolve, select."""
    prediction = field(pool.coords[indices])
    low, high = pool.value_range
    image = cached.clone()
    image[indices] = prediction
    kernel = torch.from_numpy(LAPLACE)[None, None]

    def filtered(values, clamp):
        levels = (values - low) / (high - low) * 255
        levels = levels.clamp(0, 255) if clamp else levels
        levels = levels @ torch.from_numpy(GREY) if levels.shape[1] == 3 else levels[:, 0]
        return torch.nn.functional.conv2d(levels.reshape(1, 1, *pool.grid), kernel, padding=1).reshape(-1)

    difference = (filtered(image, True) - filtered(pool.values, False)) ** 2
    total = loss(prediction - pool.values[indices]) + weight * difference[indices].mean()
    return torch.autograd.grad(total, list(field.parameters())), total.detach()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ["l2", "l1"])
@pytest.mark.parametrize(("value_range", "rescale"), [((0.0, 1.0), 0.25), ((-1.0, 1.0), 1.0)])
def test_training_gradient_against_a_dense_oracle(channels, name, value_range, rescale):
    grid = (7, 10)
    pool = make_pool(grid, channels, value_range)
    field = make_field(channels)  # predictions leave the value range, so the clamp is exercised
    loss, plain = (L2(), lambda r: (r**2).mean()) if name == "l2" else (L1(), lambda r: r.abs().mean())
    sampler, generator = Evos(batch_share=0.5, frequency_weight=1e-4), rng()
    probe = Probe(field, pool, loss)
    state = sampler.init(probe, 100, generator)
    cached = torch.zeros_like(pool.values)
    for step in range(4):
        probe.clear_cache()
        selection, state = sampler.select(state, step, probe, generator)
        if step == 0:
            cached = probe.prediction().clone()
        expected, value = dense_gradient(field, pool, selection.indices, cached, 1e-4 * rescale, plain)
        field.zero_grad()
        feedback = accumulate_gradient(field, pool.coords, pool.values, selection, loss, 16, probe.cost)  # several chunks
        for parameter, gradient in zip(field.parameters(), expected, strict=True):
            torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-9 * float(gradient.abs().max()))
        prediction = field(pool.coords[selection.indices])
        ours = selection.objective(prediction, pool.values[selection.indices], selection.indices)
        torch.testing.assert_close(ours, value)
        assert value > 1.05 * plain(prediction - pool.values[selection.indices])  # the Laplacian term matters in this test
        state = sampler.observe(state, step, selection, feedback)
        with torch.no_grad():
            for parameter in field.parameters():
                parameter -= 0.05 * parameter.grad  # so that cached and new predictions differ


def test_cfs_gradient_against_finite_differences():
    grid = (5, 6)
    pool = make_pool(grid, 3)
    indices = torch.randperm(30, generator=rng(2))[:12]
    cached = luma_error(torch.rand(30, 3, generator=rng(3), dtype=torch.float64), pool.values, (0.0, 1.0))
    objective = CrossFrequencyLoss(L2(), 2.5e-6, grid, (0.0, 1.0), cached)
    prediction = (torch.rand(12, 3, generator=rng(4), dtype=torch.float64) * 0.8 + 0.1).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda p: objective(p, pool.values[indices], indices), (prediction,))


# ---------------------------------------------------------------- scale rule


@pytest.mark.parametrize("channels", [1, 3])
def test_the_weighting_is_the_same_for_targets_in_0_1_and_in_minus_1_1(channels):
    """The loss in [-1, 1] is four times the one in [0, 1], Laplacian term included, and the same pixels are chosen."""
    grid, total = (9, 12), 100
    unit = make_pool(grid, channels)
    symmetric = Pool(unit.coords, unit.values * 2 - 1, grid, (-1.0, 1.0))

    class Symmetric(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x) * 2 - 1

    field = make_field(channels)
    sampler = Evos(batch_share=0.4, frequency_weight=1e-4)
    runs = []
    for probe in (Probe(field, unit, L2()), Probe(Symmetric(field), symmetric, L2())):
        run = []
        for _, selection, _ in drive(sampler, probe, 3, total, seed=7):
            prediction, values = probe.prediction()[selection.indices], probe.values[selection.indices]
            joint = selection.objective(prediction, values, selection.indices)
            run.append((selection.indices, float(L2()(prediction, values, selection.indices)), float(joint)))
        runs.append(run)
    for (rows_a, plain_a, joint_a), (rows_b, plain_b, joint_b) in zip(*runs, strict=True):
        assert torch.equal(rows_a, rows_b)
        assert math.isclose(plain_b, 4 * plain_a, rel_tol=1e-9)
        assert math.isclose(joint_b, 4 * joint_a, rel_tol=1e-9)
        assert joint_a > 1.05 * plain_a


def test_the_loss_term_is_a_quarter_of_lambda_for_targets_in_0_1():
    grid = (6, 8)
    for value_range, factor in (((0.0, 1.0), 0.25), ((-1.0, 1.0), 1.0), ((0.0, 4.0), 4.0)):
        probe = Probe(make_field(3), make_pool(grid, 3, value_range), L2())
        _, selection, _ = next(drive(Evos(frequency_weight=1e-3), probe, 1, 100))
        low, high = value_range
        prediction, values = probe.prediction(), probe.values
        symmetric = [((t - low) / (high - low) * 2 - 1).numpy() for t in (prediction, values)]
        _, detail = oracle_maps(*symmetric, grid)
        expected = float(((prediction - values) ** 2).mean()) + factor * 1e-3 * detail.mean()
        assert math.isclose(float(selection.objective(prediction, values, selection.indices)), expected, rel_tol=1e-9)
