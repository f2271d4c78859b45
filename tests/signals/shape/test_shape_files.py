import struct

import numpy as np
import pytest

from nint.errors import UsageError
from nint.mesh import Cloud, Mesh, cleaned
from nint.signals.samples.shapes import box, sphere
from nint.signals.shape.files import read_shape, write_mesh
from nint.signals.shape.signal import load_shape

QUAD_OFF = "# a comment\nOFF\n8 6 12\n" + "\n".join(
    [
        *(f"{x} {y} {z}" for x in (0, 1) for y in (0, 2) for z in (0, 3)),
        *("4 0 1 3 2", "4 4 6 7 5", "4 0 4 5 1", "4 2 3 7 6", "4 0 2 6 4", "4 1 5 7 3"),
    ]
)
ASCII_STL = "solid x\n" + (
    "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1.5e0 0 0\nvertex 0 2 0\nendloop\nendfacet\n" * 2 + "endsolid x\n"
)


def shift(mesh, offset=(10.0, -20.0, 5.0), scale=3.0, normals=False):
    vertices = mesh.vertices * scale + np.array(offset)
    return Mesh(vertices, mesh.faces, mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True) if normals else None)


def same_surface(a, b, tolerance):
    """The same triangles in the same order, whatever the vertices are called."""
    return np.allclose(a.vertices[a.faces], b.vertices[b.faces], atol=tolerance)


@pytest.mark.parametrize("ending", [".ply", ".obj", ".stl"])
@pytest.mark.parametrize("normals", [False, True])
def test_what_is_written_is_read_back(tmp_path, ending, normals):
    if ending != ".stl":
        pytest.importorskip("trimesh", reason="needs trimesh")
    mesh = shift(sphere(1.0, 2), normals=normals)
    write_mesh(mesh, tmp_path / f"x{ending}")
    back, _ = cleaned(read_shape(tmp_path / f"x{ending}"), "x")
    assert len(back.vertices) == len(mesh.vertices)
    assert same_surface(back, mesh, 1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [f"x{ending}"]


def test_far_from_the_origin_precision_is_kept_or_refused(tmp_path):
    pytest.importorskip("trimesh", reason="needs trimesh")
    mesh = shift(sphere(1.0, 2), (5e6, 1e6, 0.0), 0.5)  # 32-bit floats are half a unit apart there
    for ending in (".ply", ".obj"):
        write_mesh(mesh, tmp_path / f"x{ending}")
        assert same_surface(cleaned(read_shape(tmp_path / f"x{ending}"), "x")[0], mesh, 1e-4)
    with pytest.raises(UsageError, match=r"32-bit floats of \.stl; use \.ply or \.obj"):
        write_mesh(mesh, tmp_path / "x.stl")
    assert not (tmp_path / "x.stl").exists()


@pytest.mark.parametrize("ending", ["obj", "ply", "stl", "off", "glb"])
def test_files_of_another_writer(tmp_path, ending):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    mesh = shift(sphere(1.0, 2))
    data = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type=ending)
    (tmp_path / f"X.{ending.upper()}").write_bytes(data if isinstance(data, bytes) else data.encode())
    back, _ = cleaned(read_shape(tmp_path / f"X.{ending.upper()}"), "x")
    assert len(back.vertices) == len(mesh.vertices) and same_surface(back, mesh, 1e-4)


