import numpy as np
import pytest
from oracles.solids import edge_uses, is_watertight, mesh_volume

from nint.errors import UsageError
from nint.mesh import Cloud, Mesh, checked_cloud, cleaned, sample_surface, soundness, volume
from nint.signals.samples.shapes import box, sphere, torus
from nint.signals.shape.prepare import prepared


@pytest.mark.parametrize(
    ("mesh", "size"),
    [
        (sphere(1.0, 5), 4 / 3 * np.pi),
        (torus(0.6, 0.3), 2 * np.pi**2 * 0.6 * 0.3**2),
        (box(3.0, 2.0, 1.0), 6.0),
    ],
)
def test_samples_are_closed_and_have_their_volume(mesh, size):
    assert is_watertight(mesh.faces) and soundness(mesh.faces).watertight
    assert mesh_volume(mesh.vertices, mesh.faces) == pytest.approx(size, rel=0.005)
    assert volume(mesh.vertices + 100, mesh.faces) == pytest.approx(mesh_volume(mesh.vertices, mesh.faces))


def test_soundness_against_counting():
    mesh = sphere(1.0, 2)
    faces = np.delete(mesh.faces, [3, 100, 101], axis=0)  # holes
    faces[7] = faces[7][::-1]  # one face turned
    faces = np.concatenate([faces, faces[20:22]])  # two faces twice
    uses = edge_uses(faces)
    edges = {frozenset(edge) for edge in uses}
    total = {edge: sum(uses.get(way, 0) for way in (tuple(edge), tuple(edge)[::-1])) for edge in edges}
    turned = sum(1 for edge in edges if total[edge] == 2 and uses.get(tuple(edge), 0) != 1)
    found = soundness(faces)
    assert found.edges == len(edges)
    assert found.open_edges == sum(1 for count in total.values() if count == 1) > 0
    assert found.crowded_edges == sum(1 for count in total.values() if count > 2) > 0
    assert found.turned_edges == turned > 0
    assert not found.watertight


def test_samples_of_a_surface_are_uniform_by_area():
    vertices = np.array([(0.0, 0, 0), (1, 0, 0), (0, 1, 0), (5, 0, 0), (8, 0, 0), (5, 2, 0)])  # areas 1/2 and 3
    points, rows = sample_surface(vertices, np.array([(0, 1, 2), (3, 4, 5)]), 70_000, np.random.default_rng(0))
    assert np.mean(rows == 1) == pytest.approx(6 / 7, abs=0.005)
    assert np.allclose(points[rows == 0].mean(0), (1 / 3, 1 / 3, 0), atol=0.01)
    assert np.allclose(points[rows == 1].mean(0), (6, 2 / 3, 0), atol=0.02)
    inside = points[rows == 0]
    assert (inside >= 0).all() and (inside.sum(1) <= 1 + 1e-12).all()
    quarter = np.mean(inside.sum(1) < 0.5)  # a similar triangle of a quarter of the area
    assert quarter == pytest.approx(0.25, abs=0.02)


def test_cleaning_joins_drops_and_keeps():
    mesh = box()
    soup = Mesh(mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(36).reshape(-1, 3))  # as STL stores it
    assert not soundness(soup.faces).watertight
    unused = np.concatenate([soup.vertices, [(50.0, 0, 0), (np.nan, 0, 0)]])
    extra = np.array([(0, 0, 1), (4, 5, 3), (2, 1, 0)])  # without area; face 1 again; face 0 the other way round
    joined, notes = cleaned(Mesh(unused, np.concatenate([soup.faces, extra])), "x")
    assert len(joined.vertices) == 8 and len(joined.faces) == 13
    assert notes == ("1 face without area was dropped.", "1 face that repeated another was dropped.")
    assert is_watertight(joined.faces[:12])
    assert np.array_equal(joined.vertices[joined.faces[:12]], soup.vertices[soup.faces])


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3), int), "has no faces"),
        (np.eye(3), np.zeros((0, 3), int), "has no faces"),
        (np.ones((3, 3)), [(0, 1, 2)], "no face of positive area"),
        ([(0, 0, 0), (1, 1, 1), (2, 2, 2)], [(0, 1, 2)], "no face of positive area"),
        ([(0, 0, 0), (1, 0, 0), (0, np.inf, 0)], [(0, 1, 2)], "NaN or infinite"),
        ([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [(0, 1, 3)], "names vertex 4 of 3"),
    ],
)
def test_meshes_without_a_surface(vertices, faces, words):
    with pytest.raises(UsageError, match=f"'bad.obj'.*{words}"):
        cleaned(Mesh(np.asarray(vertices, float), np.asarray(faces)), "bad.obj")


