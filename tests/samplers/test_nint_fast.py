"""NINT without forwards: its density and moving average against plain Python, its batches, redrawn and broken points."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.water_filling import density, expected_counts, remembered
from scipy import stats
from torch import nn

from nint.probe.cost import Cost
from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import cells as cells_module
from nint.samplers.base import Feedback
from nint.samplers.nint_fast import NintFast
from nint.signals.base import GridCoords, Pool

FALSE_ALARM = 1e-6  # of each statistical test, for a fresh seed
SCATTERED = torch.rand(230, 2, generator=torch.Generator().manual_seed(9)) ** 3  # crowded near the origin
POOLS = {
    "square": GridCoords((12, 12)),
    "wide": GridCoords((9, 23)),
    "line": GridCoords((131,)),
    "volume": GridCoords((5, 6, 7)),
    "scattered": SCATTERED,
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_on(coords, epoch=0, loss=None):
    values = torch.zeros(len(coords), 1, dtype=coords[:1].dtype)
    return Probe(nn.Linear(coords.shape[1], 1), Pool(coords, values, epoch=epoch), loss or L2())


def told(sampler, state, step, selection, losses):
    """The state after a step whose points have these losses, `[n]` of the whole pool."""
    loss = losses[selection.indices]
    return sampler.observe(state, step, selection, Feedback(loss[:, None], loss))


def with_map(state, seed=0, unseen=0.0):
    """The state with a lively error map, a share of it still unseen."""
    generator = rng(seed)
    error = torch.rand(len(state.error), generator=generator) ** 3 + 0.01
    error[torch.rand(len(error), generator=generator) < unseen] = torch.nan
    return replace(state, error=error)


def place_of(state, probe):
    """Cell of each point, `[n]`."""
    return state.boxes.of(probe.coords[:])


# ---------------------------------------------------------------- which points


def assert_drawn_as_expected(sampler, state, probe, chance, steps=400):
    """Each point was drawn as often as its chance says: its cell's draws as independent roundings, shared out to within one."""
    generator, given = rng(3), torch.zeros(len(probe))
    for step in range(steps):
        selection, state = sampler.select(state, step, probe, generator)
        assert len(selection.indices.unique()) == len(selection.indices)
        given[selection.indices] += 1
    place = place_of(state, probe)
    size = torch.bincount(place, minlength=state.boxes.count).numpy()
    sd = 0.5 * math.sqrt(steps) / np.maximum(size, 1)  # a rounding is off by at most a coin's standard deviation
    bound = stats.norm.isf(FALSE_ALARM / 2 / len(size)) * sd + 1 + steps * 1e-6
    assert (np.abs(given.numpy() - steps * chance) <= bound[place.numpy()]).all()


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("name", POOLS)
def test_every_point_is_drawn_equally_often_where_the_error_has_no_say(name, known):
    """Before anything is known, and with a random share of 1 for ever; also where cells are of unequal size."""
    probe = probe_on(POOLS[name])
    sampler = NintFast(batch_share=0.3, points_per_cell=8, random_share=1.0 if known else 0.25)
    state = sampler.init(probe, 1000, rng())
    assert torch.isnan(state.error).all()
    state = with_map(state) if known else state
    batch = int(0.3 * len(probe))
    assert_drawn_as_expected(sampler, state, probe, np.full(len(probe), batch / len(probe)))


@pytest.mark.parametrize("unseen", [0.0, 0.4])
@pytest.mark.parametrize(("xi", "power", "share"), [(0.3, 2.0, 0.1), (0.0, 1.0, 0.2), (0.5, 3.0, 0.4), (0.2, 0.0, 0.2), (0.1, 2.0, 0.8)])
@pytest.mark.parametrize("name", ["wide", "scattered"])
def test_points_are_drawn_by_the_error_of_their_cell(name, xi, power, share, unseen):
    probe = probe_on(POOLS[name])
    sampler = NintFast(batch_share=share, points_per_cell=9, random_share=xi, power=power)
    state = with_map(sampler.init(probe, 1000, rng()), unseen=unseen)
    size, place = state.cells.size.tolist(), place_of(state, probe).numpy()
    weight = density([float(e) for e in state.error], size, xi, power)
    held = np.array(size) > 0
    np.testing.assert_allclose(sampler.density(state).numpy()[held], np.array(weight)[held], rtol=2e-5, atol=2e-6)
    expected = expected_counts(weight, size, int(share * len(probe)))
    assert_drawn_as_expected(sampler, state, probe, (np.array(expected) / np.maximum(size, 1))[place])


