"""Bodies that overlap, touch or contain each other: only the surface of their union counts. Against closed forms and trimesh."""

from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.solids import box_distance, is_watertight, mesh_volume
from scipy.spatial import cKDTree

from nint.mesh import Mesh, face_areas
from nint.signals.samples.shapes import box, sphere
from nint.signals.shape.files import read_shape
from nint.signals.shape.outer import outer_surface
from nint.signals.shape.prepare import prepared
from nint.signals.shape.signal import ShapeSignal

pytest.importorskip("igl", reason="needs libigl")
pytest.importorskip("manifold3d", reason="needs manifold3d")

CASE = Path(__file__).parents[3] / "../shared/cases/shape/overlap.ply"


def together(*meshes):
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def at(mesh, *offset):
    return Mesh(mesh.vertices + np.array(offset), mesh.faces)


def inside_out(mesh):
    return Mesh(mesh.vertices, mesh.faces[:, ::-1])


def two_spheres_distance(points):
    """Signed distance to the union of two unit spheres about (0, 0, 0) and (1, 0, 0), by points outside of the other."""
    turn = np.arange(400_000) * np.pi * (3 - 5**0.5)
    z = 1 - 2 * (np.arange(400_000) + 0.5) / 400_000
    ball = np.c_[np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z]
    outer = np.concatenate([ball[ball[:, 0] < 0.5], ball[ball[:, 0] > -0.5] + np.array((1, 0, 0))])
    inside = (np.linalg.norm(points, axis=1) < 1) | (np.linalg.norm(points - (1, 0, 0), axis=1) < 1)
    distance = cKDTree(outer).query(points)[0]
    return np.where(inside, -distance, distance)


def check_two_spheres(signal, flatness):
    points = np.concatenate(
        [[(0.0, 0, 0), (1, 0, 0), (0.5, 0, 0)], np.random.default_rng(0).uniform((-1.5, -1.5, -1.5), (2.5, 1.5, 1.5), (40, 3))]
    )
    found = signal.ground_truth.signed_distance(signal.layout.to_coords(points)) / signal.layout.scale
    assert np.abs(found - two_spheres_distance(points)).max() < flatness
    assert found[:3] == pytest.approx([-1, -1, -(0.75**0.5)], abs=flatness)  # what holds (0.5, 0, 0) most closely is the seam
    assert any("2 bodies overlap" in note for note in signal.report())


def test_distance_to_overlapping_spheres():
    check_two_spheres(ShapeSignal(together(sphere(1.0, 4), at(sphere(1.0, 4), 1, 0, 0)), "x"), 0.003)


@pytest.mark.skipif(not CASE.is_file(), reason="the case file is not here")
def test_case_of_overlapping_spheres():
    check_two_spheres(ShapeSignal(read_shape(CASE), "overlap.ply"), 0.006)


def test_training_points_and_metrics_see_the_outer_surface_only():
    signal = ShapeSignal(together(sphere(1.0, 4), at(sphere(1.0, 4), 1, 0, 0)), "x", pool_size=4000, iou_resolution=48)

    def exact(coords):
        return torch.from_numpy(signal.ground_truth.signed_distance(coords[:].double().numpy()).astype(np.float32))[:, None]

    found = signal.evaluate(exact)
    area = face_areas(signal.placed.vertices, signal.placed.faces).sum()
    assert area == pytest.approx(6 * np.pi * signal.layout.scale**2, rel=0.01)  # two spheres without a cap of height 1/2 each
    assert found["iou"] == 1 and found["chamfer"] == pytest.approx(0.5 / np.sqrt(30_000 / area), rel=0.1)
    fine = signal.pool("cpu").coords[2000:].double().numpy() / signal.layout.scale + (0.5, 0, 0)
    depth = np.minimum(np.linalg.norm(fine, axis=1), np.linalg.norm(fine - (1, 0, 0), axis=1))
    assert depth.min() > 0.95  # none was drawn on an inner face


