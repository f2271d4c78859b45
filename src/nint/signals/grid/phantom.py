"""Signals made by code: a head of ellipsoids, and bouncing blobs."""

from __future__ import annotations

import numpy as np

_ELLIPSOIDS = (  # value, half axes a, b, c, centre x, y, z, degrees about z
    (1.0, 0.69, 0.92, 0.81, 0.0, 0.0, 0.0, 0),
    (-0.8, 0.6624, 0.874, 0.78, 0.0, -0.0184, 0.0, 0),
    (-0.2, 0.11, 0.31, 0.22, 0.22, 0.0, 0.0, -18),
    (-0.2, 0.16, 0.41, 0.28, -0.22, 0.0, 0.0, 18),
    (0.1, 0.21, 0.25, 0.41, 0.0, 0.35, -0.15, 0),
    (0.1, 0.046, 0.046, 0.05, 0.0, 0.1, 0.25, 0),
    (0.1, 0.046, 0.046, 0.05, 0.0, -0.1, 0.25, 0),
    (0.1, 0.046, 0.023, 0.05, -0.08, -0.605, 0.0, 0),
    (0.1, 0.023, 0.023, 0.02, 0.0, -0.606, 0.0, 0),
    (0.1, 0.023, 0.046, 0.02, 0.06, -0.605, 0.0, 0),
)

_BLOBS = (  # colour, radius, start (y, x) and way (y, x) in frame heights
    ((1.0, 0.35, 0.2), 0.12, (0.3, 0.2), (1.3, 0.9)),
    ((0.2, 0.8, 0.4), 0.16, (0.6, 0.7), (-0.8, 1.4)),
    ((0.3, 0.45, 1.0), 0.09, (0.8, 0.4), (1.7, -1.1)),
)


def head_phantom(side: int) -> np.ndarray:
    """A head of ten ellipsoids, `[side, side, side]` (z, y, x) uint8.

    Source: the three-dimensional Shepp-Logan head phantom with the raised contrast of Toft's thesis (1996). Differs: turned only about z.
    """
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, side)] * 3, indexing="ij", sparse=True)
    density = np.zeros((side,) * 3)
    for value, a, b, c, x0, y0, z0, degrees in _ELLIPSOIDS:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        u, v = (x - x0) * cos + (y - y0) * sin, (y - y0) * cos - (x - x0) * sin
        density[(u / a) ** 2 + (v / b) ** 2 + ((z - z0) / c) ** 2 <= 1] += value
    head: np.ndarray = np.rint(np.clip(density, 0, 1) * 255).astype(np.uint8)
    return head


def bouncing_blobs(frames: int, side: int) -> np.ndarray:
    """Three soft discs that cross a dark square and bounce off its sides, `[frames, side, side, 3]` uint8."""
    pixel = (np.arange(side) + 0.5) / side
    clip = np.full((frames, side, side, 3), 0.08)
    for frame, time in enumerate(np.linspace(0, 1, frames, endpoint=False)):
        for colour, radius, start, way in _BLOBS:
            y, x = (radius + _bounced(a + v * time, 1 - 2 * radius) for a, v in zip(start, way, strict=True))
            distance = np.hypot(pixel[:, None] - y, pixel - x)
            cover = np.clip((radius - distance) * side / 2 + 0.5, 0, 1)[..., None]  # an edge two pixels wide
            clip[frame] = clip[frame] * (1 - cover) + np.array(colour) * cover
    frames_uint8: np.ndarray = np.rint(clip * 255).astype(np.uint8)
    return frames_uint8


def _bounced(position: float, length: float) -> float:
    """A straight way folded into [0, length]."""
    around = position % (2 * length)
    return min(around, 2 * length - around)