def test_no_error_anywhere_is_no_reason_to_prefer_a_point():
    sampler = NintFast(random_share=0.0)
    state = sampler.init(probe_on(GridCoords((30, 30))), 10, rng())
    weight = sampler.density(replace(state, error=torch.zeros_like(state.error)))
    assert torch.isfinite(weight).all() and torch.equal(weight, weight[0].expand_as(weight))


@pytest.mark.parametrize("power", [40.0, 1000.0])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_a_high_power_takes_the_worst_cell_whole(power, scale):
    probe = probe_on(GridCoords((32, 32)))
    sampler = NintFast(batch_size=40, points_per_cell=16, random_share=0.0, power=power)
    state = sampler.init(probe, 10, rng())
    error = torch.full_like(state.error, scale * 1e-3)
    error[7] = scale
    selection, _ = sampler.select(replace(state, error=error), 0, probe, rng())
    assert set(torch.nonzero(place_of(state, probe) == 7)[:, 0].tolist()) <= set(selection.indices.tolist())
    assert len(selection.indices.unique()) == 40


@pytest.mark.parametrize("sort", [True, False])
@pytest.mark.parametrize("schedule", ["constant", "linear", "step", "cosine"])
@pytest.mark.parametrize("share", [0.004, 0.2, 0.93, 1.0])
@pytest.mark.parametrize("grid", [(9, 31), (140,)])
def test_batches_are_distinct_points_of_the_scheduled_size(monkeypatch, grid, share, schedule, sort):
    monkeypatch.setattr(cells_module, "MOST_SORTED", 10**6 if sort else 20)
    probe, generator, steps = probe_on(GridCoords(grid)), rng(), 8
    n, losses = len(probe), torch.rand(len(probe), generator=rng(1)) ** 6
    sampler = NintFast(batch_share=share, schedule=schedule, points_per_cell=8)
    state = sampler.init(probe, steps, generator)
    assert (state.boxes is None) != sort
    for step in range(steps):
        selection, state = sampler.select(state, step, probe, generator)
        rows = selection.indices
        assert rows.dtype == torch.int64 and selection.objective is None
        assert len(rows.unique()) == len(rows) == max(int(sampler.expected_share(step, steps) * n), 1)
        assert int(rows.min()) >= 0 and int(rows.max()) < n
        state = told(sampler, state, step, selection, losses)
    assert probe.cost == Cost()


@pytest.mark.parametrize("size", [1, 37, 10_000])
def test_batch_size(size):
    probe = probe_on(GridCoords((11, 13)))
    sampler = NintFast(batch_size=size)
    selection, _ = sampler.select(sampler.init(probe, 10, rng()), 0, probe, rng())
    assert len(selection.indices.unique()) == len(selection.indices) == min(size, 143)


def test_a_cell_gives_each_point_once_before_any_again_while_the_map_changes():
    probe, generator = probe_on(GridCoords((16, 20))), rng()
    sampler = NintFast(batch_share=0.23, points_per_cell=10, random_share=0.3, power=2.0)
    state, losses = sampler.init(probe, 100, generator), torch.rand(320, generator=rng(1)) ** 4
    given, place = torch.zeros(320, dtype=torch.long), place_of(state, probe)
    for step in range(60):
        selection, state = sampler.select(state, step, probe, generator)
        state = told(sampler, state, step, selection, losses)
        given[selection.indices] += 1
        spread = [int(mine.max() - mine.min()) for mine in (given[place == cell] for cell in place.unique())]
        assert max(spread) <= 1
    assert int(given.max()) > int(given.min()) + 5  # the map had its say


