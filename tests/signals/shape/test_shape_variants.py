"""Sound files that are written in unusual ways: counted backwards, in capitals, with strips or lists of several lengths."""

import struct

import numpy as np
import pytest

from nint.errors import UsageError
from nint.mesh import face_areas, soundness, volume
from nint.signals.shape.files import read_shape
from nint.signals.shape.signal import load_shape

CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
SIDES = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
HALVES = [half for a, b, c, d in SIDES for half in ((a, b, c), (c, d, a))]


def found(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_shape(path)


def check_cubes(mesh, count, faces=12):
    """Unit cubes side by side with gaps of 2, each closed and turned outwards."""
    assert len(mesh.faces) == count * faces
    assert face_areas(mesh.vertices, mesh.faces).sum() == pytest.approx(6 * count)
    assert volume(mesh.vertices, mesh.faces) == pytest.approx(count)
    assert mesh.vertices[np.unique(mesh.faces)].max(0).tolist() == [3 * count - 2, 1, 1]


def blocks(corner, between, faces=HALVES):
    """Two cubes, each after its vertices, with corners as `corner` writes the row -8 ... -1 of a vertex and -1 of its normal."""
    text = ""
    for block in range(2):
        text += between(block) + "".join(f"v {x + 3 * block} {y} {z}\n" for x, y, z in CORNERS) + "vn 0 0 1\nvt 0 0\n"
        text += "".join("f " + " ".join(corner(i - 8, block) for i in face) + "\n" for face in faces)
    return text


@pytest.mark.parametrize("faces", [HALVES, SIDES], ids=["triangles", "quads"])
@pytest.mark.parametrize(
    "corner",
    [
        lambda i, block: f"{i}",
        lambda i, block: f"{i}//-1",
        lambda i, block: f"{i}/-1",
        lambda i, block: f"{i}/-1/-1",
        lambda i, block: f"{i + 9}//{block + 1}" if block == 0 else f"{i}//-1",
        lambda i, block: f"{i + 9 + 8 * block}/-1/-1",
    ],
    ids=["v", "v//n", "v/t", "v/t/n", "some", "only normals"],
)
@pytest.mark.parametrize(
    "between",
    [lambda block: "", lambda block: f"o part{block}\n", lambda block: f"g part{block}\nusemtl paint{block}\ns 1\n"],
    ids=["plain", "o", "usemtl"],
)
def test_obj_corners_that_count_backwards(tmp_path, faces, corner, between):
    mesh = found(tmp_path / "x.obj", blocks(corner, between, faces))
    check_cubes(mesh, 2)
    assert soundness(mesh.faces).watertight


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\nf ", "\n  f  ").replace("v ", "\tv "),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace("\nf ", " # -9 f 1 2\nf "),
        lambda text: text.replace(" -1\n", " \\\n-1\n"),
        lambda text: text.replace("f ", "f -1 -2\nf ", 1),
    ],
    ids=["lines", "indented", "tabs", "comments", "continued", "two corners"],
)
def test_spellings_of_obj(tmp_path, change):
    pytest.importorskip("trimesh", reason="needs trimesh")
    for faces in (HALVES, SIDES):
        for corner in (lambda i, block: f"{i}", lambda i, block: f"{i + 9 + 8 * block}"):
            check_cubes(found(tmp_path / "x.obj", change(blocks(corner, lambda block: "", faces))), 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v 0 0 0\nv 1 0 0\nf -1 -2 -3\nv 0 1 0\n", "names a vertex before the first"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 0\n", "vertices count from 1"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf -1 -2 -secret\n", "x.obj' is damaged"),
        ("v 0 0 0\nv 1 0\nv 0 1 0\nf -1 -2 -3\n", "x.obj' is damaged"),
        ("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3 4\n", "names vertex 4 of 3"),
        ("f -1 -2 -3\n", "names a vertex before the first"),
        ("  v 0 0 0\n", "has no faces"),
    ],
)
def test_damaged_obj(tmp_path, text, words):
    (tmp_path / "x.obj").write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        load_shape(tmp_path / "x.obj")
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


def text_stl(name="x", end="x"):
    loops = (" ".join(f"vertex {x} {y} {z}\n" for x, y, z in (CORNERS[i] for i in half)) for half in HALVES)
    return f"solid {name}\n" + "".join(f"facet normal 0 0 0\nouter loop\n{loop}endloop\nendfacet\n" for loop in loops) + f"endsolid {end}\n"


