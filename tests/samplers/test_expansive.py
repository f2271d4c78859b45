"""Expansive Supervision against its specification: the threshold search, the anchors, the batches."""

import cv2
import numpy as np
import pytest
import torch
from oracles.pictures import grey_levels, picture, rows_of
from scipy import stats
from torch import nn

from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.samplers import expansive
from nint.samplers.expansive import Expansive, ExpansiveState, search_edges
from nint.samplers.tree import flatten, unflatten
from nint.signals.base import GridCoords, Pool

FALSE_ALARM = 1e-6  # of each statistical test, for a fresh seed


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def probe_on(image, epoch=0):
    rows, columns, channels = image.shape
    return Probe(nn.Linear(2, channels), Pool(GridCoords((rows, columns)), rows_of(image), (rows, columns), epoch=epoch), L2())


def recorded(monkeypatch):
    """Records the thresholds and the edge share of every Canny run."""
    rounds = []

    def canny(image, low, high):
        edges = cv2.Canny(image, low, high) > 0
        rounds.append((low, high, edges.mean()))
        return edges

    monkeypatch.setattr(expansive, "canny", canny)
    return rounds


def clouds(rows=64, columns=40):
    """Smooth noise: edges of all strengths."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((rows, columns)), (0, 0), 3)
    return np.rint((noise - noise.min()) / (noise.max() - noise.min()) * 255).astype(np.uint8)


def checkerboard(rows=40, columns=64, block=8):
    row, column = np.indices((rows, columns)) // block
    return ((row + column) % 2 * 255).astype(np.uint8)


STUBBORN = {
    "constant": np.full((40, 64), 77, np.uint8),
    "black": np.zeros((40, 64), np.uint8),
    "checkerboard": checkerboard(),
    "pixels": checkerboard(block=1),
    "noise": np.random.default_rng(1).integers(0, 256, (40, 64)).astype(np.uint8),
    "one dot": np.pad(np.full((1, 1), 255, np.uint8), ((10, 29), (20, 43))),
}


@pytest.mark.parametrize("area", [0.06, 0.1, 0.2])
def test_the_search_ends_within_a_fifth_of_the_wanted_area(area):
    image = clouds()
    threshold = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)[0]
    assert not 0.8 * area <= (cv2.Canny(image, threshold / 2, threshold) > 0).mean() <= 1.2 * area
    assert 0.8 * area <= search_edges(image, area).mean() <= 1.2 * area


@pytest.mark.parametrize("area", [0.06, 0.1, 0.2])
def test_the_search_follows_the_published_rule(area, monkeypatch):
    rounds = recorded(monkeypatch)
    image = clouds()
    threshold = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)[0]
    search_edges(image, area)
    theta = 1.0
    for low, high, covered in rounds:
        assert (low, high) == pytest.approx((threshold / 2, theta * threshold))
        theta *= max(1 + 15 * (covered - area), 0.25)  # the published rule, clamped to stay positive
    assert [0.8 * area <= covered <= 1.2 * area for *_, covered in rounds] == [False] * (len(rounds) - 1) + [True]


@pytest.mark.parametrize("area", [0.02, 0.1, 0.4, 1.0])
@pytest.mark.parametrize("name", STUBBORN)
def test_a_stubborn_image_ends_the_search_after_100_rounds(name, area, monkeypatch):
    rounds = recorded(monkeypatch)
    edges = search_edges(STUBBORN[name], area)
    assert edges.shape == (40, 64)
    if not 0.8 * area <= rounds[-1][2] <= 1.2 * area:
        assert len(rounds) == 101  # the first try and 100 more
    assert all(np.isfinite(high) and (high > 0 or low == 0) for low, high, _ in rounds)  # theta stays positive
    enough = [covered for *_, covered in rounds if covered >= area]
    if len(rounds) == 101:  # the closest of those that cover enough, else the most that were seen
        assert edges.mean() == (min(enough) if enough else max(covered for *_, covered in rounds))


@pytest.mark.parametrize("area", [0.02, 0.06, 0.1, 0.4])
@pytest.mark.parametrize("name", [*STUBBORN, "clouds"])
def test_the_search_as_released_keeps_the_last_edges(name, area):
    """An independent loop: the published rule with nothing clamped, whatever it ends with."""
    image = clouds() if name == "clouds" else STUBBORN[name]
    threshold, theta = cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)[0], 1.0
    last = cv2.Canny(image, threshold / 2, threshold) > 0
    for _ in range(100):
        if 0.8 * area <= last.mean() <= 1.2 * area:
            break
        theta *= 1 + 15 * (last.mean() - area)
        last = cv2.Canny(image, threshold / 2, theta * threshold) > 0
    assert np.array_equal(search_edges(image, area, "released"), last)


def test_the_search_as_released_is_a_setting():
    image = checkerboard(block=1)[:, :, None]
    probes, sampler = probe_on(image), Expansive(search="released", random_share=0.9)
    last = search_edges(grey_levels(image), 0.1 * 0.2, "released")
    grown = cv2.dilate(last.astype(np.uint8), np.ones((2, 2), np.uint8)).reshape(-1)
    anchors = sampler.init(probes, 10, rng()).anchors.numpy()
    assert len(anchors) == min(int(0.1 * 0.2 * image.size), grown.sum()) and grown[anchors].all()


def test_the_stubborn_images_are_stubborn(monkeypatch):
    for image in STUBBORN.values():
        lengths = []
        for area in (0.02, 0.4):
            rounds = recorded(monkeypatch)
            search_edges(image, area)
            lengths.append(len(rounds))
        assert 101 in lengths


@pytest.mark.parametrize("random_share", [0.0, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("name", STUBBORN)
def test_batches_of_a_stubborn_image_are_whole(name, random_share):
    probe, generator = probe_on(STUBBORN[name][:, :, None]), rng()
    sampler = Expansive(random_share=random_share)
    state = sampler.init(probe, 10, generator)
    assert len(state.anchors) <= int((1 - random_share) * 0.2 * 2560)
    for step in range(3):
        selection, state = sampler.select(state, step, probe, generator)
        assert len(set(selection.indices.tolist())) == len(selection.indices) == 512


@pytest.mark.parametrize("random_share", [0.5, 0.7, 0.0])
@pytest.mark.parametrize(("shape", "channels"), [((40, 64), 1), ((64, 40), 3), ((33, 47), 4)])
def test_anchors(shape, channels, random_share):
    image = picture(*shape, channels)
    n, area = shape[0] * shape[1], (1 - random_share) * 0.2
    state = Expansive(random_share=random_share).init(probe_on(image), 100, rng())
    edges = search_edges(grey_levels(image), area)
    grown = cv2.dilate(edges.astype(np.uint8), np.ones((2, 2), np.uint8)).reshape(-1)
    assert len(state.anchors) == min(int(area * n), grown.sum()) > 0
    assert grown[state.anchors.numpy()].all()
    assert len(set(state.anchors.tolist())) == len(state.anchors)


def test_edge_pixels_are_dropped_at_random():
    probe = probe_on(clouds()[:, :, None])
    kept = torch.zeros(2560)
    runs = 400
    for seed in range(runs):
        anchors = Expansive().init(probe, 100, rng(seed)).anchors
        assert len(anchors) == 256
        kept[anchors] += 1
    grown = kept > 0
    chance = 256 / grown.sum().item()
    assert chance < 0.7
    z = (kept[grown] - runs * chance) / (runs * chance * (1 - chance)) ** 0.5
    assert z.abs().max() < stats.norm.isf(FALSE_ALARM / 2 / len(z))


@pytest.mark.parametrize("schedule", ["constant", "linear"])
@pytest.mark.parametrize("random_share", [0.5, 0.7])
def test_anchors_stay_for_the_whole_run_and_the_rest_is_drawn_anew(random_share, schedule):
    probe, generator = probe_on(picture(40, 64)), rng()
    sampler = Expansive(random_share=random_share, schedule=schedule)
    state = sampler.init(probe, 50, generator)
    anchors, rests = set(state.anchors.tolist()), []
    for step in range(50):
        selection, state = sampler.select(state, step, probe, generator)
        indices = selection.indices.tolist()
        share = 0.2 if schedule == "constant" else 0.2 + 0.8 * step / 50
        assert len(set(indices)) == len(indices) == int(share * 2560)
        assert anchors <= set(indices)
        assert selection.objective is None
        rests.append(frozenset(indices) - anchors)
    assert len(set(rests)) == 50
    assert probe.cost.forward == 0


def test_the_rest_is_uniform_over_the_other_points():
    probe, generator = probe_on(picture(20, 32)), rng()
    sampler = Expansive()
    state = sampler.init(probe, 50, generator)
    counts, steps = torch.zeros(640), 1500
    for step in range(steps):
        counts[sampler.select(state, step, probe, generator)[0].indices] += 1
    assert (counts[state.anchors] == steps).all()
    others = torch.ones(640, dtype=torch.bool)
    others[state.anchors] = False
    chance = (128 - len(state.anchors)) / others.sum().item()
    z = (counts[others] - steps * chance) / (steps * chance * (1 - chance)) ** 0.5
    assert z.abs().max() < stats.norm.isf(FALSE_ALARM / 2 / len(z))


def test_a_redrawn_pool_gets_its_own_anchors():
    first, second = probe_on(picture(20, 32, seed=0)), probe_on(picture(20, 32, seed=1), epoch=1)
    sampler, generator = Expansive(), rng()
    state = sampler.init(first, 10, generator)
    _, same = sampler.select(state, 0, first, generator)
    selection, after = sampler.select(same, 1, second, generator)
    assert same is state
    assert set(after.anchors.tolist()) != set(state.anchors.tolist())
    assert set(after.anchors.tolist()) <= set(selection.indices.tolist())
    assert (after.epoch, after.total_steps) == (1, 10)


def test_state_survives_a_checkpoint():
    state, tensors = Expansive().init(probe_on(picture(20, 32)), 10, rng()), {}
    back = unflatten(flatten(state, "s", tensors), tensors, ExpansiveState)
    assert torch.equal(back.anchors, state.anchors)
    assert (back.total_steps, back.epoch) == (10, 0)


def test_a_growing_batch_starts_with_its_part_of_anchors():
    probe = probe_on(picture(32, 32))
    for share in (0.0, 0.5, 1.0):
        sampler = Expansive(random_share=share, schedule="growing")
        state = sampler.init(probe, 1000, rng())
        rows = sampler.select(state, 0, probe, rng())[0].indices.tolist()
        anchors, count = set(state.anchors.tolist()), sampler.count(0, 1000, 32 * 32)
        part = min(int((1 - share) * count), len(anchors))
        assert len(rows) == len(set(rows)) == count == int(0.25 * 0.2 * 32 * 32)
        assert set(rows[:part]) <= anchors
        if share == 0.5:
            assert 0 < part < count and set(rows) - anchors