def test_clouds_are_checked():
    points, normals = np.random.default_rng(0).normal(size=(2, 10, 3))
    normals[4] = 0
    cloud, notes = checked_cloud(Cloud(points, 5 * normals), "x")
    assert len(cloud.points) == 9 and notes == ("1 point without a normal was dropped.",)
    assert np.allclose(np.linalg.norm(cloud.normals, axis=1), 1)
    with pytest.raises(UsageError, match="NaN or infinite"):
        checked_cloud(Cloud(points * np.nan, normals), "x")
    with pytest.raises(UsageError, match="0 points with a normal"):
        checked_cloud(Cloud(points, 0 * normals), "x")


def test_inside_out_meshes_are_turned_and_it_is_said():
    pytest.importorskip("igl", reason="needs libigl")
    for mesh in (sphere(5.0, 3), torus(3, 1, 60, 24)):
        kept, said = prepared(mesh, "x")
        assert mesh_volume(kept.vertices, kept.faces) > 0 and not any("flipped" in note for note in said)
        assert any("is watertight" in note for note in said)
        turned, said = prepared(Mesh(mesh.vertices + 20, mesh.faces[:, ::-1]), "x")
        assert mesh_volume(turned.vertices - 20, turned.faces) == pytest.approx(mesh_volume(mesh.vertices, mesh.faces))
        assert "Its faces turned inwards, so all of them were flipped." in said


def test_open_meshes_are_accepted_and_reported():
    pytest.importorskip("igl", reason="needs libigl")
    mesh = sphere(1.0, 3)
    bowl = mesh.faces[mesh.vertices[mesh.faces].mean(1)[:, 2] < 0.5]
    uses = edge_uses(bowl)
    holes = sum(1 for a, b in uses if (b, a) not in uses)
    for faces, flipped in ((bowl, False), (bowl[:, ::-1], True)):
        _, said = prepared(Mesh(mesh.vertices, faces), "x")
        assert any(f"not watertight: of its {soundness(bowl).edges:,} edges {holes:,} border a hole" in note for note in said)
        assert any("flipped" in note for note in said) == flipped
        assert not any("encloses nothing" in note for note in said)
    sheet = Mesh(np.array([(0.0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)]), np.array([(0, 1, 2), (1, 3, 2)]))
    _, said = prepared(sheet, "x")
    assert any("encloses nothing" in note for note in said) and not any("flipped" in note for note in said)


def test_a_part_that_faces_inwards_is_reported():
    pytest.importorskip("igl", reason="needs libigl")
    ball = sphere(1.0, 3)
    vertices = np.concatenate([ball.vertices, ball.vertices * 0.5 + (3, 0, 0)])
    faces = np.concatenate([ball.faces, ball.faces[:, ::-1] + len(ball.vertices)])
    _, said = prepared(Mesh(vertices, faces), "x")
    words = next(note for note in said if "faces inwards" in note)
    assert 15 < float(words.split("%")[0].split()[-1]) < 25  # a fifth of the area
    hollow = np.concatenate([ball.vertices, ball.vertices * 0.5])  # a cavity, which is right as it is
    assert not any("faces inwards" in note for note in prepared(Mesh(hollow, faces), "x")[1])


def test_without_libigl_a_closed_mesh_is_judged_by_its_volume(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "igl", None)
    mesh = box()
    assert any("flipped" in note for note in prepared(Mesh(mesh.vertices, mesh.faces[:, ::-1]), "x")[1])
    assert not any("flipped" in note for note in prepared(mesh, "x")[1])
    assert any("border a hole" in note for note in prepared(Mesh(mesh.vertices, mesh.faces[1:]), "x")[1])