@pytest.mark.parametrize(
    "text",
    [
        text_stl().upper(),
        text_stl("my vertex thing"),
        text_stl("vertex", "vertex"),
        text_stl("a solid facet vertex endloop", "a solid facet vertex endloop"),
        text_stl("", ""),
        text_stl().replace("\n", " "),
        text_stl("my vertex thing", "vertex").replace("\n", "\r\n"),
        text_stl("my vertex thing", "vertex").replace("\n", "\n\t").title(),
    ],
    ids=["capitals", "vertex", "twice", "words", "nameless", "one line", "lines", "title"],
)
def test_spellings_of_text_stl(tmp_path, text):
    check_cubes(found(tmp_path / "x.stl", text), 1)
    with pytest.raises(UsageError, match="has no endsolid"):
        found(tmp_path / "x.stl", text[: text.lower().rindex("endsolid") + 4])
    with pytest.raises(UsageError, match="damaged"):
        found(tmp_path / "x.stl", text.replace("1 0 1", "1 0 thing"))


def test_several_solids_in_a_text_stl(tmp_path):
    second = text_stl("vertex b").replace("vertex 0 ", "vertex 3 ").replace("vertex 1 ", "vertex 4 ")
    check_cubes(found(tmp_path / "x.stl", text_stl("vertex a") + second), 2)


