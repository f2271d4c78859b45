import doctest

import numpy as np
import pytest
import torch

from nint.errors import UsageError
from nint.metrics import shape as module
from nint.metrics.shape import chamfer, iou, surface_chamfer, surface_points
from nint.signals.samples.shapes import box, sphere


def test_doctests():
    found = doctest.testmod(module)
    assert found.attempted >= 2 and found.failed == 0


@pytest.mark.parametrize(("gap", "left", "right"), [(0.5, 0.6, 0.6), (0.3, 0.7, 0.5), (0.0, 0.8, 0.4), (1.4, 0.6, 0.6)])
def test_iou_of_two_spheres_is_that_of_the_lens(gap, left, right):
    if gap >= left + right:
        lens = 0.0
    elif gap <= abs(left - right):
        lens = 4 / 3 * np.pi * min(left, right) ** 3
    else:
        lens = np.pi * (left + right - gap) ** 2 * (gap**2 + 2 * gap * (left + right) - 3 * (left - right) ** 2) / (12 * gap)
    expected = lens / (4 / 3 * np.pi * (left**3 + right**3) - lens)
    axis = np.linspace(-1.5, 1.5, 151)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij", sparse=True)
    a = (x + gap / 2) ** 2 + y**2 + z**2 < left**2
    b = (x - gap / 2) ** 2 + y**2 + z**2 < right**2
    assert iou(a, b) == pytest.approx(expected, abs=0.005)
    assert iou(torch.from_numpy(a), b) == iou(b, a) == iou(a, b)


def test_iou_edges():
    assert iou(np.ones(3, bool), np.ones(3, bool)) == 1
    assert iou(np.zeros(3, bool), np.ones(3, bool)) == 0
    assert np.isnan(iou(np.zeros(3, bool), np.zeros(3, bool)))
    with pytest.raises(UsageError, match="the same"):
        iou(np.ones(3, bool), np.ones(4, bool))
    with pytest.raises(UsageError, match="booleans"):
        iou(np.ones(3), np.ones(3, bool))


@pytest.mark.parametrize("squared", [False, True])
def test_chamfer_against_all_pairs(squared):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(150, 3)), rng.normal(size=(220, 3))
    gaps = ((a[:, None] - b[None]) ** 2).sum(-1)
    gaps = gaps if squared else np.sqrt(gaps)
    expected = (gaps.min(1).mean() + gaps.min(0).mean()) / 2
    assert chamfer(a, torch.from_numpy(b), squared) == pytest.approx(expected, rel=1e-12)
    assert chamfer(prediction=b, target=a, squared=squared) == pytest.approx(expected, rel=1e-12)
    assert chamfer(a, a) == 0


@pytest.mark.parametrize("bad", [np.zeros((0, 3)), np.zeros(3), np.full((2, 3), np.nan)])
def test_chamfer_needs_points(bad):
    with pytest.raises(UsageError, match="not a set of finite points"):
        chamfer(bad, np.zeros((2, 3)))
    with pytest.raises(UsageError, match="same space"):
        chamfer(np.zeros((2, 2)), np.zeros((2, 3)))


def test_chamfer_of_surfaces():
    small, large = sphere(0.5, 4), sphere(0.8, 4)
    pair = (small.vertices, small.faces), (large.vertices, large.faces)
    found = surface_chamfer(*pair, samples=8000)
    assert found == pytest.approx(0.3, abs=0.005)
    assert found == surface_chamfer(*pair, samples=8000) != surface_chamfer(*pair, samples=8000, seed=1)
    # A surface against itself: about half the mean spacing of the points, 1 / (2 sqrt(density)).
    itself = surface_chamfer(pair[0], pair[0], samples=8000)
    assert itself == pytest.approx(0.5 / np.sqrt(8000 / (4 * np.pi * 0.25)), rel=0.05)
    with pytest.raises(UsageError, match="without faces"):
        surface_points((box().vertices, np.zeros((0, 3), int)))
