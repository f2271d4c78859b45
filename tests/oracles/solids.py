"""Closed forms of solids, and slow, obvious counts on meshes. All in float64."""

from collections import Counter

import numpy as np


def sphere_distance(points, radius):
    return np.linalg.norm(points, axis=1) - radius


def box_distance(points, sides):
    """Signed distance to a box of these sides about the origin."""
    beyond = np.abs(points) - np.asarray(sides) / 2
    return np.linalg.norm(np.maximum(beyond, 0), axis=1) + np.minimum(beyond.max(axis=1), 0)


def torus_distance(points, ring, tube):
    """Signed distance to a torus about the z axis."""
    return np.hypot(np.hypot(points[:, 0], points[:, 1]) - ring, points[:, 2]) - tube


def edge_uses(faces):
    """(a, b) -> how often a face walks from a to b."""
    return Counter((int(face[i]), int(face[(i + 1) % 3])) for face in faces for i in range(3))


def is_watertight(faces):
    """Whether every edge is walked exactly once in each direction."""
    uses = edge_uses(faces)
    return len(uses) > 0 and all(count == 1 and uses.get((b, a)) == 1 for (a, b), count in uses.items())


def mesh_volume(vertices, faces):
    """Sum of the signed volumes of the tetrahedra to the origin."""
    return float(sum(np.linalg.det(vertices[face]) for face in faces) / 6)
