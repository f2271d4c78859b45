"""STL files, binary and text."""

from __future__ import annotations

import re

import numpy as np

from nint.errors import UsageError
from nint.mesh import Mesh, face_normals

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER, _TRIED = 84, 512
_OF_TEXT = b"\t\n\f\r" + bytes(range(32, 256))
_NAME = re.compile(rb"[^\r\n]*?(?=facet\s+normal|[\r\n]|$)")  # of a solid: the rest of its line


def is_binary_stl(data: bytes) -> bool:
    """Whether a file has the length that a binary STL file of its number of triangles has."""
    return len(data) >= _HEADER and len(data) == _HEADER + int.from_bytes(data[_HEADER - 4 : _HEADER], "little") * _RECORD.itemsize


def read_stl(data: bytes) -> Mesh:
    """The triangles of an STL file, none of which shares its vertices. Less than a triangle may follow the last of a binary file.

    Raises:
        UsageError: without the file's name; for a file that is cut short or no STL file.
    """
    count = int.from_bytes(data[_HEADER - 4 : _HEADER], "little") if len(data) >= _HEADER else 0
    surplus = len(data) - _HEADER - count * _RECORD.itemsize
    if is_binary_stl(data):
        corners = np.frombuffer(data, _RECORD, count, _HEADER)["corners"]
    elif data.lstrip()[:5].lower() == b"solid" and b"facet" in (lower := data.lower()):
        corners = _text_corners(lower)
    elif count and 0 < surplus < _RECORD.itemsize:
        corners = np.frombuffer(data, _RECORD, count, _HEADER)["corners"]
    elif not data[:_TRIED].translate(None, _OF_TEXT):  # a binary file has a zero in every number of triangles below 2^24
        raise UsageError("is not an STL file: it is text without facets.")
    elif len(data) < _HEADER or surplus > 0:
        raise UsageError("is not an STL file.")
    else:
        raise UsageError(f"is cut short: it promises {count:,} triangles and holds {(len(data) - _HEADER) // _RECORD.itemsize:,}.")
    return Mesh(corners.reshape(-1, 3).astype(np.float64), np.arange(3 * len(corners)).reshape(-1, 3))


def _text_corners(lower: bytes) -> np.ndarray:
    """Corners of each triangle `[t, 3, 3]` of a text in small letters.

    Raises:
        UsageError: for a text without an end.
    """
    if b"endsolid" not in lower:
        raise UsageError("is cut short: it has no endsolid.")
    words = b" ".join(_NAME.sub(b"", solid, count=1) for solid in lower.split(b"solid")).split()
    places = [i for i, word in enumerate(words) if word == b"vertex"]
    return np.array([words[i + 1 : i + 4] for i in places]).astype(np.float64).reshape(-1, 3, 3)


def stl_bytes(vertices: np.ndarray, faces: np.ndarray) -> bytes:
    """A mesh as binary STL."""
    table = np.zeros(len(faces), _RECORD)
    table["normal"] = face_normals(vertices, faces)
    table["corners"] = vertices[faces]
    return b"nint".ljust(80, b"\0") + len(table).to_bytes(4, "little") + table.tobytes()
