"""Cells against slow oracles: how space is cut, how a batch is shared out, and whose turn it is."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles.water_filling import expected_counts
from scipy import stats
from torch import nn

from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import cells as module
from nint.samplers.cells import Boxes, Cells, _rounded, allot, averages, cut, sort_into
from nint.signals.base import GridCoords, Pool

FALSE_ALARM = 1e-6  # of each statistical test, for a fresh seed
UNIT = 2**30


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_of(coords, epoch=0):
    axes = coords.shape[1]
    return Probe(nn.Linear(axes, 1), Pool(coords, torch.zeros(len(coords), 1), epoch=epoch), L2())


# ---------------------------------------------------------------- allot


def many_cells(cells, seed, low=-1.0, high=1.0, sizes=(0, 90)):
    """Cells with log-uniform weights."""
    generator = np.random.default_rng(seed)
    return 10 ** generator.uniform(low, high, cells), generator.integers(*sizes, cells)


def shared_out():
    uneven = many_cells(40, 0)
    extreme = many_cells(40, 1, -6, 12)
    return {
        "few": ([1.0, 2.0, 4.0], [10, 10, 10], 7),
        "one cell": ([3.0], [50], 20),
        "one cell, all of it": ([0.3], [50], 50),
        "one point": ([1.0, 5.0, 2.0], [4, 4, 4], 1),
        "equal": ([0.7] * 9, [13] * 9, 40),
        "last cell full": ([1.0, 1.0, 500.0], [30, 30, 3], 20),
        "first cell full": ([500.0, 1.0, 1.0], [3, 30, 30], 20),
        "one filled by what another leaves": ([100.0, 3.0, 1.0], [2, 10, 10], 16),
        "empty cells": ([1e9, 1.0, 1e9, 2.0, 1e-6], [0, 10, 0, 10, 0], 9),
        "empty but one": ([1.0, 1.0, 1.0], [0, 8, 0], 5),
        "all but one point": ([1.0, 2.0, 8.0, 0.1], [7, 9, 11, 13], 39),
        "everything": ([1e-6, 2.0, 8.0, 1e12], [7, 9, 0, 13], 29),
        "everything, and the lightest cell is empty": ([1e-6, 2.0, 8.0], [0, 7, 9], 16),
        "huge cells": ([0.1, 0.7, 0.3, 3.0, 0.2], [10**7, 3 * 10**7, 2 * 10**7, 10**6, 10**7], 23_456_789),
        "uneven, small": (*uneven, 25),
        "uneven, half": (*uneven, int(sum(uneven[1]) // 2)),
        "uneven, nearly all": (*uneven, int(sum(uneven[1])) - 3),
        "extreme": (*extreme, 300),
        "extreme, nearly all": (*extreme, int(sum(extreme[1])) - 1),
    }


@pytest.mark.parametrize(("weight", "size", "total"), shared_out().values(), ids=shared_out().keys())
def test_each_cell_gets_its_expected_number_rounded_up_or_down(weight, size, total):
    weight, size = torch.tensor(weight, dtype=torch.float32), torch.tensor(size)
    expected = np.array(expected_counts(weight.tolist(), size.tolist(), total))
    assert expected.sum() == pytest.approx(total)
    generator, draws = rng(5), 1500
    drawn = [allot(weight, size, total, generator).numpy() for _ in range(draws)]
    counts = np.stack(drawn)
    assert counts.dtype == np.int64
    assert (counts.sum(1) == total).all()
    assert (counts >= 0).all() and (counts <= size.numpy()).all()
    slack = 1e-7 + 1e-13 * total
    assert (counts >= np.floor(expected - slack)).all() and (counts <= np.ceil(expected + slack)).all()
    part = expected - np.floor(expected)
    spread = np.sqrt(part * (1 - part) / draws)
    bound = stats.norm.isf(FALSE_ALARM / 2 / len(size)) * spread + 10 / draws * (spread > 0) + slack
    assert (np.abs(counts.mean(0) - expected) <= bound).all()


def test_the_oracle_fills_cells_by_what_others_leave():
    assert expected_counts([100.0, 3.0, 1.0], [2, 10, 10], 16) == pytest.approx([2, 10, 4])
    assert expected_counts([4.0, 2.0, 1.0], [10, 10, 10], 7) == pytest.approx([4, 2, 1])


def test_rows_of_cells_are_evenly_served():
    """Not only each cell: any run of neighbouring cells gets what it expects, to the nearest point."""
    generator = rng(2)
    weight, size = torch.rand(300, generator=generator) + 0.1, torch.randint(0, 9, (300,), generator=generator)
    expected = np.cumsum(expected_counts(weight.double().tolist(), size.tolist(), 100))
    for _ in range(50):
        reached = np.cumsum(allot(weight, size, 100, generator).numpy())
        assert (np.abs(reached - expected) < 1 + 1e-6).all()


@pytest.mark.parametrize("total", [1, 70_000, 65_536 * 8 - 5, 65_536 * 8])
def test_many_cells_are_shared_out_exactly(total):
    generator = rng(1)
    size = torch.randint(0, 17, (65_536,), generator=generator)
    total = min(total, int(size.sum()))
    weight = torch.rand(65_536, generator=generator) ** 8 + 1e-6
    for _ in range(3):
        counts = allot(weight, size, total, generator)
        assert int(counts.sum()) == total
        assert bool((counts <= size).all()) and int(counts.min()) >= 0


@pytest.mark.parametrize("offset", [0, 1, UNIT // 2, UNIT - 2, UNIT - 1])
@pytest.mark.parametrize("slip", [-3e-9, 0.0, 3e-9])
@pytest.mark.parametrize("expected", [[3.0, 0.0, 2.0, 4.0], [0.25, 0.5, 0.25, 2.0, 0.0], [1 / 3] * 3 + [3.0], [5.0]])
def test_rounding_never_loses_or_adds_a_point(expected, slip, offset):
    """Whatever the offset, and where the expected numbers miss their sum by an error of arithmetic."""
    total = round(sum(expected))
    moved = torch.tensor(expected, dtype=torch.float64)
    moved[0] += slip if moved[0] != round(expected[0]) or slip < 0 else 0.0  # a full cell is never more than full
    counts = _rounded(moved, total, torch.tensor(offset))
    assert int(counts.sum()) == total
    for count, number in zip(counts.tolist(), expected, strict=True):
        assert math.floor(number) <= count <= math.ceil(number)


def test_shares_follow_the_seed_and_leave_the_global_generator_alone():
    weight, size = torch.rand(60, generator=rng()) + 0.1, torch.full((60,), 9)
    before = torch.get_rng_state()
    one, same, other = (allot(weight, size, 100, rng(seed)).tolist() for seed in (4, 4, 5))
    assert one == same != other
    assert torch.equal(before, torch.get_rng_state())


# ---------------------------------------------------------------- averages


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_averages_of_cells(dtype, close):
    counts = torch.tensor([0, 3, 1, 0, 0, 5, 0])
    values = torch.rand(9, generator=rng(), dtype=dtype)
    found, start = averages(values, counts), 0
    assert found.dtype == dtype
    for mean, count in zip(found.tolist(), counts.tolist(), strict=True):
        given = values[start : start + count].tolist()
        start += count
        assert math.isnan(mean) if not given else mean == pytest.approx(sum(given) / count, rel=close)


# ---------------------------------------------------------------- boxes


def box_by_hand(point, low, high, bins):
    """Number of the box of a point, the last axis fastest, one axis after the other."""
    number = 0
    for x, a, b, count in zip(point, low, high, bins, strict=True):
        place = 0 if b <= a else math.floor((x - a) / (b - a) * count)
        number = number * count + min(max(place, 0), count - 1)
    return number


@pytest.mark.parametrize("axes", [1, 2, 3, 5])
def test_boxes_are_equal_parts_of_each_axis(axes):
    generator = rng(axes)
    coords = torch.rand(2000, axes, generator=generator, dtype=torch.float64) * torch.arange(1.0, axes + 1) - 2
    boxes = cut(probe_of(coords), 16)
    assert len(set(boxes.bins)) == 1 and len(boxes.bins) == axes
    assert 2000 / 16 / 3 < boxes.count < 3 * 2000 / 16
    low, high = coords.numpy().min(0), coords.numpy().max(0)
    by_row = [box_by_hand(point, low, high, boxes.bins) for point in coords.numpy()]
    assert replace(boxes, rank=None).of(coords).tolist() == by_row
    assert boxes.of(coords).tolist() == [int(boxes.rank[number]) for number in by_row]
    assert len(boxes.of(coords).unique()) > 0.5 * boxes.count


def test_points_outside_belong_to_the_nearest_box():
    boxes = Boxes(torch.tensor([0.0, -1.0]), torch.tensor([1.0, 3.0]), (4, 3))
    far = [[-7.0, -5.0], [2.0, -1.0], [1e30, 1e30], [-1e30, 2.9], [0.5, torch.inf], [-torch.inf, 0.0], [1.0, 3.0], [0.0, -1.0]]
    assert boxes.of(torch.tensor(far)).tolist() == [0, 9, 11, 2, 8, 0, 11, 0]


def test_a_point_without_a_place_still_has_a_box():
    coords = torch.rand(50, 2, generator=rng())
    boxes = cut(probe_of(coords), 8)
    assert 0 <= boxes.of(torch.full((1, 2), torch.nan)).item() < boxes.count
    coords[3] = torch.nan
    whole = cut(probe_of(coords), 8)
    found = whole.of(coords)
    assert int(found.min()) >= 0 and int(found.max()) < whole.count


def test_large_pools_get_larger_cells_unless_their_size_is_named(monkeypatch):
    monkeypatch.setattr(module, "MOST_CELLS", 25)
    coords = torch.rand(1000, 2, generator=rng())
    assert [cut(probe_of(coords), named).count for named in (None, 40, 10)] == [25, 25, 100]
    monkeypatch.setattr(module, "MOST_CELLS", 2**14)
    assert cut(probe_of(coords), None).count == cut(probe_of(coords), 16).count


@pytest.mark.parametrize("constant", [0, 1, 2])
def test_an_axis_along_which_nothing_changes_is_not_cut(constant):
    coords = torch.rand(1024, 3, generator=rng())
    coords[:, constant] = 0.25
    boxes = cut(probe_of(coords), 64)
    assert boxes.bins == tuple(1 if axis == constant else 4 for axis in range(3))
    assert len(boxes.of(coords).unique()) == 16
    moved = coords.clone()
    moved[:, constant] = 7.0
    assert torch.equal(boxes.of(moved), boxes.of(coords))


def test_points_all_in_one_place_are_one_box():
    boxes = cut(probe_of(torch.full((300, 2), 0.5)), 10)
    assert boxes.count == 1
    assert boxes.of(torch.full((4, 2), 0.5)).tolist() == [0] * 4


@pytest.mark.parametrize(("points", "axes", "per_cell"), [(1, 2, 64), (5, 1, 64), (30, 3, 64), (30, 2, 1), (1000, 11, 8), (4000, 40, 1)])
def test_there_are_never_more_boxes_than_points(points, axes, per_cell):
    boxes = cut(probe_of(torch.rand(points, axes, generator=rng())), per_cell)
    assert 1 <= boxes.count <= points


# ---------------------------------------------------------------- sorting into cells


@pytest.mark.parametrize("grid", [(10, 14), (97,), (5, 6, 7), (1, 40)])
def test_every_point_lies_in_its_cell_once(grid):
    probe = probe_of(GridCoords(grid))
    boxes = cut(probe, 9)
    cells, n = sort_into(boxes, probe, rng()), len(probe)
    place = boxes.of(probe.coords[:])
    assert sorted(cells.order.tolist()) == list(range(n))
    assert len(cells.size) == len(cells.start) == len(cells.turn) == boxes.count
    for cell, (start, size) in enumerate(zip(cells.start.tolist(), cells.size.tolist(), strict=True)):
        rows = cells.order[start : start + size]
        assert sorted(rows.tolist()) == torch.nonzero(place == cell)[:, 0].tolist()
    assert not cells.turn.any()


def test_the_order_within_a_cell_is_random():
    probe, firsts = probe_of(GridCoords((12,))), torch.zeros(12)
    boxes = Boxes(torch.tensor([-1.0]), torch.tensor([1.0]), (2,))
    for seed in range(1200):
        firsts[sort_into(boxes, probe, rng(seed)).order[[0, 6]]] += 1
    for half in (firsts[:6], firsts[6:]):
        assert half.sum() == 1200
        assert stats.chisquare(half.numpy()).pvalue > FALSE_ALARM


def test_large_pools_are_cut_into_ranges_of_rows(monkeypatch):
    monkeypatch.setattr(module, "MOST_SORTED", 99)
    probe = probe_of(torch.rand(100, 2, generator=rng()))
    assert cut(probe_of(torch.rand(99, 2, generator=rng())), 10) is not None
    assert cut(probe, 10) is None
    cells = sort_into(None, probe, rng())
    assert cells.order is None
    assert int(cells.size.sum()) == 100
    assert torch.equal(cells.start + cells.size, torch.cat([cells.start[1:], torch.tensor([100])]))


# ---------------------------------------------------------------- taking


def random_counts(size, generator):
    """Some cells give nothing, some all they have."""
    counts = (torch.rand(len(size), generator=generator) * 1.4 * size).round().long()
    return torch.minimum(counts, size)


@pytest.mark.parametrize("grid", [(10, 14), (97,)])
def test_a_cell_gives_each_of_its_points_once_before_any_again(grid):
    probe, generator = probe_of(GridCoords(grid)), rng(1)
    boxes = cut(probe, 9)
    cells = sort_into(boxes, probe, generator)
    place, given = boxes.of(probe.coords[:]), torch.zeros(len(probe), dtype=torch.long)
    for _ in range(60):
        counts = random_counts(cells.size, generator)
        rows, chosen, cells = cells.take(counts, generator)
        assert len(rows.unique()) == len(rows) == int(counts.sum())
        assert torch.equal(place[rows], chosen)
        assert torch.equal(torch.bincount(chosen, minlength=boxes.count), counts)
        assert torch.equal(chosen, chosen.sort().values)
        given[rows] += 1
        for cell in range(boxes.count):
            mine = given[place == cell]
            assert len(mine) == 0 or int(mine.max() - mine.min()) <= 1
    assert int(given.min()) > 10


def ranges(sizes):
    size = torch.tensor(sizes)
    return Cells(size, torch.cumsum(size, 0) - size, None, torch.zeros_like(size))


def test_points_of_a_range_are_distinct_and_evenly_spaced():
    cells, generator = ranges([5, 0, 12, 1, 30, 7]), rng()
    for _ in range(300):
        counts = random_counts(cells.size, generator)
        rows, chosen, after = cells.take(counts, generator)
        assert after is cells
        assert len(rows.unique()) == len(rows) == int(counts.sum())
        for cell, (start, size, count) in enumerate(zip(cells.start.tolist(), cells.size.tolist(), counts.tolist(), strict=True)):
            mine = rows[chosen == cell]
            assert len(mine) == count
            if count:
                assert start <= int(mine.min()) and int(mine.max()) < start + size
                gaps = torch.diff(mine, append=mine[:1] + size)  # around the end
                assert int(gaps.min()) >= size // count and int(gaps.max()) <= -(-size // count)


@pytest.mark.parametrize("counts", [[5, 12], [1, 1], [2, 7], [3, 11]])
def test_every_point_of_a_range_is_taken_equally_often(counts):
    cells, generator, draws = ranges([5, 12]), rng(3), 3000
    taken = torch.zeros(17)
    for _ in range(draws):
        taken[cells.take(torch.tensor(counts), generator)[0]] += 1
    chance = np.repeat(np.array(counts) / [5, 12], [5, 12])
    bound = stats.norm.isf(FALSE_ALARM / 2 / 17) * np.sqrt(draws * chance * (1 - chance))
    assert (np.abs(taken.numpy() - draws * chance) <= bound + 1e-9).all()


def test_turns_follow_the_seed_and_leave_the_global_generator_alone():
    cells, counts, before = ranges([50, 70]), torch.tensor([3, 4]), torch.get_rng_state()
    one, same, other = (cells.take(counts, rng(seed))[0].tolist() for seed in (4, 4, 5))
    assert one == same != other
    assert torch.equal(before, torch.get_rng_state())


def test_a_full_range_is_given_whole_whatever_the_start(monkeypatch):
    cells = ranges([64, 3])
    for start in (0.0, 1e-20, 0.5, 1 - 2**-24):
        monkeypatch.setattr(module.torch, "rand", lambda *_, start=start, **__: torch.full((2,), start))
        rows, _, _ = cells.take(cells.size, rng())
        assert sorted(rows.tolist()) == list(range(67))
