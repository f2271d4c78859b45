"""Faces of many corners, against areas and volumes known in closed form."""

import struct
import sys

import numpy as np
import pytest

from nint.errors import UsageError
from nint.mesh import cleaned, face_areas, soundness, volume
from nint.signals.shape.files import _read_with_trimesh, read_shape
from nint.signals.shape.polygons import Polygons, triangulated

L = [(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)]
DART = [(0, 0), (2, -1), (0, 2), (-2, -1)]
FRAME = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0), (1, 1), (1, 3), (3, 3), (3, 1), (1, 1)]  # a hole, which a slit joins to the rim
HEXAGON = [(2, 0), (1, 2), (-1, 2), (-2, 0), (-1, -2), (1, -2)]
KINDS = ["obj", "obj backwards", "off", "ply ascii", "ply <", "ply >"]


def prism(outline, height, first=0):
    """Vertices and faces of an upright prism: two caps, which begin at some corner, and a quad on each side."""
    n = len(outline)
    vertices = [(*place, z) for z in (0, height) for place in outline]
    top = [n + (first + i) % n for i in range(n)]
    sides = [(i, (i + 1) % n, n + (i + 1) % n, n + i) for i in range(n)]
    return np.array(vertices, float), [[i - n for i in reversed(top)], top, *sides]


def encoded(kind, vertices, faces):
    """A file's ending and content."""
    places = [" ".join(repr(float(number)) for number in place) for place in vertices]
    rows = [" ".join(str(i) for i in (len(face), *face)) for face in faces]
    if kind.startswith("obj"):
        shift = 1 if kind == "obj" else -len(vertices)
        lines = [f"v {place}" for place in places] + ["f " + " ".join(str(i + shift) for i in face) for face in faces]
        return ".obj", "\n".join(lines).encode()
    if kind == "off":
        return ".off", "\n".join([f"OFF\n{len(vertices)} {len(faces)} 0", *places, *rows]).encode()
    order = kind.split()[1]
    word = {"<": "binary_little_endian", ">": "binary_big_endian"}.get(order, "ascii")
    header = f"ply\nformat {word} 1.0\nelement vertex {len(vertices)}\nproperty double x\nproperty double y\nproperty double z\n"
    header += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    if word == "ascii":
        return ".ply", (header + "\n".join([*places, *rows])).encode()
    lists = b"".join(struct.pack(f"{order}B{len(face)}i", len(face), *face) for face in faces)
    return ".ply", header.encode() + np.asarray(vertices, f"{order}f8").tobytes() + lists


def read(folder, kind, vertices, faces):
    ending, data = encoded(kind, vertices, faces)
    (folder / f"x{ending}").write_bytes(data)
    return read_shape(folder / f"x{ending}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("outline", "height", "area", "content"),
    [
        (L, 2, 22, 6),
        (DART, 1, 8 + 2 * (5**0.5 + 13**0.5), 4),
        (FRAME, 1, 24 + 24 + 2 * 2**0.5, 12),
        (HEXAGON, 3, 24 + 3 * (4 + 4 * 5**0.5), 36),
    ],
    ids=["L", "dart", "frame", "hexagon"],
)
def test_prisms(tmp_path, kind, outline, height, area, content):
    pytest.importorskip("manifold3d", reason="needs manifold3d")
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    for first in range(len(outline)):
        vertices, faces = prism(outline, height, first)
        mesh = read(tmp_path, kind, vertices @ turn * 1e-3 + 1e-3, faces)
        assert len(mesh.faces) == 2 * (len(outline) - 2) + 2 * len(outline)
        assert face_areas(mesh.vertices, mesh.faces).sum() == pytest.approx(area * 1e-6)
        assert volume(mesh.vertices, mesh.faces) == pytest.approx(content * 1e-9)
        assert soundness(mesh.faces).watertight


@pytest.mark.parametrize("kind", KINDS)
def test_five_corners_among_four(tmp_path, kind):
    outline = [(np.cos(angle), np.sin(angle)) for angle in 2 * np.pi * np.arange(5) / 5]
    mesh = read(tmp_path, kind, *prism(outline, 2))
    pentagon = 2.5 * np.sin(2 * np.pi / 5)
    assert len(mesh.faces) == 16 and soundness(mesh.faces).watertight
    assert face_areas(mesh.vertices, mesh.faces).sum() == pytest.approx(2 * pentagon + 2 * 10 * np.sin(np.pi / 5))
    assert volume(mesh.vertices, mesh.faces) == pytest.approx(2 * pentagon)