# ---------------------------------------------------------------- what it remembers


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("ema_decay", [0.0, 0.8, 0.999])
@pytest.mark.parametrize("sort", [True, False])
def test_the_map_is_a_moving_average_over_the_points_of_a_cell(monkeypatch, sort, ema_decay, dtype):
    monkeypatch.setattr(cells_module, "MOST_SORTED", 10**6 if sort else 20)
    monkeypatch.setattr(cells_module, "MOST_CELLS", 30)
    probe, generator = probe_on(GridCoords((14, 15))), rng()
    sampler = NintFast(batch_share=0.15, points_per_cell=7, ema_decay=ema_decay)
    state = sampler.init(probe, 100, generator)
    expected, unseen = [math.nan] * len(state.error), 0
    for step in range(25):
        selection, state = sampler.select(state, step, probe, generator)
        losses = torch.rand(210, generator=generator).to(dtype)
        given = [[] for _ in expected]
        for cell, row in zip(state.chosen.tolist(), selection.indices.tolist(), strict=True):
            given[cell].append(float(losses[row]))
        unseen += sum(not one for one in given)
        state = told(sampler, state, step, selection, losses)
        expected = remembered(expected, given, ema_decay)
        assert state.chosen is None and state.error.dtype == torch.float32
        np.testing.assert_allclose(state.error.numpy(), expected, rtol=2e-2 if dtype is torch.bfloat16 else 1e-5)  # NaN where unseen
    assert unseen > 0


def test_a_cell_that_was_never_seen_stays_unknown():
    probe = probe_on(GridCoords((20, 20)))
    sampler = NintFast(batch_size=3, points_per_cell=10)
    state = sampler.init(probe, 10, rng())
    selection, state = sampler.select(state, 0, probe, rng())
    place = place_of(state, probe)
    state = told(sampler, state, 0, selection, torch.ones(400))
    seen = torch.zeros(len(state.error), dtype=torch.bool)
    seen[place[selection.indices]] = True
    assert torch.equal(~torch.isnan(state.error), seen)
    assert (state.error[seen] == 1).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0])
def test_a_loss_that_is_not_a_number_teaches_nothing_and_does_no_lasting_harm(bad):
    probe, generator = probe_on(GridCoords((16, 16))), rng()
    sampler = NintFast(batch_share=0.4, points_per_cell=8)
    state, losses = sampler.init(probe, 100, generator), torch.rand(256, generator=rng(1))
    for step in range(6):
        broken = losses.clone()
        if step in (0, 3):
            broken[::5] = bad
        before = state.error
        selection, state = sampler.select(state, step, probe, generator)
        place = place_of(state, probe)
        hit = torch.zeros(len(before), dtype=torch.bool)
        poor = selection.indices[broken[selection.indices] != losses[selection.indices]]
        hit[place[poor]] = True
        state = told(sampler, state, step, selection, broken)
        assert torch.equal(hit.any(), torch.tensor(step in (0, 3)))
        if bad != -1.0:  # a negative loss may be outweighed by others of its cell
            torch.testing.assert_close(state.error[hit], before[hit], rtol=0, atol=0, equal_nan=True)
        assert torch.isfinite(sampler.density(state)).all()
        assert not torch.isinf(state.error).any()
    assert torch.isfinite(state.error[state.cells.size > 0]).all()


def test_a_point_that_is_always_broken_does_not_silence_the_others():
    probe, generator = probe_on(GridCoords((16, 16))), rng()
    sampler, losses = NintFast(batch_share=0.2, points_per_cell=16), torch.full((256,), 0.25)
    losses[[3, 100]] = torch.nan
    state = sampler.init(probe, 100, generator)
    for step in range(40):
        selection, state = sampler.select(state, step, probe, generator)
        state = told(sampler, state, step, selection, losses)
        assert len(selection.indices.unique()) == 51
    torch.testing.assert_close(state.error, torch.full_like(state.error, 0.5))


# ---------------------------------------------------------------- other points


