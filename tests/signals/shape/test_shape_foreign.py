"""Files whose content is of another kind than their ending, texts with a mark at their start, and colours taken for normals."""

import io

import numpy as np
import pytest

from nint.errors import UsageError
from nint.mesh import Mesh
from nint.signals.samples.shapes import sphere
from nint.signals.shape.files import read_shape
from nint.signals.shape.signal import load_shape

trimesh = pytest.importorskip("trimesh", reason="needs trimesh, from the extra nint[shape]")

BALL = sphere(1.0, 1)
ENDINGS = {".obj": "OBJ", ".ply": "PLY", ".stl": "STL", ".off": "OFF", ".glb": "GLB", ".xyz": "XYZ"}


def content(kind):
    data = trimesh.Trimesh(BALL.vertices, BALL.faces, process=False).export(file_type=kind)
    return data if isinstance(data, bytes) else data.encode()


def picture(form):
    Image = pytest.importorskip("PIL.Image")
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)).save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "obj", "ply", "stl", "stl_ascii", "off", "glb"])
def test_other_content_than_the_ending_says(tmp_path, ending, kind):
    name = kind.split("_")[0]
    if ending == f".{name}":
        pytest.skip("its own ending")
    path = tmp_path / f"x{ending}"
    path.write_bytes(picture(kind) if kind.isupper() else content(kind))
    with pytest.raises(UsageError, match=f"is not an? {ENDINGS[ending]} file: it looks like an? {name.upper()}"):
        read_shape(path)


def test_a_text_named_stl_is_not_said_to_promise_triangles(tmp_path):
    (tmp_path / "x.stl").write_text("one line of a letter\n" * 20)
    with pytest.raises(UsageError, match="is not an STL file: it is text without facets"):
        read_shape(tmp_path / "x.stl")


def test_a_binary_stl_may_begin_with_anything(tmp_path):
    data = content("stl")
    for start in (b"\xef\xbb\xbfsolid", b"\x89PNG", b"\xff\xfe", b"# x\nv 0 0 0\nv 1 1 1\n"):
        (tmp_path / "x.stl").write_bytes(start + data[len(start) :])
        assert len(read_shape(tmp_path / "x.stl").faces) == len(BALL.faces)


def points_of(shape):
    return shape.vertices if isinstance(shape, Mesh) else shape.points


@pytest.mark.parametrize("ending", ["obj", "off", "ply", "stl", "xyz"])
def test_the_mark_of_utf_8_is_not_part_of_the_text(tmp_path, ending):
    text = io.BytesIO()
    np.savetxt(text, np.hstack([BALL.vertices, BALL.vertices]))
    data = text.getvalue() if ending == "xyz" else content({"stl": "stl_ascii"}.get(ending, ending))
    if ending == "obj":
        data = data[data.index(b"v ") :]  # the mark stands before the first vertex
    (tmp_path / f"plain.{ending}").write_bytes(data)
    (tmp_path / f"marked.{ending}").write_bytes(b"\xef\xbb\xbf" + data)
    plain, marked = (points_of(read_shape(tmp_path / f"{name}.{ending}")) for name in ("plain", "marked"))
    assert len(plain) and np.array_equal(plain, marked)


def test_a_text_in_utf_16_is_said_to_be_one(tmp_path):
    (tmp_path / "x.obj").write_bytes(content("obj").decode().encode("utf-16"))
    with pytest.raises(UsageError, match="is text in UTF-16; store it as UTF-8"):
        read_shape(tmp_path / "x.obj")


def test_colours_are_not_taken_for_normals(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, BALL.vertices.shape)
    np.savetxt(tmp_path / "x.xyz", np.hstack([BALL.vertices, colours]), "%g")
    with pytest.raises(UsageError, match=r"columns 4 to 6 that look like colours .* not normals; give six columns"):
        read_shape(tmp_path / "x.xyz")
    corners = np.array([(1, 0, 0), (0, 1, 0), (0, 0, 1)])
    np.savetxt(tmp_path / "y.xyz", np.hstack([corners, corners]), "%g")
    assert np.array_equal(read_shape(tmp_path / "y.xyz").normals, corners)


def off_of(kind, vertex="", face=""):
    rows = [f"{x} {y} {z}{vertex}" for x, y, z in BALL.vertices.tolist()]
    rows += [f"3 {a} {b} {c}{face}" for a, b, c in BALL.faces.tolist()]
    return "\n".join([kind, f"{len(BALL.vertices)} {len(BALL.faces)} 0", *rows]) + "\n"


def glb_of(**material):
    mesh = trimesh.Trimesh(BALL.vertices, BALL.faces, process=False)
    if material:
        pytest.importorskip("PIL")
        mesh.visual = trimesh.visual.TextureVisuals(material=trimesh.visual.material.PBRMaterial(**material))
    return mesh.export(file_type="glb")


LOOKS = {
    "COFF.off": (lambda: off_of("COFF", vertex=" 255 0 0 255"), True),
    "vertices.off": (lambda: off_of("OFF", vertex=" 255 0 0"), True),
    "faces.off": (lambda: off_of("OFF", face=" 255 0 0"), True),
    "NOFF.off": (lambda: off_of("NOFF", vertex=" 0 0 1"), False),
    "plain.off": (lambda: off_of("OFF"), False),
    "material.glb": (lambda: glb_of(baseColorFactor=[1.0, 0.0, 0.0, 1.0]), True),
    "plain.glb": (glb_of, False),
    "magics.stl": (lambda: b"COLOR=\xff\x00\x00\xff".ljust(80) + content("stl")[80:], True),
    "plain.stl": (lambda: content("stl"), False),
}


@pytest.mark.parametrize("name", LOOKS)
def test_colours_of_faces_and_materials_are_said_to_be_left_out(tmp_path, name):
    write, coloured = LOOKS[name]
    data = write()
    (tmp_path / name).write_bytes(data if isinstance(data, bytes) else data.encode())
    said = any("colours or textures" in line for line in load_shape(tmp_path / name, iou_resolution=8, pool_size=50).report())
    assert said == coloured