@pytest.mark.parametrize("corners", [4, 5, 8, 40])
def test_any_star_has_the_area_of_the_shoelace_formula(corners):
    pytest.importorskip("manifold3d", reason="needs manifold3d")
    rng = np.random.default_rng(corners)
    for _ in range(50):
        angles = 2 * np.pi * (np.arange(corners) + rng.uniform(0, 0.9, corners)) / corners  # steps below half a turn
        x, y = rng.uniform(0.05, 1, corners) * (np.cos(angles), np.sin(angles))
        area = (x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2
        places = np.stack([x, y, 3 * x - 2 * y], axis=1)  # a plane that is inclined: areas grow by the length of (3, -2, -1)
        mesh = triangulated(Polygons(places, np.array([corners]), np.arange(corners)))
        assert len(mesh.faces) == corners - 2
        assert face_areas(mesh.vertices, mesh.faces).sum() == pytest.approx(area * 14**0.5)


@pytest.mark.parametrize("sizes", [(4,), (6,), (3, 4), (3, 5, 4, 7)])
@pytest.mark.parametrize("kind", ["obj", "off", "ply ascii"])
def test_convex_faces_are_what_trimesh_makes_of_them(tmp_path, kind, sizes):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    rng = np.random.default_rng(0)
    vertices, faces = np.zeros((0, 3)), []
    for size in np.resize(sizes, 30):
        angles = np.sort(rng.random(size)) * 2 * np.pi
        circle = np.stack([np.cos(angles), np.sin(angles), np.zeros(size)], axis=1)
        faces.append(list(range(len(vertices), len(vertices) + size)))
        vertices = np.concatenate([vertices, circle @ rng.normal(size=(3, 3))])
    ours, (ending, data) = read(tmp_path, kind, vertices, faces), encoded(kind, vertices, faces)
    if kind == "off":  # trimesh fails with the file of mixed polygons
        theirs = trimesh.Trimesh(vertices, trimesh.geometry.triangulate_quads(faces), process=False)
    else:
        theirs = _read_with_trimesh(data, ending)
    assert np.array_equal(ours.vertices[ours.faces], theirs.vertices[theirs.faces])


def test_faces_that_are_no_surface_stay_fans():
    places = np.array([(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0), (np.nan, 0, 0), (1e200, 0, 0), (0, 1e200, 0)])
    for corners in ([0, 1, 2, 3], [0, 1, 2, 3, 1], [0, 0, 0, 0, 0], [0, 1, 4, 2, 3], [0, 5, 6, 1, 2]):
        mesh = triangulated(Polygons(places, np.array([len(corners)]), np.array(corners)))
        assert len(mesh.faces) == len(corners) - 2 and set(mesh.faces.flat) <= set(corners)
    mesh = triangulated(Polygons(places, np.array([0, 1, 2, 3]), np.array([0, 0, 1, 0, 1, 2])))
    assert mesh.faces.tolist() == [[0, 1, 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_corners_that_are_not_there(tmp_path, kind):
    vertices, faces = prism(L, 2)
    faces[3] = (0, 1, 2, 12)
    with pytest.raises(UsageError, match=r"damaged: a face names vertex (13 of 12|0, and)"):
        read(tmp_path, kind, vertices, faces)
    faces[3] = (0, 1, 2, -1)
    with pytest.raises(UsageError, match=r"damaged: a face names (a vertex before the first|vertex 0, and vertices count from 1)"):
        read(tmp_path, kind, vertices, faces)


def test_missing_manifold3d_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "manifold3d", None)
    with pytest.raises(UsageError, match=r"the package manifold3d; pip install 'nint\[shape\]'"):
        read(tmp_path, "obj", *prism(L, 2))
    assert len(read(tmp_path, "obj", *prism(DART, 2)).faces) == 12  # quads need no package
    assert len(cleaned(read(tmp_path, "obj", *prism(HEXAGON, 2)), "x")[0].faces) == 20
