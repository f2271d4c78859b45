"""The space-filling curve: every box once, neighbours on it are neighbours in space, and what it is for, even spread."""

import itertools

import pytest
import torch
from torch import nn

from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers.cells import allot, cut, sort_into
from nint.samplers.curve import curve_rank
from nint.signals.base import GridCoords, Pool


def places(bins):
    return torch.tensor(list(itertools.product(*(range(many) for many in bins))))[torch.argsort(curve_rank(bins))]


@pytest.mark.parametrize("bins", [(1,), (64,), (2, 2), (8, 8), (5, 7), (1, 6), (3, 1, 5), (4, 4, 4), (3, 3, 3), (2, 2, 2, 2)])
def test_every_box_once(bins):
    assert sorted(curve_rank(bins).tolist()) == list(range(len(places(bins))))


@pytest.mark.parametrize("bins", [(64,), (4, 4), (16, 16), (8, 8, 8), (2, 2, 2, 2), (1, 8, 8)])
def test_consecutive_boxes_touch(bins):
    steps = places(bins).diff(dim=0).abs().sum(1)
    assert (steps == 1).all()


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_is_spread_over_both_axes(seed):
    """One box in eight of 64 x 64: in row-major order that is eight vertical lines."""
    side = 256
    pool = Pool(GridCoords((side, side))[:], torch.zeros(side * side, 1), grid=(side, side))
    probe, rng = Probe(nn.Linear(2, 1), pool, L2()), torch.Generator().manual_seed(seed)
    boxes = cut(probe, 16)
    cells = sort_into(boxes, probe, rng)
    rows, _, _ = cells.take(allot(torch.ones(len(cells.size)), cells.size, 512, rng), rng)
    row, column = rows // side // 4, rows % side // 4
    assert len(set(column.tolist())) > 50 and len(set(row.tolist())) > 50
    blocks = torch.bincount((row // 8) * 8 + column // 8, minlength=64)  # 8 x 8 blocks of 8 x 8 boxes each
    assert blocks.min() == blocks.max() == 8
