"""The mesh of a PLY file: polygons of any number of corners, and strips of triangles."""

from __future__ import annotations

import numpy as np

from nint.errors import UsageError
from nint.mesh import Mesh
from nint.signals.shape.ply import Ply
from nint.signals.shape.ply_tables import Lists, Table, read_tables
from nint.signals.shape.polygons import Polygons, triangulated

_CORNERS = ("vertex_indices", "vertex_index")


def ply_mesh(ply: Ply) -> Mesh:
    """The triangles of a PLY file with faces, strips of triangles or both. Normals, colours and textures are ignored.

    Raises:
        UsageError: without the file's name; for a file that is cut short or damaged, or whose faces name vertices that are not there.
    """
    tables = read_tables(ply)
    columns = [tables.get("vertex", {}).get(axis) for axis in "xyz"]
    if not all(isinstance(column, np.ndarray) for column in columns):
        raise UsageError("is damaged: its vertices have no x, y and z, or lists of different lengths beside them.")
    vertices = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    faces, strips = (_lists(tables[name]) if name in tables else None for name in ("face", "tristrips"))
    parts = []
    if faces is not None:
        parts.append(triangulated(Polygons(vertices, faces.lengths, faces.values.astype(np.int64))).faces)
    if strips is not None:
        corners = _unrolled(strips)
        parts.append(triangulated(Polygons(vertices, np.full(len(corners), 3), corners.reshape(-1))).faces)
    return Mesh(vertices, np.concatenate(parts))


def _lists(table: Table) -> Lists:
    """The column with the corners: by its name, or the only one that has lists.

    Raises:
        UsageError: where there is none.
    """
    lists = {name: column for name, column in table.items() if isinstance(column, Lists)}
    found = [name for name in _CORNERS if name in lists] or list(lists)
    if not found or (len(lists) > 1 and found[0] not in _CORNERS):
        raise UsageError("is damaged: its faces have no list called vertex_indices.")
    return lists[found[0]]


def _unrolled(strips: Lists) -> np.ndarray:
    """Triangles `[t, 3]` of strips, each of which ends with its list or with -1; every other one of a strip turns the other way round.

    Triangles with a corner twice are left out: they only join strips.
    """
    row = strips.values.astype(np.int64)
    place = np.arange(len(row))
    begins = np.isin(place, np.cumsum(strips.lengths) - strips.lengths) | (np.roll(row, 1) == -1)
    begin = np.maximum.accumulate(np.where(begins, place, 0))
    faces = np.stack([row[:-2], row[1:-1], row[2:]], axis=1) if len(row) > 2 else np.zeros((0, 3), np.int64)
    flipped = (place - begin)[: len(faces)] % 2 == 1
    faces[flipped] = faces[flipped][:, [1, 0, 2]]
    joined = (begin[: len(faces)] == begin[2:]) & (faces != -1).all(1)
    distinct = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    kept: np.ndarray = faces[joined & distinct]
    return kept
