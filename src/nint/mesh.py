"""Triangle meshes and oriented point clouds: cleaning, checks of closedness, area, volume, and points drawn on a surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nint.errors import UsageError


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh; faces turn counter-clockwise seen from outside.

    Attributes:
        vertices: `[v, 3]` float64, in the file's own units.
        faces: `[f, 3]` int64 rows of `vertices`.
        normals: `[v, 3]` unit vectors pointing outwards, or None.
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Cloud:
    """Points of a surface with its outward normals.

    Attributes:
        points: `[n, 3]` float64, in the file's own units.
        normals: `[n, 3]` unit vectors.
    """

    points: np.ndarray
    normals: np.ndarray


@dataclass(frozen=True)
class Soundness:
    """How near a mesh is to the closed, consistently turned surface of a solid.

    Attributes:
        edges: Edges in all.
        open_edges: Edges of one face, which border a hole.
        crowded_edges: Edges of more than two faces.
        turned_edges: Edges whose two faces turn opposite ways.
    """

    edges: int
    open_edges: int
    crowded_edges: int
    turned_edges: int

    @property
    def watertight(self) -> bool:
        """Whether every edge joins exactly two faces that turn the same way."""
        return not (self.open_edges or self.crowded_edges or self.turned_edges)


def soundness(faces: np.ndarray) -> Soundness:
    """Counts the edges of faces `[f, 3]` that keep the mesh from being watertight."""
    _, along, counts = edge_uses(faces)
    return Soundness(len(counts), int((counts == 1).sum()), int((counts > 2).sum()), int(((counts == 2) & (along != 1)).sum()))


def edge_uses(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The edges of faces `[f, 3]` without their directions.

    Returns:
        The edge of each side of each face `[3 f]`, face by face; of each edge `[e]`, how many sides run towards the higher vertex; and
        of each edge `[e]`, how many sides it has.
    """
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).astype(np.int64)
    forward = ends[:, 0] < ends[:, 1]
    keys = ends.min(1) * (int(faces.max()) + 1) + ends.max(1)
    _, edges, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return edges, np.bincount(edges, weights=forward), counts


def face_areas(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area of each face, `[f]`."""
    doubled: np.ndarray = np.linalg.norm(_doubled(vertices, faces), axis=1)
    return doubled / 2


def face_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normal of each face, `[f, 3]`; zero for a face without area."""
    return unit(_doubled(vertices, faces))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors `[n, d]` at length 1; those of length 0 stay 0."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: np.ndarray = vectors / np.where(length > 0, length, 1)
    return scaled


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Signed volume of a closed mesh: positive where its faces turn counter-clockwise seen from outside."""
    a, b, c = (vertices[faces[:, i]] - vertices.mean(0) for i in range(3))
    return float(np.einsum("nd,nd->", a, np.cross(b, c))) / 6


def sample_surface(vertices: np.ndarray, faces: np.ndarray, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points drawn uniformly by area.

    Returns:
        Points `[count, 3]` and the rows of their faces `[count]`.
    """
    reach = np.cumsum(face_areas(vertices, faces))
    rows = np.minimum(np.searchsorted(reach, rng.random(count) * reach[-1], side="right"), len(faces) - 1)
    # The square root makes the density uniform over the triangle.
    across, along = np.sqrt(rng.random(count))[:, None], rng.random(count)[:, None]
    a, b, c = (vertices[faces[rows, i]] for i in range(3))
    return (1 - across) * a + across * ((1 - along) * b + along * c), rows


def cleaned(mesh: Mesh, name: str) -> tuple[Mesh, tuple[str, ...]]:
    """A mesh without what no triangle needs, and a sentence on each kind of thing that was left out.

    Vertices at the same place become one, so that faces of formats that store each on its own are joined. Faces with two corners at
    one place and exact copies of another face are dropped; slivers with three corners on a line stay, because they close their seams.

    Raises:
        UsageError: for vertices that are not finite, rows of faces that do not exist, or no face of positive area.
    """
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    if len(faces) == 0 or len(vertices) == 0:
        raise UsageError(f"'{name}' has no faces; a shape needs a mesh of triangles, or a point cloud with normals.")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise UsageError(f"'{name}' is damaged: a face names vertex {faces.max() + 1} of {len(vertices)}.")
    used = np.unique(faces)
    if not np.isfinite(vertices[used]).all():
        raise UsageError(f"'{name}' has vertices that are NaN or infinite.")
    places, where = np.unique(vertices[used] + 0.0, axis=0, return_inverse=True)  # + 0.0: minus zero is zero
    faces = where.reshape(-1)[np.searchsorted(used, faces)]

    notes = []
    thin = (faces == np.roll(faces, 1, axis=1)).any(1)
    faces = faces[~thin]
    first = np.sort(np.unique(_rotated(faces), axis=0, return_index=True)[1])
    copies = len(faces) - len(first)
    faces = faces[first]
    extent = np.ptp(places, axis=0).max()
    if len(faces) == 0 or not face_areas(places / extent, faces).sum() > 1e-12:
        raise UsageError(f"'{name}' has no face of positive area, so it has no surface to fit.")
    for count, what in ((int(thin.sum()), "without area"), (copies, "that repeated another")):
        if count:
            notes.append(f"{count:,} face{'s' if count != 1 else ''} {what} {'were' if count != 1 else 'was'} dropped.")
    kept = np.unique(faces)
    return Mesh(places[kept], np.searchsorted(kept, faces)), tuple(notes)


def checked_cloud(cloud: Cloud, name: str) -> tuple[Cloud, tuple[str, ...]]:
    """A cloud with unit normals, and a sentence on what was left out.

    Raises:
        UsageError: for values that are not finite, no usable normal, or all points at one place.
    """
    points, normals = np.asarray(cloud.points, np.float64), np.asarray(cloud.normals, np.float64)
    if not (np.isfinite(points).all() and np.isfinite(normals).all()):
        raise UsageError(f"'{name}' has points or normals that are NaN or infinite.")
    usable = (normals != 0).any(1)
    if usable.sum() < 3 or not np.ptp(points[usable], axis=0).max() > 0:
        raise UsageError(f"'{name}' has {usable.sum()} points with a normal, or all at one place; a surface needs at least three.")
    lost = int((~usable).sum())
    notes = (f"{lost:,} point{'s' if lost != 1 else ''} without a normal {'were' if lost != 1 else 'was'} dropped.",) if lost else ()
    directions = normals[usable]
    return Cloud(points[usable], unit(directions / np.abs(directions).max(1, keepdims=True))), notes


def _doubled(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.cross(b - a, c - a)


def _rotated(faces: np.ndarray) -> np.ndarray:
    """Faces turned so that the smallest row comes first; the way round is kept."""
    turn = faces.argmin(1)[:, None]
    return np.take_along_axis(faces, (turn + np.arange(3)) % 3, axis=1)
