"""Soft Mining against its specification: the loss, the Langevin step, the three kinds of redraw, and whole runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.distributions import assert_normal
from oracles.pictures import grey_levels, picture, rows_of
from scipy import stats
from torch import nn

from nint.probe.cost import Cost
from nint.probe.objectives import L2, PointLoss
from nint.probe.probe import Probe
from nint.samplers.soft_mining import SoftMining, SoftMiningLoss, pixel_indices
from nint.signals.base import GridCoords, Pool
from nint.training.gradient import accumulate_gradient

FALSE_ALARM = 1e-6  # of each statistical test, for a fresh seed
STILL = {"noise": 0.0, "uniform_share": 0.0, "redraw_share": 0.0}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_on(image, epoch=0, loss=None):
    rows, columns, channels = image.shape
    pool = Pool(GridCoords((rows, columns)), rows_of(image), (rows, columns), epoch=epoch)
    return Probe(nn.Linear(2, channels), pool, loss or L2())


def moved(sampler, state, probe, walkers=None, losses=None, slopes=None, seed=0):
    """Walkers after one more step from the given ones; what is not given is: at rest, all of the same loss."""
    walkers = state.walkers if walkers is None else walkers
    losses = torch.ones(len(walkers)) if losses is None else losses
    slopes = torch.zeros(len(walkers), 2) if slopes is None else slopes
    _, after = sampler.select(replace(state, walkers=walkers, losses=losses, slopes=slopes), 5, probe, rng(seed))
    return after.walkers


# ---------------------------------------------------------------- the loss


def oracle_terms(prediction, values, rho):
    residual = prediction - values
    weight = (1 / np.maximum(np.abs(residual).mean(1), 9.8e-4)) ** rho
    weight = np.clip(weight, 0.2, weight.mean() + weight.std(ddof=1))
    return weight, (residual**2).mean(1)


@pytest.mark.parametrize(("step", "rho"), [(0, 0.0), (300, 0.3), (600, 0.6), (4999, 0.6)])
@pytest.mark.parametrize(("scale", "channels"), [(0.3, 1), (0.3, 3), (300.0, 3)])
def test_loss_and_its_gradient(step, rho, scale, channels):
    generator = np.random.default_rng(0)
    values = generator.random((50, channels))
    prediction = values + scale * generator.standard_normal((50, channels)) * generator.random((50, 1)) ** 4
    prediction[:3] = values[:3]  # residuals of 0, where the floor of 9.8e-4 counts
    assert SoftMining().rho(step) == pytest.approx(rho)
    y, p = torch.from_numpy(values), torch.from_numpy(prediction).requires_grad_(True)
    objective = SoftMiningLoss(SoftMining().rho(step), y)
    loss = objective(p, y, torch.arange(50))
    loss.backward()
    weight, squared = oracle_terms(prediction, values, rho)
    assert loss.item() == pytest.approx((weight * squared).mean())
    slope = weight[:, None] * 2 * (prediction - values) / (50 * channels)  # the weights are constants
    np.testing.assert_allclose(p.grad.numpy(), slope, rtol=1e-9, atol=1e-15)
    assert not isinstance(objective, PointLoss)  # the clamp couples the points of a batch
    if rho == 0:
        assert loss.item() == pytest.approx(((prediction - values) ** 2).mean())


def test_the_loss_of_a_single_point_is_finite():
    y = torch.zeros(1, 3)
    assert SoftMiningLoss(0.6, y)(y + 0.5, y, torch.zeros(1, dtype=torch.long)).item() == pytest.approx(0.25 * 0.5**-0.6)


# ---------------------------------------------------------------- pixels


@pytest.mark.parametrize("grid", [(5, 9), (9, 5), (1, 7), (7, 1), (1, 1)])
def test_a_walker_stands_for_the_nearest_grid_point(grid):
    rows, columns = grid
    places = np.array([[r / max(rows - 1, 1), c / max(columns - 1, 1)] for r in range(rows) for c in range(columns)])
    assert pixel_indices(torch.from_numpy(places), grid).tolist() == list(range(rows * columns))
    walkers = np.random.default_rng(0).random((200, 2))
    walkers[:, [axis for axis in (0, 1) if grid[axis] == 1]] = 0  # an axis of one point has only one place
    nearest = [int(((places - w) ** 2 * [max(rows - 1, 1) ** 2, max(columns - 1, 1) ** 2]).sum(1).argmin()) for w in walkers]
    assert pixel_indices(torch.from_numpy(walkers), grid).tolist() == nearest


@pytest.mark.parametrize(("shape", "share", "count"), [((7, 13), 0.2, 19), ((10, 10), 0.07, 7), ((6, 9), 1.0, 54), ((2, 2), 0.01, 1)])
def test_number_of_walkers(shape, share, count):
    probe = probe_on(picture(*shape, 1))
    sampler = SoftMining(batch_share=share)
    selection, state = sampler.select(sampler.init(probe, 10, rng()), 0, probe, rng())
    assert state.walkers.shape == (count, 2)
    assert selection.indices.shape == (count,)
    assert moved(sampler, state, probe).shape == (count, 2)


# ---------------------------------------------------------------- the Langevin step


class Wavy(nn.Module):
    """A smooth function of two coordinates with known, different slopes along the two."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.linspace(0.5, 1.5, channels, dtype=torch.float64))

    def forward(self, x):
        return self.weight * (torch.sin(2 * x[:, :1]) + 0.3 * torch.cos(5 * x[:, 1:]) + 1.7)