def test_a_scene_is_put_in_place_and_joined(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    mesh = box()
    scene = trimesh.Scene()
    for number, offset in enumerate((0.0, 5.0)):
        move = np.eye(4)
        move[0, 3] = offset
        scene.add_geometry(trimesh.Trimesh(mesh.vertices, mesh.faces, process=False), f"part{number}", transform=move)
    (tmp_path / "x.glb").write_bytes(scene.export(file_type="glb"))
    back = read_shape(tmp_path / "x.glb")
    assert len(back.faces) == 24 and np.allclose([back.vertices.min(0), back.vertices.max(0)], [(-0.5,) * 3, (5.5, 0.5, 0.5)])


def test_polygons_comments_and_text_formats(tmp_path):
    pytest.importorskip("trimesh", reason="needs trimesh")
    (tmp_path / "x.off").write_text(QUAD_OFF)
    back = read_shape(tmp_path / "x.off")
    assert len(back.faces) == 12 and np.allclose(back.vertices.max(0), (1, 2, 3))
    (tmp_path / "x.stl").write_text(ASCII_STL)
    assert np.array_equal(read_shape(tmp_path / "x.stl").vertices[:3], [(0, 0, 0), (1.5, 0, 0), (0, 2, 0)])
    (tmp_path / "x.obj").write_bytes("# Größe\n".encode("latin-1") + b"v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 1/1 2/2 3/3 4/4\n")
    assert len(read_shape(tmp_path / "x.obj").faces) == 2


def cloud():
    points = np.random.default_rng(0).normal(size=(30, 3))
    return Cloud(points * 4, points / np.linalg.norm(points, axis=1, keepdims=True))


def ply_cloud(kind, normals=True):
    given = cloud()
    columns = [("x", "<f8", given.points[:, 0]), ("y", "<f8", given.points[:, 1]), ("z", "<f8", given.points[:, 2])]
    columns.append(("red", "u1", np.arange(30)))
    if normals:
        columns += [("n" + "xyz"[i], "<f4", given.normals[:, i]) for i in range(3)]
    table = np.empty(30, [(name, code) for name, code, _ in columns])
    for name, _, values in columns:
        table[name] = values
    words = {"<f8": "double", "<f4": "float32", "u1": "uchar"}
    header = f"ply\nformat {kind} 1.0\ncomment made here\nelement vertex 30\n"
    header += "".join(f"property {words[code]} {name}\n" for name, code, _ in columns) + "element face 0\n"
    header += "property list uchar int vertex_indices\nend_header\n"
    if kind == "ascii":
        body = "\n".join(" ".join(repr(value.item()) for value in row) for row in table).encode() + b"\n"
    else:
        body = (table.astype(table.dtype.newbyteorder(">")) if "big" in kind else table).tobytes()
    return header.encode() + body


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply_clouds(tmp_path, kind):
    (tmp_path / "x.ply").write_bytes(ply_cloud(kind))
    found = read_shape(tmp_path / "x.ply")
    assert np.array_equal(found.points, cloud().points) and np.allclose(found.normals, cloud().normals, atol=1e-6)


@pytest.mark.parametrize("delimiter", [" ", "\t", ", "])
def test_xyz_clouds(tmp_path, delimiter):
    np.savetxt(tmp_path / "x.xyz", np.hstack([cloud().points, cloud().normals]), delimiter=delimiter, header="x y z nx ny nz")
    found = read_shape(tmp_path / "x.xyz")
    assert np.allclose(found.points, cloud().points) and np.allclose(found.normals, cloud().normals)


def cut(mesh, ending, share):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh")
    data = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(file_type=ending)
    data = data if isinstance(data, bytes) else data.encode()
    return data[: int(len(data) * share)]


@pytest.mark.parametrize("ending", ["ply", "stl", "off", "glb", "stl_ascii"])
@pytest.mark.parametrize("share", [0.97, 0.5, 0.1])
def test_files_cut_short(tmp_path, ending, share):
    path = tmp_path / f"x.{ending.split('_')[0]}"
    path.write_bytes(cut(sphere(1.0, 2), ending, share))
    with pytest.raises(UsageError, match="cut short") as caught:
        load_shape(path)
    assert str(caught.value).count(str(path)) == 1 and str(caught.value).endswith(".") and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian"])
def test_clouds_cut_short(tmp_path, kind):
    (tmp_path / "x.ply").write_bytes(ply_cloud(kind)[:-200])
    with pytest.raises(UsageError, match=r"cut short|damaged"):
        read_shape(tmp_path / "x.ply")


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.ply", ply_cloud("ascii", normals=False), "neither faces nor normals"),
        ("x.ply", b"\x89PNG\r\n", "not a PLY file"),
        ("x.ply", b"ply\nformat ascii 1.0\nelement thing 3\nproperty float x\nend_header\n1\n2\n3\n", "neither faces nor a first element"),
        ("x.xyz", b"0 0 0\n1 1 1\n", "points without normals"),
        ("x.xyz", b"0 0 0 1\n1 1 1 1\n", "has 4 columns"),
        ("x.xyz", b"C 0 0 0\nH 1 1 1\n", "damaged"),
        ("x.xyz", b"0 0 0 0 0 1\n1 1 1\n", "damaged"),
        ("x.xyz", b"0 0 0 0 0 1\n1 nan 1 0 0 1\n2 2 2 0 0 1\n", "NaN or infinite"),
        ("x.stl", b"hello", "not an STL file"),
        ("x.stl", bytes(80) + struct.pack("<I", 7) + bytes(60), "cut short: it promises 7 triangles and holds 1"),
        ("x.stl", bytes(84), "has no faces"),
        ("x.off", b"hello\n", "not an OFF file"),
        ("x.off", b"OFF\nmany 1 0\n", "damaged"),
        ("x.obj", b"hello\n", "has no faces"),
        ("x.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "x.obj' is damaged"),
        ("x.obj", b"v 0 0 0\nv 1 0 0\nv 0 nan 0\nf 1 2 3\n", "NaN or infinite"),
        ("x.obj", b"v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no face of positive area"),
        ("x.glb", b"glTF" + bytes(30), "is not a GLB file"),
        ("x.obj", b"", "is empty"),
        ("x.step", b"hello", "no ending of a shape"),
    ],
)
def test_bad_files_in_one_sentence(tmp_path, name, data, words):
    pytest.importorskip("trimesh", reason="needs trimesh")
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UsageError, match=words) as caught:
        load_shape(tmp_path / name)
    assert name in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UsageError, match="There is no file"):
        read_shape(tmp_path / "x.obj")
    (tmp_path / "y.obj").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        read_shape(tmp_path / "y.obj")


