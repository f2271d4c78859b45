"""Files that promise more than they hold: refused in one sentence before anything is allocated."""

import json
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nint.errors import UsageError
from nint.mesh import Mesh
from nint.signals.open import open_signal
from nint.signals.samples.shapes import sphere
from nint.signals.shape.files import read_shape, write_mesh

trimesh = pytest.importorskip("trimesh", reason="needs trimesh")

CASE = Path(__file__).parents[3] / "../shared/cases/damaged/ascii_promises_1e12_faces.ply"
BALL = sphere(1.0, 1)


def exported(ending, **options):
    data = trimesh.Trimesh(BALL.vertices, BALL.faces, process=False).export(file_type=ending, **options)
    return data if isinstance(data, bytes) else data.encode()


def refused(path, words):
    """The message; reading may take 64 times the file and 8 MB at most."""
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=words) as caught:
            read_shape(path)
        assert tracemalloc.get_traced_memory()[1] < 64 * path.stat().st_size + 2**23
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"'{path}'") and message.isprintable() and len(message) < 500
    return message


@pytest.mark.skipif(not CASE.is_file(), reason="the case file is not here")
def test_case_of_a_text_ply():
    assert "it promises 1,000,000,000,000 faces and holds at most 320." in refused(CASE, "is cut short")
    assert sum(1 for line in CASE.read_text().splitlines() if line.startswith("3 ")) == 320


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
@pytest.mark.parametrize("element", ["vertex", "face"])
@pytest.mark.parametrize("count", [2**63 - 1, 10**12, 43 * 80])
def test_ply_that_promises_too_much(tmp_path, encoding, element, count):
    data = exported("ply", encoding=encoding)
    held = {"vertex": 42, "face": 80}[element]
    (tmp_path / "x.ply").write_bytes(
        data.replace(b"element %s %d" % (element.encode(), held), b"element %s %d" % (element.encode(), count))
    )
    refused(tmp_path / "x.ply", f"is cut short: it promises {count:,} ")


@pytest.mark.parametrize("cut", [1, 30, 200, 700])
def test_text_ply_that_is_cut_short(tmp_path, cut):
    lines = exported("ply", encoding="ascii").splitlines(keepends=True)
    (tmp_path / "x.ply").write_bytes(b"".join(lines)[: -len(b"".join(lines[-1:])) - cut])
    refused(tmp_path / "x.ply", "is cut short: it promises 80 faces")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"element face 80", b"element face -80"),
        (b"element face 80", b"element face 8e1"),
        (b"element face 80", b"element face " + b"1" * 5000),
        (b"format ascii 1.0", b"format text 1.0"),
        (b"property float x", b"property list float x"),
        (b"property float x", b"property string x"),
    ],
)
def test_ply_headers_that_cannot_be_understood(tmp_path, old, new):
    data = exported("ply", encoding="ascii").replace(b"property double", b"property float")
    assert old in data
    (tmp_path / "x.ply").write_bytes(data.replace(old, new))
    refused(tmp_path / "x.ply", "is damaged")


@pytest.mark.parametrize(("points", "faces"), [(10**12, 80), (42, 10**12), (10**30, 10**30), (-5, 80)])
def test_off_that_promises_too_much(tmp_path, points, faces):
    data = exported("off").decode().split("\n")
    row = next(i for i, line in enumerate(data) if line.split()[:2] == ["42", "80"])
    data[row] = f"{points} {faces} 0"
    (tmp_path / "x.off").write_text("\n".join(data))
    refused(tmp_path / "x.off", "is cut short|does not say in digits")


def glb(change):
    """A GLB file whose header went through a function."""
    data = exported("glb")
    length = int.from_bytes(data[12:16], "little")
    header = json.loads(data[20 : 20 + length])
    text = json.dumps(change(header) or header).encode()
    text += b" " * (-len(text) % 4)
    rest = data[20 + length :]
    return b"glTF" + struct.pack("<III", 2, 20 + len(text) + len(rest), len(text)) + b"JSON" + text + rest


