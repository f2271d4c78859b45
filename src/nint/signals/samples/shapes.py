"""Shapes made by code, for trying things without a file."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nint.mesh import Mesh

if TYPE_CHECKING:
    from nint.signals.shape.signal import ShapeSignal


def torus(ring: float = 0.6, tube: float = 0.3, around: int = 160, across: int = 64) -> Mesh:
    """A torus about the z axis, as quads cut in two.

    Args:
        ring: Radius of the tube's centre line.
        tube: Radius of the tube.
        around: Corners along the ring.
        across: Corners around the tube.
    """
    u, v = np.meshgrid(np.arange(around) * (2 * np.pi / around), np.arange(across) * (2 * np.pi / across), indexing="ij")
    reach = ring + tube * np.cos(v)
    vertices = np.stack([reach * np.cos(u), reach * np.sin(u), tube * np.sin(v)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(around), np.arange(across), indexing="ij")
    a, b = i * across + j, (i + 1) % around * across + j
    c, d = (i + 1) % around * across + (j + 1) % across, i * across + (j + 1) % across
    return Mesh(vertices, np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3))


def sphere(radius: float = 1.0, subdivisions: int = 5) -> Mesh:
    """An icosahedron whose faces are cut in four `subdivisions` times, its corners on the sphere."""
    golden = (1 + 5**0.5) / 2
    signs = list(itertools.product((-1.0, 1.0), repeat=2))
    corners = [p for s, t in signs for p in ((0, s, t * golden), (s, t * golden, 0), (t * golden, 0, s))]
    vertices = np.array(corners) / np.hypot(1, golden)
    gaps = np.linalg.norm(vertices[:, None] - vertices, axis=2)
    near = (gaps > 0) & (gaps < 1.1)
    faces = np.array([f for f in itertools.combinations(range(12), 3) if near[f[0], f[1]] and near[f[1], f[2]] and near[f[0], f[2]]])
    inward = np.linalg.det(vertices[faces]) < 0
    faces[inward] = faces[inward][:, ::-1]
    for _ in range(subdivisions):
        vertices, faces = _cut_in_four(vertices, faces)
    return Mesh(radius * vertices, faces)


def box(x: float = 1.0, y: float = 1.0, z: float = 1.0) -> Mesh:
    """A box of these sides about the origin, two triangles a side."""
    vertices = np.array(list(itertools.product((-0.5, 0.5), repeat=3))) * (x, y, z)
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Mesh(vertices, np.array([t for a, b, c, d in sides for t in ((a, b, c), (a, c, d))]))


def _cut_in_four(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, which = np.unique(edges, axis=0, return_inverse=True)
    middles = vertices[edges].mean(1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    ab, bc, ca = (which.reshape(-1, 3) + len(vertices)).T
    a, b, c = faces.T
    return np.concatenate([vertices, middles]), np.stack([a, ab, ca, b, bc, ab, c, ca, bc, ab, bc, ca], axis=1).reshape(-1, 3)


def _maker(name: str, build: Callable[[], Mesh]) -> Callable[..., ShapeSignal]:
    def make(
        *,
        pool_size: int | None = None,
        redraw_every: int | None = None,
        ground_truth: str | None = None,
        target: str | None = None,
        iou_resolution: int | None = None,
        chamfer_samples: int | None = None,
    ) -> ShapeSignal:
        from nint.signals.shape.signal import ShapeSignal

        return ShapeSignal(
            build(),
            f"sample:{name}",
            pool_size=pool_size,
            redraw_every=redraw_every,
            ground_truth=ground_truth,
            target=target,
            iou_resolution=iou_resolution,
            chamfer_samples=chamfer_samples,
        )

    return make


SAMPLES: dict[str, tuple[str, Callable[..., ShapeSignal]]] = {
    "torus": ("torus of 20,480 faces, synthetic: made by code", _maker("torus", torus)),
    "sphere": ("sphere of 20,480 faces, synthetic: made by code", _maker("sphere", sphere)),
    "box": ("box of 12 faces and sides 3:2:1, synthetic: made by code", _maker("box", lambda: box(3.0, 2.0, 1.0))),
}
"""Name -> (description, function of the kind's options that makes the signal)."""
