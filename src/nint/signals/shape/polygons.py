"""Faces of more than three corners: their triangles lie within them, also where a corner turns inwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nint.errors import UsageError
from nint.mesh import Mesh, unit

_FOLDED = 1e-6  # of a polygon's area: more of its fan than this looks the other way where the fan leaves the polygon


@dataclass(frozen=True, eq=False)
class Polygons:
    """Faces of any number of corners.

    Attributes:
        vertices: `[v, 3]` float64.
        lengths: Corners of each face, `[p]` int64.
        corners: Rows of `vertices`, face after face, `[sum of lengths]` int64.
    """

    vertices: np.ndarray
    lengths: np.ndarray
    corners: np.ndarray


def triangulated(polygons: Polygons, by_size: bool = True) -> Mesh:
    """A mesh of triangles.

    A polygon becomes the fan of its first corner; where that leaves the polygon, a quad is cut along its other diagonal, and the ears of
    others are cut off in the plane of their mean normal. Faces of fewer than three corners are left out.

    Args:
        polygons: As the file has them.
        by_size: Triangles come first, then the first and the second halves of quads, then the others, as trimesh has it; otherwise they
            stand in the order of the polygons.

    Raises:
        UsageError: without the file's name; for a corner that is no vertex, and where ears need cutting and manifold3d is not installed.

    Source: the ear clipping of manifold3d (Lalish, https://github.com/elalish/manifold).
    """
    _check_corners(polygons)
    vertices, lengths = polygons.vertices, polygons.lengths
    if (lengths == 3).all():
        return Mesh(vertices, polygons.corners.reshape(-1, 3))
    rows, steps, faces = _fans(polygons.corners, lengths)
    many = np.flatnonzero(lengths > 3)
    of_many = lengths[rows] > 3
    wrong = many[_folds(vertices, np.searchsorted(many, rows[of_many]), faces[of_many])] if len(many) else many
    _turn_diagonals(vertices, faces, np.searchsorted(rows, wrong[lengths[wrong] == 4]))
    _cut_ears(polygons, wrong[lengths[wrong] > 4], rows, faces)
    second = (lengths[rows] == 4) & (steps == 1)
    faces[second] = np.roll(faces[second], -1, axis=1)
    if by_size:
        faces = faces[np.argsort(np.minimum(lengths[rows], 5) * 2 + second, kind="stable")]
    return Mesh(vertices, faces)


def _check_corners(polygons: Polygons) -> None:
    """Refuses corners that are no vertex.

    Raises:
        UsageError: without the file's name; says which.
    """
    low, high = (int(polygons.corners.min()), int(polygons.corners.max())) if len(polygons.corners) else (0, -1)
    if low < 0:
        raise UsageError("is damaged: a face names a vertex before the first one.")
    if high >= len(polygons.vertices):
        raise UsageError(f"is damaged: a face names vertex {high + 1:,} of {len(polygons.vertices):,}.")


def _fans(corners: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each triangle of the fans, polygon by polygon: its polygon `[t]`, its place in the fan `[t]` and its corners `[t, 3]`."""
    triangles = np.maximum(lengths - 2, 0)
    rows = np.repeat(np.arange(len(lengths)), triangles)
    steps = np.arange(len(rows)) - (np.cumsum(triangles) - triangles)[rows]
    first = (np.cumsum(lengths) - lengths)[rows]
    return rows, steps, corners[np.stack([first, first + steps + 1, first + steps + 2], axis=1)]


def _folds(vertices: np.ndarray, rows: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Whether triangles of a polygon look against its mean normal, `[p]`; the polygons' rows ascend and each has a triangle."""
    doubled, normals, sizes = _normals(vertices, rows, faces)
    along = np.einsum("td,td->t", doubled, normals[rows])
    turned: np.ndarray = np.bincount(rows, weights=np.minimum(along, 0)) < -_FOLDED * sizes
    return turned


def _normals(vertices: np.ndarray, rows: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cross products of triangles `[t, 3]`; of their polygons the unit normal `[p, 3]` and twice the area along it `[p]`."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    with np.errstate(all="ignore"):  # a polygon too large or small for the product stays a fan
        doubled = np.cross(b - a, c - a)
        sums = np.stack([np.bincount(rows, weights=doubled[:, i]) for i in range(3)], axis=1)
        sizes = np.linalg.norm(sums, axis=1)
        return doubled, sums / np.where(sizes > 0, sizes, 1)[:, None], sizes


def _turn_diagonals(vertices: np.ndarray, faces: np.ndarray, first: np.ndarray) -> None:
    """Cuts quads along their other diagonal where that is within them; `first` are the rows of their first halves."""
    (a, b, c), d = faces[first].T, faces[first + 1, 2]
    halves = np.stack([np.stack([b, c, d], axis=1), np.stack([b, d, a], axis=1)], axis=1)
    within = ~_folds(vertices, np.repeat(np.arange(len(first)), 2), halves.reshape(-1, 3))
    faces[first[within]], faces[first[within] + 1] = halves[within, 0], halves[within, 1]


def _cut_ears(polygons: Polygons, which: np.ndarray, rows: np.ndarray, faces: np.ndarray) -> None:
    """Puts other triangles in the place of the fans of some polygons, whose rows are `which`.

    Raises:
        UsageError: where there are such polygons and manifold3d is not installed.
    """
    if len(which) == 0:
        return
    try:
        import manifold3d
    except ImportError as error:
        raise UsageError(
            "has faces with corners that turn inwards, whose triangles need the package manifold3d; pip install 'nint[shape]'."
        ) from error

    own = np.isin(rows, which)
    _, normals, _ = _normals(polygons.vertices, np.searchsorted(which, rows[own]), faces[own])
    across = unit(np.cross(normals, np.eye(3)[np.abs(normals).argmin(1)]))
    planes = np.stack([across, np.cross(normals, across)], axis=2)
    ends = np.cumsum(polygons.lengths)[which]
    for plane, first, end, length in zip(planes, np.searchsorted(rows, which), ends, polygons.lengths[which], strict=True):
        ring = polygons.corners[end - length : end]
        flat = (polygons.vertices[ring] - polygons.vertices[ring[0]]) @ plane
        faces[first : first + length - 2] = ring[manifold3d.triangulate([flat / np.abs(flat).max()])]
