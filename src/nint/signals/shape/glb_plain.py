"""GLB files as trimesh reads them rightly: positions that are stored as fractions become floats, and fans separate triangles."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.signals.shape.glb import geometry_of

_FLOAT, _UNSIGNED = 5126, 5125
_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", _UNSIGNED: "<u4", _FLOAT: "<f4"}
_TRIANGLES, _FAN = 4, 6
_MOST_TIMES = 16  # of the file's bytes: separate triangles of single bytes are twelve times them


def plain_glb(data: bytes, header: dict[str, Any]) -> bytes:
    """The file with 32-bit floats for normalised whole numbers (KHR_mesh_quantization) and with triangles for their fans.

    Args:
        data: A file that `nint.signals.shape.glb.check_glb` accepted.
        header: Its header, which may be changed.

    Returns:
        `data` itself where it has neither.

    Raises:
        UsageError: without the file's name; for data that is not in the file, or is repeated too often.
        LookupError: for a damaged file; likewise TypeError and ValueError.

    Source: glTF 2.0, section 3.6.2.2 and KHR_mesh_quantization: a signed number c of b bits is max(c / (2^(b-1) - 1), -1), an unsigned one
    c / (2^b - 1).
    """
    primitives = [primitive for mesh in header.get("meshes", []) for primitive in mesh.get("primitives", [])]
    accessors = header.get("accessors", [])
    places = {geometry_of(primitive)[0] for primitive in primitives if geometry_of(primitive)}
    quantised = sorted(place for place in places if accessors[place].get("normalized") is True and "bufferView" in accessors[place])
    fans = [(primitive, geometry_of(primitive)) for primitive in primitives if primitive.get("mode") == _FAN]
    fans = [(primitive, own) for primitive, own in fans if own and accessors[own[-1]]["count"] > 2]  # others show nothing
    if not quantised and not fans:
        return data
    file = _Parts(data, header)
    for place in quantised:
        numbers, kind = file.items(place, 3), np.dtype(_TYPES[accessors[place]["componentType"]])
        if kind.kind != "f":
            accessors[place] = file.added(np.maximum(numbers / np.float64(np.iinfo(kind).max), -1).astype("<f4"), _FLOAT, "VEC3")
    known: dict[int, int] = {}
    for primitive, own in fans:
        if own[-1] not in known:
            corners = file.items(own[1], 1)[:, 0] if len(own) == 2 else np.arange(accessors[own[0]]["count"])
            triangles = np.stack([np.broadcast_to(corners[:1], len(corners) - 2), corners[1:-1], corners[2:]], axis=1)
            accessors.append(file.added(triangles.reshape(-1, 1).astype("<u4"), _UNSIGNED, "SCALAR"))
            known[own[-1]] = len(accessors) - 1
        primitive["mode"], primitive["indices"] = _TRIANGLES, known[own[-1]]
    return file.joined()


class _Parts:
    """A GLB file to which arrays are added."""

    def __init__(self, data: bytes, header: dict[str, Any]) -> None:
        start = 20 + int.from_bytes(data[12:16], "little")
        self._header = header
        self._source = data[start + 8 : start + 8 + int.from_bytes(data[start : start + 4], "little")]
        self._binary = bytearray(self._source)
        self._most = _MOST_TIMES * len(data)

    def items(self, place: int, width: int) -> np.ndarray:
        """The numbers of an accessor, `[count, width]`.

        Raises:
            UsageError: where they are not in the file's own data.
        """
        accessor = self._header["accessors"][place]
        view, kind = self._header["bufferViews"][accessor["bufferView"]], np.dtype(_TYPES[accessor["componentType"]])
        if view["buffer"] != 0 or "uri" in self._header["buffers"][0]:
            raise UsageError("keeps its geometry outside the data of the file; export it as one .glb file with everything in it.")
        offset = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        strides = (view.get("byteStride", width * kind.itemsize), kind.itemsize)
        return np.ndarray((accessor["count"], width), kind, self._source, offset, strides)

    def added(self, numbers: np.ndarray, component: int, shape: str) -> dict[str, Any]:
        """Puts an array behind the data; returns its accessor.

        Raises:
            UsageError: where the file has become many times as long.
        """
        self._binary += bytes(-len(self._binary) % 4)
        if len(self._binary) + numbers.nbytes > self._most:
            raise UsageError("uses the same data too often; store it as .ply.")
        views = self._header["bufferViews"]
        views.append({"buffer": 0, "byteOffset": len(self._binary), "byteLength": numbers.nbytes})
        self._binary += numbers.tobytes()
        return {"componentType": component, "count": len(numbers), "type": shape, "bufferView": len(views) - 1}

    def joined(self) -> bytes:
        """The bytes of the file."""
        self._header["buffers"][0]["byteLength"] = len(self._binary)
        text = json.dumps(self._header).encode()
        text += b" " * (-len(text) % 4)
        body = bytes(self._binary) + bytes(-len(self._binary) % 4)
        chunks = struct.pack("<I", len(text)) + b"JSON" + text + struct.pack("<I", len(body)) + b"BIN\0" + body
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks
