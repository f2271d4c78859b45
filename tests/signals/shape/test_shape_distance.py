import numpy as np
import pytest
from oracles.solids import box_distance, sphere_distance, torus_distance

from nint.errors import UsageError
from nint.signals.samples import shapes as shape_samples
from nint.signals.shape import distance as shape_distance
from nint.signals.shape.distance import NearestRule, TriangleDistance

igl = pytest.importorskip("igl", reason="needs libigl")


def points(n=4000, half=1.2, seed=0):
    return np.random.default_rng(seed).uniform(-half, half, (n, 3))


def check(mesh, exact, tolerance):
    where = points()
    truth = TriangleDistance(mesh.vertices, mesh.faces)
    found = truth.signed_distance(where)
    assert np.abs(found - exact(where)).max() <= tolerance
    sure = np.abs(exact(where)) > tolerance
    assert (found[sure] < 0).sum() > 50  # points inside there are, and they are the negative ones
    assert np.array_equal(found[sure] < 0, exact(where)[sure] < 0)
    assert np.array_equal(truth.inside(where)[sure], exact(where)[sure] < 0)


def test_sphere():
    mesh = shape_samples.sphere(0.8)
    sag = 0.8 - np.linalg.norm(mesh.vertices[mesh.faces].mean(1), axis=1).min()  # how far the flat faces lie within the sphere
    assert sag < 5e-4
    check(mesh, lambda p: sphere_distance(p, 0.8), sag)


def test_box_is_exact():
    check(shape_samples.box(1.6, 1.0, 0.5), lambda p: box_distance(p, (1.6, 1.0, 0.5)), 1e-12)


def test_torus():
    mesh = shape_samples.torus(0.7, 0.25, 200, 100)
    sag = 0.95 * (1 - np.cos(np.pi / 200)) + 0.25 * (1 - np.cos(np.pi / 100))
    check(mesh, lambda p: torus_distance(p, 0.7, 0.25), sag)


def test_a_hole_does_not_leak():
    mesh = shape_samples.sphere(1.0, 4)
    kept = mesh.vertices[mesh.faces].mean(1)[:, 2] < 0.95  # a cap of radius 0.3 is missing
    truth = TriangleDistance(mesh.vertices, mesh.faces[kept])
    where = points(half=2.0)
    distance = np.linalg.norm(where, axis=1)
    deep, out = distance < 0.6, distance > 1.2
    above = where[out & (where[:, 2] > 0) & (np.hypot(where[:, 0], where[:, 1]) < 0.3)]
    assert deep.sum() > 50 and out.sum() > 50 and len(above) > 5
    found = truth.signed_distance(where)
    assert (found[deep] < 0).all() and (found[out] > 0).all() and (truth.signed_distance(above) > 0).all()
    whole = TriangleDistance(mesh.vertices, mesh.faces).signed_distance(where)
    far = where[:, 2] < 0  # beyond the middle the cap is never the nearest
    assert np.allclose(found[far & deep], whole[far & deep], atol=1e-12)


def test_overlapping_parts_count_as_inside():
    mesh = shape_samples.box(1, 1, 1)
    twice = TriangleDistance(np.concatenate([mesh.vertices, mesh.vertices + 0.25]), np.concatenate([mesh.faces, mesh.faces + 8]))
    assert np.allclose(twice.winding_number(np.array([[0.1, 0.1, 0.1], [-0.4, -0.4, -0.4], [2, 2, 2]])), [2, 1, 0], atol=0.01)
    assert twice.inside(np.array([[0.1, 0.1, 0.1], [-0.4, -0.4, -0.4], [2, 2, 2]])).tolist() == [True, True, False]


def test_the_tree_that_is_kept_gives_what_libigl_computes_anew():
    igl = pytest.importorskip("igl")
    mesh, where = shape_samples.torus(), points(500)
    truth = TriangleDistance(mesh.vertices, mesh.faces)
    anew = igl.fast_winding_number(mesh.vertices, mesh.faces.astype(np.int64), where)
    for _ in range(2):
        assert np.array_equal(truth.winding_number(where), anew)


def test_blocks_and_order_do_not_matter(monkeypatch):
    mesh, where = shape_samples.torus(), points(1000)
    truth = TriangleDistance(mesh.vertices, mesh.faces)
    found, shuffled = truth.signed_distance(where), np.random.default_rng(1).permutation(1000)
    assert np.array_equal(truth.signed_distance(where[shuffled]), found[shuffled])
    monkeypatch.setattr(shape_distance, "_QUERY_POINTS", 97)
    assert np.array_equal(truth.signed_distance(where), found)
    assert len(truth.signed_distance(where[:0])) == 0 and len(truth.inside(where[:1])) == 1


def test_nearest_rule_against_all_pairs():
    rng = np.random.default_rng(0)
    surface = rng.normal(size=(400, 3))
    surface /= np.linalg.norm(surface, axis=1, keepdims=True)
    normals = surface + 0.1 * rng.normal(size=surface.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    where = points(300)
    expected = []
    for point in where:
        order = np.argsort(((surface - point) ** 2).sum(1))[:3]
        expected.append((point - surface[order[0]]) @ normals[order].mean(0))
    truth = NearestRule(surface, normals)
    assert np.allclose(truth.signed_distance(where), expected, atol=1e-12)
    assert np.array_equal(truth.inside(where), np.array(expected) < 0)


def test_nearest_rule_of_a_mesh_is_near_the_distance_close_by():
    mesh = shape_samples.sphere(0.8, 4)
    direction = np.random.default_rng(0).normal(size=(500, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    offset = np.linspace(-0.05, 0.05, 500)
    found = NearestRule.of_mesh(mesh.vertices, mesh.faces).signed_distance(direction * (0.8 + offset)[:, None])
    assert np.abs(found - offset).max() < 2e-3


def test_missing_libigl_is_said(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "igl", None)
    mesh = shape_samples.box()
    with pytest.raises(UsageError, match=r"libigl; pip install 'nint\[shape\]'"):
        TriangleDistance(mesh.vertices, mesh.faces).signed_distance(points(3))
