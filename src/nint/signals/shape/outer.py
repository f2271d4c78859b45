"""The surface of a solid that is modelled as several bodies: faces with solid on both sides are no surface, so bodies are united."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nint.mesh import Mesh, edge_uses, face_areas, soundness, volume

_SAME_AREA = 1e-6  # relative: less than this of the surface is not worth new triangles
_MANY_BODIES = 1000  # bodies that are counted one by one where they overlap more than twice or have cavities


@dataclass(frozen=True, eq=False)
class Outer:
    """A mesh without its inner faces.

    Attributes:
        mesh: The surface of the union; the mesh that was given where nothing is inside another body.
        note: A sentence on what was left out, or "".
    """

    mesh: Mesh
    note: str = ""


def outer_surface(mesh: Mesh, unjoined: Mesh | None = None) -> Outer:
    """The surface of the union of a mesh's closed bodies, inside being where the winding number is at least 1.

    Bodies that overlap are united and bodies within the solid of others vanish; a body whose faces turn inwards is a cavity. Parts that
    are not closed stay as they are, as does everything where no body touches another or manifold3d is not installed.

    Args:
        mesh: Cleaned and turned outwards.
        unjoined: The same mesh before vertices at one place were joined. Bodies that share an edge are told apart by it.

    Cost: a Boolean operation a body; a second for a million faces.

    Source: the exact Booleans of manifold3d (Lalish, https://github.com/elalish/manifold).
    """
    if unjoined is not None and soundness(mesh.faces).crowded_edges and soundness(unjoined.faces).watertight:
        mesh_or_unjoined = unjoined
    else:
        mesh_or_unjoined = mesh
    labels, closed = _bodies(mesh_or_unjoined.faces)
    if closed.sum() < 2:
        return Outer(mesh)
    try:
        import manifold3d
    except ImportError:
        return Outer(mesh)

    vertices, faces = mesh_or_unjoined.vertices, mesh_or_unjoined.faces
    low = vertices[np.unique(faces)].min(0)
    size = np.ptp(vertices[np.unique(faces)], axis=0).max()
    united = _united(manifold3d, (vertices - low) / size, faces, labels, np.flatnonzero(closed))
    if united is None:
        return Outer(mesh)
    places, triangles = united
    open_faces = faces[~closed[labels]]
    before = float(face_areas((vertices - low) / size, faces).sum())
    after = float(face_areas(places, triangles).sum() + face_areas((vertices - low) / size, open_faces).sum())
    if len(triangles) == 0 or after > before * (1 - _SAME_AREA):
        return Outer(mesh)
    used, rows = np.unique(open_faces, return_inverse=True)
    joined = Mesh(
        np.concatenate([places * size + low, vertices[used]]),
        np.concatenate([triangles, rows.reshape(-1, 3) + len(places)]),
    )
    share = f"{max(1 - after / before, 0.001):.1%}"
    return Outer(
        joined, f"{share} of its surface lies where {closed.sum():,} bodies overlap, touch or contain each other and was left out."
    )


def _bodies(faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bodies that faces `[f, 3]` belong to by common edges, `[f]`, and which bodies `[b]` are closed."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges, along, counts = edge_uses(faces)
    order = np.argsort(edges, kind="stable")
    owner = np.repeat(np.arange(len(faces)), 3)[order]
    same = edges[order][1:] == edges[order][:-1]
    graph = coo_array((np.ones(same.sum(), bool), (owner[1:][same], owner[:-1][same])), shape=(len(faces), len(faces)))
    bodies, labels = connected_components(graph, directed=False)
    sound = (counts == 2) & (along == 1)
    closed = np.ones(bodies, bool)
    closed[labels[np.repeat(np.arange(len(faces)), 3)[~sound[edges]]]] = False
    return labels, closed


def _united(
    manifold3d: Any, vertices: np.ndarray, faces: np.ndarray, labels: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """Vertices and faces of the union of some bodies; None where it cannot be computed."""
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], np.arange(labels.max() + 2))
    solids: list[Any] = []
    cavities: list[Any] = []
    for body in which:
        used, rows = np.unique(faces[order[starts[body] : starts[body + 1]]], return_inverse=True)
        places, triangles = vertices[used], rows.reshape(-1, 3)
        outwards = volume(places, triangles) >= 0
        found = manifold3d.Manifold(
            manifold3d.Mesh64(
                np.ascontiguousarray(places), np.ascontiguousarray(triangles if outwards else triangles[:, ::-1]).astype(np.uint64)
            )
        )
        if found.status() != manifold3d.Error.NoError:
            return None
        (solids if outwards else cavities).append(found)
    if not solids:
        return None
    add = manifold3d.OpType.Add
    holes = _covered(manifold3d, cavities, len(cavities))
    covered = None if holes is None else _covered(manifold3d, solids, len(holes) + 1)
    if holes is None or covered is None:
        return None
    if holes and (holes[0] - covered[0]).volume() > _SAME_AREA * holes[0].volume():
        return None  # a body that faces inwards outside of all others is no cavity but a fault of the mesh
    levels = [solid - holes[level] if level < len(holes) else solid for level, solid in enumerate(covered)]
    mesh = manifold3d.Manifold.batch_boolean(levels, add).to_mesh64()
    return np.array(mesh.vert_properties, np.float64)[:, :3], np.array(mesh.tri_verts).astype(np.int64)


def _covered(manifold3d: Any, bodies: list[Any], most: int) -> list[Any] | None:
    """Solids that lie in at least 1, 2, ... up to `most` of the bodies; None where that would take too long."""
    if not bodies:
        return []
    whole = manifold3d.Manifold.batch_boolean(bodies, manifold3d.OpType.Add)
    if most == 1 or whole.surface_area() > sum(body.surface_area() for body in bodies) * (1 - _SAME_AREA):
        return [whole]
    if len(bodies) > _MANY_BODIES:
        return None
    covered: list[Any] = []
    for body in bodies:
        rest = body
        for level, solid in enumerate(covered):
            covered[level], rest = solid + rest, solid ^ rest
            if rest.is_empty():
                break
        else:
            if len(covered) < most:
                covered.append(rest)
    return covered