def test_missing_trimesh_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "trimesh", None)
    (tmp_path / "x.obj").write_text("v 0 0 0\n")
    with pytest.raises(UsageError, match=r"trimesh; pip install 'nint\[shape\]'"):
        read_shape(tmp_path / "x.obj")


def test_writing_what_cannot_be_written(tmp_path):
    for name, words in (("x.glb", "no ending of a mesh that can be written"), ("x", "no ending")):
        with pytest.raises(UsageError, match=words):
            write_mesh(box(), tmp_path / name)
    with pytest.raises(UsageError, match="no faces"):
        write_mesh(Mesh(np.zeros((3, 3)), np.zeros((0, 3), int)), tmp_path / "x.ply")
    assert not list(tmp_path.iterdir())


def test_colours_and_textures_are_said_to_be_left_out(tmp_path):
    trimesh = pytest.importorskip("trimesh", reason="needs trimesh, from the extra nint[shape]")
    plain = trimesh.creation.icosphere(subdivisions=1)
    coloured = plain.copy()
    coloured.visual.vertex_colors = np.full((len(plain.vertices), 4), (200, 10, 10, 255), np.uint8)
    for ending in (".ply", ".obj", ".glb"):
        for name, mesh in (("plain", plain), ("coloured", coloured)):
            path = tmp_path / f"{name}{ending}"
            if name == "plain" and ending != ".glb":
                write_mesh(sphere(), path)
            else:
                mesh.export(path)
            said = any("colours or textures" in line for line in load_shape(path, iou_resolution=8, pool_size=50).report())
            assert said == (name == "coloured"), path