def stretched(grid, corners, swapped):
    """Coordinates of a grid between other corners than -1 and 1, in either order of the columns, `[n, 2]` float64."""
    axes = [np.linspace(low, high, points) for (low, high), points in zip(corners, grid, strict=True)]
    both = np.stack([plane.reshape(-1) for plane in np.meshgrid(*axes, indexing="ij")], 1)
    return torch.from_numpy(both[:, ::-1].copy() if swapped else both)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("grid", "corners"), [((7, 13), ((-1, 1), (-1, 1))), ((15, 6), ((-1, 1), (0.5, -2.0)))])
def test_drift_against_finite_differences(grid, corners, channels, swapped):
    rows, columns = grid
    coords = stretched(grid, corners, swapped)
    values = torch.rand(rows * columns, channels, generator=rng(1), dtype=torch.float64)
    field = Wavy(channels)
    probe = Probe(field, Pool(coords, values, grid), L2())
    sampler = SoftMining(step_size=0.05, longest_step=None, **STILL)
    generator = rng()
    selection, state = sampler.select(sampler.init(probe, 5000, generator), 2000, probe, generator)
    feedback = accumulate_gradient(field, coords, values, selection, L2(), 4, Cost(), want_coord_gradient=True)
    seen = sampler.observe(state, 2000, selection, feedback)
    _, after = sampler.select(seen, 2001, probe, generator)

    def at(u):  # coordinates of a place in the unit square
        both = [low + (high - low) * t for (low, high), t in zip(corners, u, strict=True)]
        return torch.tensor([both[::-1] if swapped else both], dtype=torch.float64)

    def log_loss(u, pixel):  # the weight c is a constant and drops out of the slope
        with torch.no_grad():
            return np.log((field(at(u)) - values[pixel]).square().mean().item())

    count, h, stayed = len(state.walkers), 1e-5, 0
    for walker, pixel in enumerate(selection.indices.tolist()):
        u = np.array([pixel // columns / (rows - 1), pixel % columns / (columns - 1)])
        torch.testing.assert_close(at(u), coords[pixel : pixel + 1])
        slope = [(log_loss(u + h * e, pixel) - log_loss(u - h * e, pixel)) / (2 * h) for e in np.eye(2)]
        expected = state.walkers[walker].numpy() + 0.05 / count * np.array(slope)
        if (expected > 0).all() and (expected < 1).all():
            stayed += 1
            np.testing.assert_allclose(after.walkers[walker].numpy(), expected, rtol=1e-4, atol=2e-6)
    assert stayed > 0.7 * count


def test_the_terms_that_a_step_reports():
    probe = probe_on(picture(9, 14))
    sampler, generator = SoftMining(), rng()
    selection, state = sampler.select(sampler.init(probe, 5000, generator), 800, probe, generator)
    feedback = accumulate_gradient(probe._field, probe.coords, probe.values, selection, L2(), 5, Cost(), want_coord_gradient=True)
    state = sampler.observe(state, 800, selection, feedback)
    weight, squared = oracle_terms(feedback.prediction.double().numpy(), probe.values[selection.indices].double().numpy(), 0.6)
    np.testing.assert_allclose(state.losses.numpy(), weight * squared, rtol=1e-4)


def test_a_long_step_is_cut_and_keeps_its_direction():
    probe = probe_on(picture(9, 14))
    sampler = SoftMining(step_size=1.0, longest_step=0.05, **STILL)
    state = sampler.init(probe, 10, rng())
    middle = torch.full((len(state.walkers), 2), 0.5)
    slopes = torch.randn(len(middle), 2, generator=rng()) * torch.logspace(-3, 3, len(middle))[:, None]
    step = moved(sampler, state, probe, middle, slopes=slopes).double() - 0.5
    length = slopes.double().norm(dim=1)
    torch.testing.assert_close(step.norm(dim=1), length.clamp(max=0.05), rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(step / step.norm(dim=1, keepdim=True), slopes / length[:, None], rtol=0, atol=1e-3, check_dtype=False)
    assert (length < 0.05).sum() > 3 and (length > 0.05).sum() > 3


def test_noise():
    probe = probe_on(picture(100, 100, 1))
    sampler = SoftMining(uniform_share=0.0, redraw_share=0.0, batch_share=1.0)
    state = sampler.init(probe, 10, rng())
    middle = torch.full((10_000, 2), 0.5)
    assert_normal(moved(sampler, state, probe, middle) - 0.5, 0.02)


# ---------------------------------------------------------------- redraws


def test_the_last_tenth_is_replaced_by_uniform_draws():
    probe = probe_on(picture(100, 100, 1))
    sampler = SoftMining(**{**STILL, "uniform_share": 0.1})
    state = sampler.init(probe, 10, rng())
    middle = torch.full((2000, 2), 0.5)
    after = torch.stack([moved(sampler, state, probe, middle, seed=seed) for seed in range(10)])
    assert (after[:, :1800] == 0.5).all()
    for axis in (0, 1):
        assert stats.kstest(after[:, 1800:, axis].reshape(-1).numpy(), "uniform").pvalue > FALSE_ALARM


def test_the_tenth_of_lowest_loss_and_whoever_left_are_redrawn():
    probe = probe_on(picture(10, 16, 1))  # no pixel lies in the middle of 10 rows
    sampler = SoftMining(batch_share=1.0, longest_step=None, **{**STILL, "redraw_share": 0.1})
    state = sampler.init(probe, 10, rng())
    middle = torch.full((160, 2), 0.5)
    losses = torch.rand(160, generator=rng(4)) + 0.1
    slopes = torch.zeros(160, 2)
    slopes[3], slopes[5], slopes[7], slopes[9] = torch.tensor([[-1.0, 0], [0, 1.0], [float("inf"), 0], [-0.025, 0.025]])
    slopes[11] = float("nan")  # a loss of exactly 0 has no slope
    after = moved(sampler, state, probe, middle, losses, slopes)
    gone = set(losses.argsort()[:16].tolist()) | {3, 5, 7}
    assert {i for i in range(160) if i not in (9, *gone) and not (after[i] == 0.5).all()} == set()
    assert all((after[i] != 0.5).any() for i in gone)
    assert after[9].tolist() == [0.0, 1.0]  # on the border, not beyond it
    pixel = pixel_indices(after[sorted(gone)], (10, 16))
    expected = torch.stack([pixel // 16 / 9, pixel % 16 / 15], 1)
    torch.testing.assert_close(after[sorted(gone)], expected)  # redrawn walkers stand on pixels


@pytest.mark.parametrize("channels", [1, 3])
def test_redraws_follow_the_sobel_edges(channels):
    image = picture(9, 14, channels)
    wide = np.pad(grey_levels(image).astype(float), 1, mode="edge")
    chance = np.zeros((9, 14))
    for row, column in np.ndindex(9, 14):
        part = wide[row : row + 3, column : column + 3]
        chance[row, column] = np.hypot((part[:, 2] - part[:, 0]) @ [1, 2, 1], [1, 2, 1] @ (part[2] - part[0]))
    chance = np.maximum(chance / chance.max(), 1e-5).reshape(-1)
    chance /= chance.sum()
    probe = probe_on(image)
    sampler = SoftMining(batch_share=1.0, **{**STILL, "redraw_share": 1.0})
    state = sampler.init(probe, 10, rng())
    drawn = [pixel_indices(moved(sampler, state, probe, seed=seed), (9, 14)) for seed in range(400)]
    counts = torch.bincount(torch.cat(drawn), minlength=126).numpy()
    assert (chance * counts.sum()).min() > 5  # enough for the test
    assert stats.chisquare(counts, chance * counts.sum()).pvalue > FALSE_ALARM
    assert stats.chisquare(counts).pvalue < FALSE_ALARM


def test_a_flat_image_is_redrawn_uniformly():
    probe = probe_on(np.full((6, 10, 1), 90, np.uint8))
    sampler = SoftMining(batch_share=1.0, **{**STILL, "redraw_share": 1.0})
    state = sampler.init(probe, 10, rng())
    drawn = [pixel_indices(moved(sampler, state, probe, seed=seed), (6, 10)) for seed in range(200)]
    assert stats.chisquare(torch.bincount(torch.cat(drawn), minlength=60).numpy()).pvalue > FALSE_ALARM


def test_draws_at_the_ends_of_the_running_sum():
    probe = probe_on(picture(3, 4, 1))
    sampler = SoftMining(batch_share=1.0, **{**STILL, "redraw_share": 1.0})
    state = replace(sampler.init(probe, 10, rng()), edges=torch.tensor([0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3]))
    drawn = torch.cat([pixel_indices(moved(sampler, state, probe, seed=seed), (3, 4)) for seed in range(300)])
    counts = torch.bincount(drawn, minlength=12)
    assert set(drawn.tolist()) == {2, 6, 11}
    assert stats.chisquare(counts[[2, 6, 11]].numpy()).pvalue > FALSE_ALARM
