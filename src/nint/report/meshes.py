"""Meshes as blocks of a page, simplified to a limited number of faces."""

from __future__ import annotations

import numpy as np

from nint.mesh import Mesh
from nint.report.blocks import Turnable
from nint.report.encode import numbers

MAX_FACES = 40_000
RESOLUTIONS = (96, 72, 56, 40)
"""Points per axis of the grid on which a shape is decoded; the finest that gives a surface is shown."""

_FIRST_CELLS = 160


def turnable(title: str, mesh: Mesh, caption: str = "") -> Turnable | None:
    """A mesh as a block; None where it has no face.

    Args:
        title: Heading.
        mesh: The mesh; one with more than `MAX_FACES` faces is simplified.
        caption: Text below the mesh.
    """
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    if len(faces) == 0:
        return None
    before = len(faces)
    vertices, faces = coarser(vertices, faces, MAX_FACES)
    if len(faces) == 0:
        return None
    said = f"{len(faces):,} faces" + (f", simplified from {before:,}" if len(faces) < before else "")
    centre = (vertices.min(0) + vertices.max(0)) / 2
    placed = ((vertices - centre) / (float(np.ptp(vertices, axis=0).max()) or 1.0)).astype(np.float32)
    kind = np.uint16 if len(placed) <= 2**16 else np.int32
    data = {name: numbers(placed[:, axis]) for axis, name in enumerate("xyz")}
    data |= {name: numbers(faces[:, corner].astype(kind)) for corner, name in enumerate("ijk")}
    return Turnable(title, f"{said}. {caption}".strip(), data)


def coarser(vertices: np.ndarray, faces: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Simplifies a mesh to at most `most` faces: the vertices in a grid cell become their mean, on coarser and coarser grids.

    Args:
        vertices: `[v, 3]`.
        faces: `[f, 3]`, indices of vertices.
        most: Largest number of faces.

    Returns:
        Vertices `[v', 3]` and faces `[f', 3]`.

    Source: vertex clustering, Rossignac and Borrel (1993).
    """
    low, side = vertices.min(0), float(np.ptp(vertices, axis=0).max()) or 1.0
    cells = _FIRST_CELLS
    coarse = vertices, faces
    while len(coarse[1]) > most and cells >= 2:
        places = np.floor((vertices - low) / side * cells).astype(np.int64)
        _, where = np.unique(places, axis=0, return_inverse=True)
        where = where.reshape(-1)
        counts = np.bincount(where)
        means = np.stack([np.bincount(where, weights=vertices[:, axis]) / counts for axis in range(3)], axis=1)
        turned = where[faces]
        kept = turned[(turned[:, 0] != turned[:, 1]) & (turned[:, 1] != turned[:, 2]) & (turned[:, 2] != turned[:, 0])]
        coarse = means, np.unique(kept, axis=0)
        cells = int(cells * 0.8)
    return coarse