def test_bytes_after_the_last_triangle_of_a_binary_stl(tmp_path):
    table = np.zeros(12, [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    table["corners"] = np.array(CORNERS)[np.array(HALVES)]
    for start in (b"", b"solid"):
        data = start.ljust(80) + struct.pack("<I", 12) + table.tobytes()
        for more in (b"", b"\0\0", b"\n", bytes(49)):
            check_cubes(found(tmp_path / "x.stl", data + more), 1)
        with pytest.raises(UsageError, match="not an STL file"):
            found(tmp_path / "x.stl", data + bytes(50))
        with pytest.raises(UsageError, match="cut short: it promises 12 triangles and holds 11"):
            found(tmp_path / "x.stl", data[:-1])


def ply(kind, rows, element="face", lists="list uchar int", before=(), after=(), index="vertex_indices"):
    """A PLY file of the cube's corners and rows of an element, among other numbers and lists."""
    order, word = {"ascii": ("", "ascii"), "<": ("<", "binary_little_endian"), ">": (">", "binary_big_endian")}[kind]
    codes = {"uchar": "B", "int": "i", "uint": "I", "short": "h", "double": "d"}
    header = f"ply\nformat {word} 1.0\nelement vertex 8\nproperty float x\nproperty float y\nproperty float z\nproperty uchar red\n"
    header += f"element {element} {len(rows)}\n" + "".join(f"property {name}\n" for name in (*before, f"{lists} {index}", *after))
    header += "element edge 1\nproperty int vertex1\nend_header\n"
    _, count, item = lists.split()
    lines, data = [f"{x} {y} {z} 9" for x, y, z in CORNERS], b"".join(struct.pack(f"{order or '<'}3fB", *place, 9) for place in CORNERS)
    for i, row in enumerate(rows):

        def others(names, i=i):
            for name in names:
                yield from [("B", 1 + i % 3)] + [("d", 0.5)] * (1 + i % 3) if name.startswith("list") else [(codes[name.split()[0]], 1)]

        words = [*others(before), (codes[count], len(row)), *((codes[item], value) for value in row), *others(after)]
        lines.append(" ".join(str(value) for _, value in words))
        data += struct.pack((order or "<") + "".join(code for code, _ in words), *(value for _, value in words))
    return header.encode() + ("\n".join([*lines, "3"]).encode() if kind == "ascii" else data + struct.pack(f"{order}i", 3))


MIXED = [SIDES[0], *HALVES[2:4], *SIDES[2:4], *HALVES[8:]]


@pytest.mark.parametrize("kind", ["ascii", "<", ">"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lists": "list int uint", "index": "vertex_index"},
        {"before": ["double weight"], "after": ["uchar red", "short group"]},
        {"before": ["list uchar double before"], "after": ["list uchar double texcoord"]},
        {"lists": "list uchar uchar", "index": "corners"},
    ],
    ids=["plain", "wide", "numbers", "lists", "nameless"],
)
@pytest.mark.parametrize("rows", [MIXED, SIDES, HALVES, [*MIXED, (1, 2), (), (3,)]], ids=["mixed", "quads", "triangles", "edges"])
def test_ply_lists(tmp_path, kind, options, rows):
    mesh = found(tmp_path / "x.ply", ply(kind, rows, **options))
    check_cubes(mesh, 1)
    assert soundness(mesh.faces).watertight and np.array_equal(mesh.vertices, CORNERS)


@pytest.mark.parametrize("kind", ["<", ">"])
def test_cut_and_damaged_ply_lists(tmp_path, kind):
    data = ply(kind, MIXED)
    for cut in range(1, len(data) - data.index(b"end_header") - 11):
        with pytest.raises(UsageError, match="is cut short"):
            found(tmp_path / "x.ply", data[:-cut])
    with pytest.raises(UsageError, match="damaged: 1 bytes follow"):
        found(tmp_path / "x.ply", data + b"\0")
    below = ply(kind, [(0, 1, 2), *MIXED], lists="list short int").replace(struct.pack(f"{kind}h", 3), struct.pack(f"{kind}h", -3), 1)
    with pytest.raises(UsageError, match="a length below 0"):
        found(tmp_path / "x.ply", below)
    with pytest.raises(UsageError, match="names vertex 9 of 8"):
        found(tmp_path / "x.ply", ply(kind, [*MIXED, (0, 1, 8)]))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"\n4 0 1 3 2\n", b"\n4 0 1 3\n", "fewer numbers than it promises"),
        (b"\n4 0 1 3 2\n", b"\n-4 0 1 3 2\n", "fewer numbers than it promises"),
        (b"\n4 0 1 3 2\n", b"\n4 0 1 3 secret\n", "x.ply' is damaged"),
        (b"\n4 0 1 3 2\n", b"\nsecret 0 1 3 2\n", "x.ply' is damaged"),
        (b"\n0 0 1 9\n", b"\n0 0 1\n", "x.ply' is damaged"),
        (b" y\n", b" t\n", "no x, y and z"),
        (b"uchar int", b"float int", "a property that cannot be understood"),
        (b"property list uchar int vertex_indices", b"property int a\nproperty int b", "no list called vertex_indices"),
        (b"property list uchar int vertex_indices\n", b"", "no list called vertex_indices"),
        (b"vertex_indices", b"a\nproperty list uchar int b", "fewer numbers than it promises"),
        (b"element edge", b"element face", "an element twice"),
        (b"vertex_indices", b"a\nproperty int a", "a property twice"),
    ],
)
def test_damaged_text_ply(tmp_path, old, new, words):
    data = ply("ascii", MIXED)
    assert old in data
    with pytest.raises(UsageError, match=words) as caught:
        found(tmp_path / "x.ply", data.replace(old, new))
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


# The sides in a ring, and two lids; a strip that repeats corners to go on elsewhere keeps its turning.
RING = [0, 1, 2, 3, 6, 7, 4, 5, 0, 1]
LIDS = [0, 2, 4, 6], [1, 5, 3, 7]


@pytest.mark.parametrize("kind", ["ascii", "<", ">"])
@pytest.mark.parametrize(
    "rows",
    [
        [RING, *LIDS],
        [[*RING, -1, *LIDS[0], -1, *LIDS[1], -1]],
        [[-1, *RING, -1, -1, *LIDS[0]], LIDS[1]],
        [[*RING, 1, 0, *LIDS[0], 6, 1, *LIDS[1]]],
    ],
    ids=["rows", "separators", "both", "joined"],
)
def test_ply_strips(tmp_path, kind, rows):
    mesh = found(tmp_path / "x.ply", ply(kind, rows, "tristrips", "list int int"))
    check_cubes(mesh, 1)
    assert soundness(mesh.faces).watertight


def test_damaged_ply_strips(tmp_path):
    for rows, words in (([[*RING, 8]], "names vertex 9 of 8"), ([[*RING, -2, 1, 2]], "names a vertex before the first")):
        with pytest.raises(UsageError, match=words):
            found(tmp_path / "x.ply", ply("<", rows, "tristrips", "list int int"))
