"""GLB files of other writers than trimesh: whole numbers for positions, fans, compression, and what cannot be read."""

import json
import re
import struct

import numpy as np
import pytest

from nint.errors import UsageError
from nint.signals.samples.shapes import sphere
from nint.signals.shape.files import read_shape

trimesh = pytest.importorskip("trimesh", reason="needs trimesh, from the extra nint[shape]")

BALL = sphere(1.0, 1)
CODES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}


def glb(header, binary):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    binary += bytes(-len(binary) % 4)
    chunks = struct.pack("<I", len(text)) + b"JSON" + text + struct.pack("<I", len(binary)) + b"BIN\0" + binary
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def parts(places, corners=BALL.faces, normalized=False, pad=0, nodes=None, **primitive):
    """Header and data of a file with one mesh, its positions `[n, 3]` of any type, each row followed by `pad` bytes."""
    nodes = nodes or ({"mesh": 0},)
    rows = np.zeros((len(places), 3 * places.itemsize + pad), np.uint8)
    rows[:, : 3 * places.itemsize] = np.ascontiguousarray(places).view(np.uint8)
    indices = b"" if corners is None else np.ascontiguousarray(corners).astype("<u2").tobytes()
    start = rows.nbytes + -rows.nbytes % 4
    accessors = [{"componentType": CODES[places.dtype.str[1:]], "count": len(places), "type": "VEC3", "bufferView": 0}]
    accessors[0] |= {"normalized": True} if normalized else {}
    views = [{"buffer": 0, "byteOffset": 0, "byteLength": rows.nbytes, "byteStride": rows.shape[1]}]
    if corners is not None:
        accessors.append({"componentType": 5123, "count": len(indices) // 2, "type": "SCALAR", "bufferView": 1})
        views.append({"buffer": 0, "byteOffset": start, "byteLength": len(indices)})
        primitive["indices"] = 1
    binary = rows.tobytes().ljust(start, b"\0") + indices
    header = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(nodes)))}],
        "nodes": list(nodes),
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}} | primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    return header, binary


@pytest.mark.parametrize(("code", "pad"), [("<i2", 2), ("<u2", 2), ("<i2", 0), ("|i1", 1), ("|u1", 1)])
def test_positions_as_fractions_are_read_at_their_size_and_place(tmp_path, code, pad):
    limits = np.iinfo(np.dtype(code))
    stored = np.round(BALL.vertices * limits.max if limits.min else (BALL.vertices + 1) / 2 * limits.max).astype(code)
    stored[0, 0] = limits.min
    meant = np.maximum(stored.astype(np.float64) / limits.max, -1)
    nodes = ({"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0], "scale": [1, 2, 1]})
    (tmp_path / "x.glb").write_bytes(glb(*parts(stored, normalized=True, pad=pad, nodes=nodes)))
    (tmp_path / "floats.glb").write_bytes(glb(*parts(meant.astype("<f4"), nodes=nodes)))
    found, floats = read_shape(tmp_path / "x.glb"), trimesh.load_scene(str(tmp_path / "floats.glb"), process=False).to_mesh()
    assert np.allclose(found.vertices, floats.vertices, atol=1e-7) and np.array_equal(found.faces, floats.faces)
    far = found.vertices[:, 0] > 2.5
    assert np.allclose(found.vertices[~far], meant, atol=1e-7)
    assert np.allclose(found.vertices[far], meant * (1, 2, 1) + (5, 0, 0), atol=1e-6)


def test_positions_that_are_whole_numbers_stay_so(tmp_path):
    stored = np.round(BALL.vertices * 100).astype("<i2")
    (tmp_path / "x.glb").write_bytes(glb(*parts(stored, pad=2)))
    assert np.array_equal(read_shape(tmp_path / "x.glb").vertices, stored)


@pytest.mark.parametrize("corners", [None, np.array([4, 0, 1, 2, 3])])
def test_fans_of_triangles(tmp_path, corners):
    places = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0.5, 0.5, 1)], "<f4")
    (tmp_path / "x.glb").write_bytes(glb(*parts(places, corners, mode=6)))
    order = np.arange(5) if corners is None else corners
    found = read_shape(tmp_path / "x.glb")
    assert np.array_equal(found.vertices[found.faces], places[[[order[0], order[i], order[i + 1]] for i in range(1, 4)]])


