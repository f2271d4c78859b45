"""Signed distance to a surface, inside negative: to its triangles with libigl, or by the reference's nearest-point rule."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from nint.errors import UsageError
from nint.mesh import face_normals, sample_surface

NEAREST_SAMPLES = 250_000
"""Points on a mesh among which the nearest-point rule looks."""

_QUERY_POINTS = 2**19


class SignedDistance(Protocol):
    """What a signal asks of its surface. Points are `[n, 3]` float64."""

    def signed_distance(self, points: np.ndarray) -> np.ndarray:
        """`[n]` float64, negative inside."""

    def inside(self, points: np.ndarray) -> np.ndarray:
        """`[n]` bool."""


class TriangleDistance:
    """Distance to the nearest triangle; inside is where the winding number exceeds one half, so holes do not leak.

    Args:
        vertices: `[v, 3]` float64.
        faces: `[f, 3]` int64, counter-clockwise seen from outside.

    Cost: two trees over the triangles, each built at the first query that needs it.

    Source: Barill et al., Fast Winding Numbers for Soups and Clouds, 2018, as computed by libigl.
    """

    def __init__(self, vertices: np.ndarray, faces: np.ndarray) -> None:
        self._vertices = np.ascontiguousarray(vertices, np.float64)
        self._faces = np.ascontiguousarray(faces, np.int64)
        self._tree: Any = None
        self._solid: Any = None

    def signed_distance(self, points: np.ndarray) -> np.ndarray:
        """`[n]` float64, negative inside."""
        igl = _libigl()
        if self._tree is None:
            self._tree = igl.AABB()
            self._tree.init(self._vertices, self._faces)
        signed = np.empty(len(points))
        for rows in _neighbours_together(points):
            squared, _, _ = self._tree.squared_distance(self._vertices, self._faces, points[rows])
            signed[rows] = np.where(self._winding(points[rows]) > 0.5, -1, 1) * np.sqrt(squared)
        return signed

    def inside(self, points: np.ndarray) -> np.ndarray:
        """`[n]` bool: where the winding number exceeds one half."""
        return self.winding_number(points) > 0.5

    def winding_number(self, points: np.ndarray) -> np.ndarray:
        """How often the surface winds round each point, `[n]`: 1 inside, 0 outside, between the two near a hole."""
        winding = np.empty(len(points))
        for rows in _neighbours_together(points):
            winding[rows] = self._winding(points[rows])
        return winding

    def _winding(self, points: np.ndarray) -> np.ndarray:
        if self._solid is None:  # igl.fast_winding_number would build it at every call
            self._solid = _libigl().FastWindingNumberBVH()
            self._solid.init(self._vertices, self._faces)
        winding: np.ndarray = self._solid.winding_number(points)
        return winding


class NearestRule:
    """The reference's rule: the step from the nearest surface point, along the mean normal of the three nearest.

    It is near the signed distance close to a smooth, densely sampled surface, and below it elsewhere.

    Args:
        points: `[m, 3]` of the surface, m >= 3.
        normals: `[m, 3]` outward unit vectors.

    Source: BACON (Lindell et al., CVPR 2022), whose code INT and NINT follow: (x - nearest) . mean normal.
    """

    def __init__(self, points: np.ndarray, normals: np.ndarray) -> None:
        from scipy.spatial import cKDTree

        self._points, self._normals = points, normals
        self._tree = cKDTree(points)

    @classmethod
    def of_mesh(cls, vertices: np.ndarray, faces: np.ndarray) -> NearestRule:
        """The rule on `NEAREST_SAMPLES` points of a mesh, always the same ones. Differs: BACON takes its vertices."""
        points, rows = sample_surface(vertices, faces, NEAREST_SAMPLES, np.random.default_rng(0))
        return cls(points, face_normals(vertices, faces)[rows])

    def signed_distance(self, points: np.ndarray) -> np.ndarray:
        """`[n]` float64 by the rule, negative inside."""
        signed = np.empty(len(points))
        for rows in _neighbours_together(points):
            _, nearest = self._tree.query(points[rows], k=3)
            step = points[rows] - self._points[nearest[:, 0]]
            signed[rows] = np.einsum("nd,nd->n", step, self._normals[nearest].mean(1))
        return signed

    def inside(self, points: np.ndarray) -> np.ndarray:
        """`[n]` bool: where the rule gives a negative distance."""
        return self.signed_distance(points) < 0


def _neighbours_together(points: np.ndarray) -> list[np.ndarray]:
    """Rows of points in blocks, along a space-filling curve: neighbours walk the same branches of a tree, which halves the time."""
    low = points.min(0) if len(points) else 0.0
    extent = max(float(np.max(points - low, initial=0.0)), 1e-300)
    cells = ((points - low) / extent * 1023).astype(np.int64)
    key = np.zeros(len(points), np.int64)
    for axis in range(3):
        key |= _spread(cells[:, axis]) << axis
    order = np.argsort(key, kind="stable")
    return [order[start : start + _QUERY_POINTS] for start in range(0, len(order), _QUERY_POINTS)]


def _spread(bits: np.ndarray) -> np.ndarray:
    """Ten bits with two zeros after each, for a Morton code."""
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        bits = (bits | bits << shift) & mask
    return bits


def _libigl() -> Any:
    try:
        import igl
    except ImportError as error:
        raise UsageError("Distance to triangles needs libigl; pip install 'nint[shape]', or use ground_truth=nearest.") from error
    return igl
