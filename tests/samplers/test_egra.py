"""EGRA against its specification: weights, shifts, and the law of a draw without replacement by enumeration."""

import itertools

import cv2
import numpy as np
import pytest
import torch
from oracles.pictures import grey_levels, picture, rows_of
from scipy import stats
from torch import nn

from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers.egra import Egra, EgraState
from nint.samplers.tree import flatten, unflatten
from nint.signals.base import GridCoords, Pool

FALSE_ALARM = 1e-6  # of each statistical test, for a fresh seed


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_on(image, epoch=0):
    rows, columns, channels = image.shape
    return Probe(nn.Linear(2, channels), Pool(GridCoords((rows, columns)), rows_of(image), (rows, columns), epoch=epoch), L2())


def test_an_edge_pixel_weighs_1_39_times_another():
    weights = Egra().weights(torch.tensor([3, 7, 7]), 10).double()
    edge, other = 0.0025 + 0.9975 * 4096 / 640000, 0.9975 * 4096 / 640000
    expected = torch.full((10,), other, dtype=torch.float64)
    expected[[3, 7]] = edge
    torch.testing.assert_close(weights, expected, rtol=1e-6, atol=0)
    assert round(edge / other, 2) == 1.39


@pytest.mark.parametrize(("shape", "channels"), [((24, 40), 1), ((40, 24), 3), ((31, 17), 2), ((16, 28), 4)])
def test_edges_are_those_of_canny_at_30_and_40(shape, channels):
    image = picture(*shape, channels)
    state = Egra().init(probe_on(image), 100, rng())
    expected = np.nonzero(cv2.Canny(grey_levels(image), 30, 40).reshape(-1))[0]
    assert 0 < len(expected) < image.shape[0] * image.shape[1]
    assert state.edges.tolist() == expected.tolist()


def test_each_edge_moves_by_its_own_6_to_9_places_from_its_origin():
    n, edges = 200, torch.arange(9, 200, 10)  # 199 is among them, so shifts go around the end
    probe = probe_on(picture(10, 20, 1))
    sampler = Egra(batch_share=len(edges) / n, edge_weight=1.0)  # no other pixel has any weight: the batch is the moved edges
    state, generator, shifts = EgraState(100, edges, 0), rng(), []
    for step in range(500):
        selection, state = sampler.select(state, step, probe, generator)
        moved = (selection.indices.sort().values.view(-1, 1) - edges) % n
        inside = (moved >= 6) & (moved <= 9)
        assert (inside.sum(0) == 1).all()
        assert (inside.sum(1) == 1).all()
        shifts.append(moved.T[inside.T])
    shifts = torch.stack(shifts) - 6
    counts = torch.bincount(shifts.reshape(-1), minlength=4)
    assert stats.chisquare(counts.numpy()).pvalue > FALSE_ALARM
    pairs = torch.bincount(4 * shifts[:, 0] + shifts[:, 1], minlength=16)  # two edges of one step are independent
    assert stats.chisquare(pairs.numpy()).pvalue > FALSE_ALARM


def inclusion(n, edges, weight, batch):
    """Chance of every pixel to be in a batch: all shifts, all ordered draws without replacement, in plain Python."""
    chance = np.zeros(n)
    base = (1 - weight) * 4096 / 640000
    for shifts in itertools.product((6, 7, 8, 9), repeat=len(edges)):
        moved = {(edge + shift) % n for edge, shift in zip(edges, shifts, strict=True)}
        w = [base + weight * (i in moved) for i in range(n)]
        for drawn in itertools.permutations(range(n), batch):
            p, left = 4.0 ** -len(edges), sum(w)
            for i in drawn:
                p *= w[i] / left
                left -= w[i]
            chance[list(drawn)] += p
    return chance


@pytest.mark.parametrize("weight", [0.0025, 0.03])
def test_distribution_of_a_batch(weight):
    n, batch, draws = 12, 3, 8000
    edges = [0, 1, 9]  # 0 and 1 can land on the same pixel, 9 goes around the end
    probe = probe_on(picture(3, 4, 1))
    sampler = Egra(batch_share=batch / n + 1e-9, edge_weight=weight)
    state, generator, counts = EgraState(100, torch.tensor(edges), 0), rng(3), torch.zeros(n)
    for step in range(draws):
        selection, state = sampler.select(state, step, probe, generator)
        counts[selection.indices] += 1
    chance = inclusion(n, edges, weight, batch)
    assert chance.sum() == pytest.approx(batch)
    z = (counts.numpy() - draws * chance) / np.sqrt(draws * chance * (1 - chance))
    assert np.abs(z).max() < stats.norm.isf(FALSE_ALARM / 2 / n)
    if weight == 0.03:  # and a uniform draw would be found out
        flat = (counts.numpy() - draws * batch / n) / np.sqrt(draws * batch / n * (1 - batch / n))
        assert np.abs(flat).max() > stats.norm.isf(FALSE_ALARM / 2 / n)


@pytest.mark.parametrize(("shape", "channels"), [((24, 40), 1), ((40, 24), 3)])
def test_batches_are_distinct_points_of_the_scheduled_size(shape, channels):
    probe, n = probe_on(picture(*shape, channels)), shape[0] * shape[1]
    sampler, generator = Egra(schedule="linear"), rng()
    state = sampler.init(probe, 10, generator)
    for step in range(10):
        selection, state = sampler.select(state, step, probe, generator)
        assert len(set(selection.indices.tolist())) == len(selection.indices) == int((0.2 + 0.8 * step / 10) * n)
        assert selection.indices.min() >= 0 and selection.indices.max() < n
        assert selection.objective is None
    assert probe.cost.forward == 0


def test_an_image_without_edges_is_drawn_from_uniformly():
    probe = probe_on(np.full((6, 10, 1), 90, np.uint8))
    generator = rng()
    state = Egra().init(probe, 10, generator)
    assert len(state.edges) == 0
    counts = torch.zeros(60)
    for step in range(2000):
        counts[Egra().select(state, step, probe, generator)[0].indices] += 1
    spread = np.sqrt(2000 * 0.2 * 0.8)
    assert np.abs(counts.numpy() - 400).max() < spread * stats.norm.isf(FALSE_ALARM / 2 / 60)


def test_a_redrawn_pool_gets_its_own_edges():
    first, second = probe_on(picture(20, 30, 1, seed=0)), probe_on(picture(20, 30, 1, seed=1), epoch=1)
    state = Egra().init(first, 10, rng())
    _, same = Egra().select(state, 0, first, rng())
    _, after = Egra().select(same, 1, second, rng())
    assert same.edges is state.edges
    assert after.edges.tolist() == Egra().init(second, 10, rng()).edges.tolist() != state.edges.tolist()
    assert (after.epoch, after.total_steps) == (1, 10)


def test_state_survives_a_checkpoint():
    state, tensors = Egra().init(probe_on(picture(20, 30)), 10, rng()), {}
    back = unflatten(flatten(state, "s", tensors), tensors, EgraState)
    assert torch.equal(back.edges, state.edges)
    assert (back.total_steps, back.epoch) == (10, 0)