@pytest.mark.parametrize(
    ("mesh", "volume"),
    [
        (together(sphere(1, 4), sphere(0.5, 4)), 4 / 3 * np.pi),
        (together(sphere(1, 4), inside_out(sphere(0.5, 4))), 4 / 3 * np.pi * (1 - 0.5**3)),
        (together(sphere(1, 4), inside_out(sphere(0.8, 4)), sphere(0.5, 4)), 4 / 3 * np.pi * (1 - 0.8**3 + 0.5**3)),
        (together(box(), at(box(), 1, 0, 0)), 2),
        (together(box(), at(box(2, 2, 2), 1.5, 0, 0)), 9),
        (together(box(3, 1, 1), box(1, 3, 1), box(1, 1, 3)), 7),
        (together(*(at(box(1, 1, 1), 0.5 * i, 0, 0) for i in range(6)), inside_out(box(0.2, 0.2, 0.2))), 3.5),
        (at(together(box(3, 1, 1), box(1, 3, 1)), 1e6, -1e6, 0), 5),
        (inside_out(together(box(3, 1, 1), box(1, 3, 1))), 5),
        (together(sphere(1, 4), at(sphere(1, 4), 5, 0, 0)), 8 / 3 * np.pi),
    ],
    ids=[
        "nested",
        "hollow",
        "ball in a hollow",
        "stacked",
        "stacked on a larger",
        "cross",
        "five deep with a hole",
        "far",
        "inwards",
        "apart",
    ],
)
def test_volume_of_the_union(mesh, volume):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    found, _ = prepared(mesh, "x")
    assert is_watertight(found.faces)
    assert mesh_volume(found.vertices - found.vertices.mean(0), found.faces) == pytest.approx(volume, rel=0.01)
    assert trimesh.Trimesh(found.vertices, found.faces).volume == pytest.approx(volume, rel=0.01)


def test_the_hole_of_covered_bodies_is_filled():
    # Inside is where bodies outnumber cavities, as the winding number has it: five boxes deep, one cavity does not reach through.
    mesh = together(box(4, 4, 4), box(3, 3, 3), inside_out(box(1, 1, 1)))
    found, notes = prepared(mesh, "x")
    assert mesh_volume(found.vertices, found.faces) == pytest.approx(64) and len(found.faces) == 12
    assert notes[0].endswith("of its surface lies where 3 bodies overlap, touch or contain each other and was left out.")
    share = (6 * 9 + 6) / (6 * 16 + 6 * 9 + 6)
    assert notes[0].startswith(f"{share:.1%} ")


def test_distance_inside_a_nest_of_boxes():
    signal = ShapeSignal(together(box(4, 3, 2), box(1, 1, 1)), "x")
    points = np.random.default_rng(1).uniform(-1, 1, (200, 3)) * (2.2, 1.7, 1.2)
    found = signal.ground_truth.signed_distance(signal.layout.to_coords(points)) / signal.layout.scale
    assert np.allclose(found, box_distance(points, (4, 3, 2)), atol=1e-9)


def test_meshes_without_inner_faces_stay_as_they_are():
    for mesh in (sphere(1, 2), together(sphere(1, 2), at(sphere(1, 2), 3, 0, 0)), together(sphere(1, 2), inside_out(sphere(0.5, 2)))):
        outer = outer_surface(mesh)
        assert outer.mesh is mesh and outer.note == ""


def test_what_cannot_be_united_is_said():
    ball = sphere(1, 3)
    open_ball = Mesh(ball.vertices, ball.faces[5:])
    _, notes = prepared(together(ball, at(open_ball, 1, 0, 0)), "x")
    said = next(note for note in notes if "solid on both sides" in note)
    assert 22 < float(said.split("%")[0].split()[-1]) < 28 and "counts as surface all the same" in said and "not closed" in said
    # closed bodies are united beside an open part
    found, notes = prepared(together(box(3, 1, 1), box(1, 3, 1), at(open_ball, 9, 0, 0)), "x")
    assert any("2 bodies overlap" in note for note in notes) and not any("solid on both sides" in note for note in notes)
    assert face_areas(found.vertices, found.faces).sum() == pytest.approx(22 + face_areas(ball.vertices, open_ball.faces).sum())


def test_without_manifold3d_inner_faces_are_reported(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "manifold3d", None)
    mesh = together(sphere(1, 3), at(sphere(1, 3), 1, 0, 0))
    found, notes = prepared(mesh, "x")
    assert len(found.faces) == len(mesh.faces) and any("has solid on both sides" in note for note in notes)


def test_a_body_that_faces_inwards_beside_others_is_no_cavity():
    _, notes = prepared(together(sphere(1, 3), inside_out(at(sphere(0.5, 3), 3, 0, 0))), "x")
    assert any("faces inwards" in note for note in notes) and not any("left out" in note for note in notes)