def advanced(sampler, probe, steps=5, generator=None):
    """A state that has seen a few steps with the error rising along the first axis."""
    generator = generator or rng()
    state = sampler.init(probe, 100, generator)
    for step in range(steps):
        selection, state = sampler.select(state, step, probe, generator)
        state = told(sampler, state, step, selection, (probe.coords[:][:, 0] + 1.1).float())
    return state


@pytest.mark.parametrize("points", [300, 90, 2000])
def test_the_map_outlives_redrawn_points(points):
    sampler = NintFast(batch_share=0.5, points_per_cell=10, random_share=0.3, power=2.0)
    state = advanced(sampler, probe_on(torch.rand(300, 2, generator=rng(1))))
    redrawn = probe_on(torch.rand(points, 2, generator=rng(2)) * 1.4 - 0.2, epoch=1)  # some lie outside
    selection, after = sampler.select(state, 5, redrawn, rng())
    assert after.epoch == 1 and torch.equal(after.error, state.error) and after.boxes is state.boxes
    rows = selection.indices
    assert len(rows.unique()) == len(rows) == points // 2 and int(rows.max()) < points
    assert torch.equal(torch.bincount(state.boxes.of(redrawn.coords), minlength=state.boxes.count), after.cells.size)
    assert torch.equal(place_of(after, redrawn)[rows], after.chosen)
    right = redrawn.coords[:, 0] > 0.5
    assert right[rows].float().mean() > right.float().mean() + 0.03  # where the error was
    again, kept = sampler.select(told(sampler, after, 5, selection, torch.ones(points)), 6, redrawn, rng())
    assert kept.cells.order is after.cells.order
    assert len(again.indices) == points // 2


def test_points_all_outside_the_first_box_and_all_in_one_place():
    sampler = NintFast(batch_share=0.5, points_per_cell=10)
    state = advanced(sampler, probe_on(torch.rand(300, 2, generator=rng(1))))
    for epoch, coords in enumerate([torch.rand(40, 2, generator=rng(2)) + 1e6, torch.full((40, 2), -3.0)], 1):
        probe = probe_on(coords, epoch=epoch)
        given = torch.zeros(40)
        for step in range(5, 9):
            selection, state = sampler.select(state, step, probe, rng(step))
            state = told(sampler, state, step, selection, torch.ones(40))
            given[selection.indices] += 1
        assert given.sum() == 80 and given.max() <= 3
    assert torch.isfinite(sampler.density(state)).all()


def test_what_was_known_of_rows_is_forgotten_with_the_rows(monkeypatch):
    monkeypatch.setattr(cells_module, "MOST_SORTED", 20)
    sampler = NintFast(batch_share=0.5)
    state = advanced(sampler, probe_on(torch.rand(300, 2, generator=rng(1))))
    assert state.boxes is None and not torch.isnan(state.error).all()
    for epoch, points in enumerate([300, 7, 5000], 1):
        selection, after = sampler.select(state, 5, probe_on(torch.rand(points, 2, generator=rng(2)), epoch=epoch), rng())
        assert torch.isnan(after.error).all() and after.error.shape == state.error.shape
        assert len(selection.indices.unique()) == points // 2


@pytest.mark.parametrize("points", [1, 2, 5])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_fewer_points_than_a_cell_holds(points, axes):
    probe = probe_on(torch.rand(points, axes, generator=rng()))
    sampler = NintFast(batch_share=0.5, points_per_cell=1000)
    state = sampler.init(probe, 10, rng())
    assert state.error.shape == (1,)
    for step in range(4):
        selection, state = sampler.select(state, step, probe, rng(step))
        assert len(selection.indices.unique()) == max(points // 2, 1)
        state = told(sampler, state, step, selection, torch.ones(points))


def test_double_precision():
    coords = torch.rand(400, 2, generator=rng(), dtype=torch.float64)
    sampler = NintFast(points_per_cell=20)
    state = advanced(sampler, probe_on(coords))
    assert sampler.density(state).dtype == state.error.dtype == torch.float32
    assert not torch.isnan(state.error[state.cells.size > 0]).any()
