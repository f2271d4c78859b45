"""OFF files: their lengths, checked before anything is read, and their polygons."""

from __future__ import annotations

import numpy as np

from nint.errors import UsageError
from nint.mesh import Mesh
from nint.signals.shape.polygons import Polygons, triangulated


def polygons_of_off(data: bytes) -> Mesh | None:
    """The mesh of an OFF file that has faces of more than three corners; None for a file that has none.

    Raises:
        UsageError: without the file's name; for a file that is no OFF file, that promises more than it holds, or with a face that names a
            vertex that is not there.
    """
    # trimesh reads as many faces as there are.
    lines = [line for line in (text.partition("#")[0].strip() for text in data.decode("utf-8", "replace").splitlines()) if line]
    if not lines or "OFF" not in lines[0].upper():
        raise UsageError("is not an OFF file: its first line does not say OFF.")
    counts = lines[0].upper().partition("OFF")[2].split()
    body = lines[1:] if counts else lines[2:]
    counts = counts or (lines[1].split() if len(lines) > 1 else [])
    if len(counts) < 2 or not all(word.isdecimal() and len(word) < 30 for word in counts[:2]):
        raise UsageError("is damaged or binary: it does not say in digits how many vertices and faces it has.")
    points, faces = int(counts[0]), int(counts[1])
    last = body[points + faces - 1].split() if 0 < points + faces <= len(body) else []
    if not last or (faces and len(last) <= int(last[0])):
        raise UsageError(f"is cut short: it promises {points:,} vertices and {faces:,} faces.")
    rows = body[points : points + faces]
    if all(row[:2] == "3 " for row in rows):
        return None  # the usual case, known at once
    lengths = np.array([int(row.split(maxsplit=1)[0]) for row in rows], np.int64)
    if lengths.max(initial=0) <= 3:
        return None
    corners = [row.split()[1 : 1 + length] for row, length in zip(rows, lengths.tolist(), strict=True)]
    if lengths.min() < 0 or any(len(row) < length for row, length in zip(corners, lengths.tolist(), strict=True)):
        raise UsageError("is damaged: a face has fewer corners than it promises.")
    vertices = np.loadtxt(body[:points], np.float64, usecols=(0, 1, 2), ndmin=2) if points else np.zeros((0, 3))
    return triangulated(Polygons(vertices, lengths, np.array([int(word) for row in corners for word in row], np.int64)))
