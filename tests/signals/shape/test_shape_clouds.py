"""Which way the normals of a cloud point, against closed forms."""

from pathlib import Path

import numpy as np
import pytest
from oracles.solids import sphere_distance

from nint.mesh import Cloud, sample_surface
from nint.signals.samples.shapes import torus
from nint.signals.shape.files import read_shape
from nint.signals.shape.prepare import prepared
from nint.signals.shape.signal import ShapeSignal

CASE = Path(__file__).parents[3] / "../shared/cases/shape/cloud_inward.ply"
TURNED = "Its normals pointed inwards, so all of them were turned."


def ball(count=2000, uneven=False):
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3)) + ((2.0, 0, 0) if uneven else 0)  # most points on one side
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Cloud(normals * 3 + (10, 0, -5), normals)


def ring():
    mesh = torus(3, 1, 80, 32)
    points, _ = sample_surface(mesh.vertices, mesh.faces, 4000, np.random.default_rng(0))
    centre = points * (1, 1, 0)
    centre *= 3 / np.linalg.norm(centre, axis=1, keepdims=True)
    return Cloud(points, points - centre)


@pytest.mark.parametrize("cloud", [ball(), ball(uneven=True), ring()], ids=["ball", "uneven ball", "torus"])
def test_a_cloud_whose_normals_point_inwards_is_turned_and_it_is_said(cloud):
    kept, said = prepared(cloud, "x")
    assert np.allclose((kept.normals * cloud.normals).sum(1), np.linalg.norm(cloud.normals, axis=1)) and said == ()
    turned, said = prepared(Cloud(cloud.points, -2 * cloud.normals), "x")
    assert np.allclose(turned.normals, kept.normals) and said == (TURNED,)


@pytest.mark.skipif(not CASE.is_file(), reason="the case file is not here")
def test_case_of_an_inward_cloud():
    signal = ShapeSignal(read_shape(CASE), CASE.name, pool_size=4000)
    assert TURNED in signal.report()
    coords, values = (part.double().numpy() for part in (signal.pool("cpu").coords, signal.pool("cpu").values))
    expected = sphere_distance(signal.layout.from_coords(coords), 1.0)
    near = np.abs(expected) < 0.1  # the reference's rule is near the distance there
    assert np.abs(values[near, 0] / signal.layout.scale - expected[near]).max() < 0.05


def test_open_and_inconsistent_clouds_are_reported():
    rng = np.random.default_rng(0)
    plane = np.c_[rng.uniform(-1, 1, (3000, 2)), np.zeros(3000)]
    for normal in ((0, 0, 1.0), (0, 0, -1.0)):
        kept, said = prepared(Cloud(plane, np.tile(normal, (3000, 1))), "x")
        assert np.array_equal(kept.normals[0], normal)
        assert len(said) == 1 and "the cloud is open or its normals are not all outward" in said[0]
        assert 40 < float(said[0].split("%")[0].split()[-1]) < 60
    mixed = ball(400)
    signs = np.where(mixed.points[:, 0] > 11, -1.0, 1.0)[:, None]  # a third of the sphere faces inwards
    _, said = prepared(Cloud(mixed.points, mixed.normals * signs), "x")
    assert len(said) == 1 and 20 < float(said[0].split("%")[0].split()[-1]) < 40


def test_normals_of_any_length_are_scaled():
    cloud = ball(100)
    for length in (1e-300, 1e300):
        assert np.allclose(prepared(Cloud(cloud.points, cloud.normals * length), "x")[0].normals, cloud.normals)
