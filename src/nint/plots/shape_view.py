"""Renders triangle meshes in NumPy: orthographic projection, depth buffer, two directional lights."""

from __future__ import annotations

import numpy as np

from nint.mesh import unit

AZIMUTH, ELEVATION = 25.0, 12.0
"""Direction of view in degrees: around the vertical axis, and above the horizon."""

_LIGHT = np.array([-0.45, 0.65, 0.75])
_FILL = np.array([0.8, 0.1, 0.4])
_COLOUR = np.array([0.74, 0.78, 0.86])
_FINER = 2  # samples per pixel and axis, averaged


def shaded(
    vertices: np.ndarray,
    faces: np.ndarray,
    pixels: int,
    half_side: float,
    colours: np.ndarray | None = None,
    azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
) -> np.ndarray:
    """Renders a mesh.

    Args:
        vertices: `[v, 3]`, the second axis upwards.
        faces: `[f, 3]`, counter-clockwise seen from outside; back faces are not drawn.
        pixels: Side of the picture in pixels.
        half_side: Half the side of the visible square, in the vertices' unit.
        colours: `[v, 3]` in [0, 1]; None is one light colour.
        azimuth: Direction of view around the vertical axis, in degrees.
        elevation: Direction of view above the horizon, in degrees.

    Returns:
        `[pixels, pixels, 4]` in [0, 1], transparent where there is no surface.

    Cost: proportional to the projected area of all front faces, hidden ones included.
    """
    side = _FINER * pixels
    seen = vertices @ _turned(azimuth, elevation).T  # right, up, towards the viewer
    normals = unit(_vertex_normals(seen, faces))
    places = np.stack([seen[:, 0], -seen[:, 1]], axis=1) * (side / 2 / half_side) + side / 2
    own = np.broadcast_to(_COLOUR, vertices.shape) if colours is None else colours
    light = 0.30 + 0.62 * np.clip(normals @ unit(_LIGHT[None])[0], 0, 1) + 0.18 * np.clip(normals @ unit(_FILL[None])[0], 0, 1)
    vertex_values = np.concatenate([np.clip(own * light[:, None], 0, 1), np.ones((len(vertices), 1))], axis=1)

    picture = np.zeros((side * side, 4), np.float32)
    depth = np.full(side * side, -np.inf)
    faces = faces[_doubled_areas(places, faces) < 0]  # front faces; the vertical axis of the picture points down
    reach = np.ptp(places[faces], axis=1).max(1)  # longest side of each face's bounding box, in samples
    steps = np.maximum(np.ceil(1.25 * reach), 1).astype(int)
    for count in np.unique(steps):
        weights = _barycentric(int(count))
        group = faces[steps == count]
        for part in np.array_split(group, max(len(group) * len(weights) // 2**20, 1)):
            across, down, near = (weights @ values[part].T for values in (places[:, 0], places[:, 1], seen[:, 2]))
            rows = (np.floor(down) * side + np.floor(across)).astype(np.int64)
            drawn = (across >= 0) & (across < side) & (down >= 0) & (down < side)
            drawn[drawn] = near[drawn] > depth[rows[drawn]]
            which, rows, near = np.flatnonzero(drawn), rows[drawn], near[drawn]
            order = np.argsort(near)  # of several samples at one place the nearest is written last
            depth[rows[order]] = near[order]
            winners = which[near == depth[rows]]
            weight, face = np.divmod(winners, len(part))
            picture[rows[near == depth[rows]]] = np.einsum("nk,nkd->nd", weights[weight], vertex_values[part[face]])
    return _averaged(picture.reshape(side, side, 4))


def _turned(azimuth: float, elevation: float) -> np.ndarray:
    """Rotation `[3, 3]`; rows are right, up and towards the viewer in the mesh's coordinates."""
    around, above = np.radians(azimuth), np.radians(elevation)
    eye = np.array([np.sin(around) * np.cos(above), np.sin(above), np.cos(around) * np.cos(above)])
    right = np.array([np.cos(around), 0.0, -np.sin(around)])
    return np.stack([right, np.cross(eye, right), eye])


def _vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted sum of the normals of each vertex's faces, `[v, 3]`."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    doubled = np.cross(b - a, c - a)
    rows = faces.ravel()
    weights = np.repeat(doubled, 3, axis=0)
    return np.stack([np.bincount(rows, weights=weights[:, axis], minlength=len(vertices)) for axis in range(3)], axis=1)


def _doubled_areas(places: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Twice the signed area of each projected face, `[f]`."""
    a, b, c = (places[faces[:, corner]] for corner in range(3))
    doubled: np.ndarray = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    return doubled


def _barycentric(steps: int) -> np.ndarray:
    """Barycentric weights `[m, 3]` of a regular grid over a triangle, including its corners."""
    i, j = np.meshgrid(np.arange(steps + 1), np.arange(steps + 1), indexing="ij")
    kept = i + j <= steps
    return np.stack([i[kept], j[kept], steps - i[kept] - j[kept]], axis=1) / steps


def _averaged(picture: np.ndarray) -> np.ndarray:
    """Mean over blocks of samples, colours weighted by alpha."""
    side = picture.shape[0] // _FINER
    blocks = picture.reshape(side, _FINER, side, _FINER, 4)
    alpha = blocks[..., 3:].mean(axis=(1, 3))
    colour = (blocks[..., :3] * blocks[..., 3:]).mean(axis=(1, 3)) / np.maximum(alpha, 1e-6)
    return np.concatenate([colour, alpha], axis=-1).astype(np.float32)