def test_data_that_fans_and_fractions_repeat_is_bounded(tmp_path):
    header, binary = parts(np.zeros((20_000, 3), "|i1"), None, normalized=True)
    header["accessors"] = [dict(header["accessors"][0]) for _ in range(200)]
    header["meshes"] = [{"primitives": [{"attributes": {"POSITION": place}} for place in range(200)]}]
    header["nodes"], header["scenes"] = [{}], [{"nodes": [0]}]
    (tmp_path / "x.glb").write_bytes(glb(header, binary))
    with pytest.raises(UsageError, match="uses the same data too often"):
        read_shape(tmp_path / "x.glb")


def draco(header):
    for accessor in header["accessors"]:
        del accessor["bufferView"]
    header["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}


def meshopt(header):
    header["buffers"].append({"byteLength": 10**4, "extensions": {"EXT_meshopt_compression": {"fallback": True}}})
    header["bufferViews"][0] |= {"buffer": 1, "extensions": {"EXT_meshopt_compression": {"buffer": 0}}}


REFUSED = {
    "draco": (draco, "compressed with KHR_draco_mesh_compression, which cannot be read; export it without"),
    "meshopt": (meshopt, "compressed with EXT_meshopt_compression, which cannot be read"),
    "required": (lambda header: header.update(extensionsRequired=["KHR_meshopt_compression"]), "compressed with KHR_meshopt_compression"),
    "instances": (lambda header: header["nodes"][0].update(extensions={"EXT_mesh_gpu_instancing": {}}), "EXT_mesh_gpu_instancing, which"),
    "sparse": (lambda header: header["accessors"][0].update(sparse={"count": 1}), "sparse accessors, which cannot be read"),
    "elsewhere": (lambda header: header["buffers"][0].update(uri="x.bin"), "keeps its geometry in another file"),
    "no scene": (lambda header: header.pop("scenes"), "has meshes but no scene"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_named(tmp_path, monkeypatch, case):
    monkeypatch.setattr("nint.signals.shape.glb.find_spec", lambda name: None)
    change, words = REFUSED[case]
    header, binary = parts(BALL.vertices.astype("<f4"))
    change(header)
    (tmp_path / "x.glb").write_bytes(glb(header, binary))
    with pytest.raises(UsageError, match=re.escape(words)) as caught:
        read_shape(tmp_path / "x.glb")
    assert str(caught.value).startswith(f"'{tmp_path / 'x.glb'}' ") and str(caught.value).endswith(".")


def test_further_scenes_and_motion_are_said(tmp_path):
    from nint.signals.shape.signal import load_shape

    header, binary = parts(BALL.vertices.astype("<f4"), nodes=({"mesh": 0}, {"mesh": 0, "translation": [5, 0, 0]}))
    path = tmp_path / "a.glb"
    path.write_bytes(glb(header | {"scenes": [{"nodes": [0]}]}, binary))
    assert not any("left out" in line for line in load_shape(path).report())
    path.write_bytes(glb(header | {"scenes": [{"nodes": [0]}, {"nodes": [1]}, {"nodes": [0, 1]}], "scene": 1}, binary))
    assert read_shape(path).vertices[:, 0].min() > 3
    assert "'a.glb' also holds 2 further scenes, left out; the one that it names is fitted." in load_shape(path).report()
    path.write_bytes(glb(header | {"scenes": [{"nodes": [0]}], "animations": [{}], "skins": [{"joints": [0]}]}, binary))
    assert "The animations and bones of 'a.glb' are left out; the shape is fitted at rest." in load_shape(path).report()