def repeated(header):
    header["nodes"] = [{"mesh": 0} for _ in range(400_000)]
    header["scenes"] = [{"nodes": list(range(400_000))}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda header: header["accessors"][0].update(count=10**12), "promises 1,000,000,000,000 items"),
        (lambda header: header["accessors"][1].update(count=-1), "out of range"),
        (lambda header: header.update(accessors=5), "accessors cannot be understood"),
        (lambda header: [1], "its header cannot be understood"),
        (repeated, "repeats its meshes to 96,000,000 corners"),
    ],
    ids=["accessor", "negative", "number", "list", "repeated"],
)
def test_glb_that_promises_too_much(tmp_path, change, words):
    (tmp_path / "x.glb").write_bytes(glb(change))
    refused(tmp_path / "x.glb", words)


def test_glb_that_is_sound_is_read_and_one_that_is_nested_or_cut_is_not(tmp_path):
    (tmp_path / "x.glb").write_bytes(glb(lambda header: None))
    assert np.allclose(np.sort(read_shape(tmp_path / "x.glb").vertices, axis=0), np.sort(BALL.vertices, axis=0), atol=1e-6)
    (tmp_path / "cut.glb").write_bytes(exported("glb")[:-8])
    refused(tmp_path / "cut.glb", "is cut short")
    (tmp_path / "deep.glb").write_bytes(b"glTF" + struct.pack("<III", 2, 200_020, 200_000) + b"JSON" + b"[" * 200_000)
    refused(tmp_path / "deep.glb", "damaged")


def test_pipes_and_devices_are_refused(tmp_path):
    for ending in ("ply", "obj", "stl", "off", "glb", "xyz"):
        os.mkfifo(tmp_path / f"pipe.{ending}")
        (tmp_path / f"device.{ending}").symlink_to("/dev/zero")
        for name, word in (("pipe", "named pipe"), ("device", "device")):
            with pytest.raises(UsageError, match=word):
                read_shape(tmp_path / f"{name}.{ending}")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.obj", b"v 0 0\nv 1 0\nv 0 1\nf 1 2 3\n"),
        ("x.obj", b"v 0 0 1e308\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("x.xyz", b"0 0 0 secret 0 1\n1 1 1 0 0 1\n"),
        ("x.obj", b"v 0 0 secret\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
    ],
)
def test_messages_do_not_repeat_the_file(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    assert "secret" not in refused(tmp_path / name, "damaged|beyond 1e\\+75")


def test_a_name_that_is_not_utf_8(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.ply"
    try:
        write_mesh(BALL, os.fsdecode(path))
    except (OSError, UsageError):
        pytest.skip("this file system takes UTF-8 names only")
    signal = open_signal(os.fsdecode(path), pool_size=10)
    signal.name.encode()
    assert signal.layout.faces == 80


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pool_size": 2**63 - 1}, "must be at most 4,194,304"),
        ({"pool_size": -1}, "at least 1"),
        ({"iou_resolution": 2**63 - 1}, "from 8 to 512"),
        ({"iou_resolution": 513}, "from 8 to 512"),
        ({"chamfer_samples": 2**63 - 1}, "at most 4,194,304"),
    ],
)
def test_numbers_at_their_edges(options, words):
    with pytest.raises(UsageError, match=words):
        open_signal("sample:box", **options)


def test_decoding_resolutions_have_bounds():
    layout = open_signal("sample:box", pool_size=10).layout
    for resolution in (-1, 0, 7, 2049, 2**31, 2**63 - 1):
        with pytest.raises(UsageError, match=f"resolution={resolution} is out of range"):
            layout.decode(lambda coords: coords[:].norm(dim=1, keepdim=True), resolution=resolution)


@pytest.mark.parametrize("size", [1e-70, 1e70])
def test_shapes_of_extreme_size_are_scaled(size):
    from nint.signals.shape.signal import ShapeSignal

    signal = ShapeSignal(Mesh(BALL.vertices * size, BALL.faces), "x", pool_size=10)
    assert signal.layout.scale * size == pytest.approx(0.9 / np.ptp(BALL.vertices, axis=0).max())
