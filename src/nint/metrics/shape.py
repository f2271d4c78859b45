"""Shape quality: overlap of solids and distance of surfaces."""

from __future__ import annotations

from typing import Any

import numpy as np

from nint.errors import UsageError

CHAMFER_SAMPLES = 30_000
"""Points drawn on each surface."""


def iou(prediction: Any, target: Any) -> float:
    """Intersection over union of two solids, as the points of a grid that lie inside them.

    Args:
        prediction: Booleans of any shape, array or tensor: true inside.
        target: The same shape.

    Returns:
        In [0, 1]; NaN where neither holds a point.

    Raises:
        UsageError: where the shapes differ or the values are not booleans.

    >>> iou([True, True, False, False], [True, False, True, False])
    0.3333333333333333
    """
    left, right = _booleans(prediction, "prediction"), _booleans(target, "target")
    if left.shape != right.shape:
        raise UsageError(f"The prediction has the shape {left.shape}, the target {right.shape}; they must be the same.")
    union = np.count_nonzero(left | right)
    return float(np.count_nonzero(left & right) / union) if union else float("nan")


def chamfer(prediction: Any, target: Any, squared: bool = False) -> float:
    """Chamfer distance of two point sets: the mean of the two directed means of the distance to the nearest point of the other.

    Papers differ: some take the sum of the two directions, which is twice this, and some square the distances.

    Args:
        prediction: Points `[n, d]` of one set, floats, array or tensor.
        target: Those of the other, `[m, d]`; the order does not matter.
        squared: Average squared distances; the unit is then squared too.

    Returns:
        In the unit of the points. Two draws of the same surface are not at 0 but at about half the spacing of their points.

    Raises:
        UsageError: for sets that are empty, of different dimension or not finite.

    >>> chamfer([[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.5]])
    0.6545084971874737
    """
    from scipy.spatial import cKDTree

    left, right = _points(prediction), _points(target)
    if left.shape[1] != right.shape[1]:
        raise UsageError(f"The points have {left.shape[1]} and {right.shape[1]} coordinates; they must be in the same space.")
    means = []
    for here, there in ((left, right), (right, left)):
        distance, _ = cKDTree(there).query(here)
        means.append(float(np.mean(distance**2 if squared else distance)))
    return sum(means) / 2


def surface_chamfer(mesh_a: Any, mesh_b: Any, samples: int = CHAMFER_SAMPLES, seed: int = 0, squared: bool = False) -> float:
    """`chamfer` of points drawn uniformly by area on two meshes.

    Args:
        mesh_a: (vertices `[v, 3]`, faces `[f, 3]`).
        mesh_b: The same.
        samples: Points on each.
        seed: The two draws come from generators of (seed, 0) and (seed, 1), so a mesh is not at 0 from itself.
        squared: As in `chamfer`.
    """
    return chamfer(surface_points(mesh_a, samples, seed, 0), surface_points(mesh_b, samples, seed, 1), squared)


def surface_points(mesh: Any, samples: int = CHAMFER_SAMPLES, seed: int = 0, side: int = 0) -> np.ndarray:
    """The points `[samples, 3]` that `surface_chamfer` draws on its first (side 0) or second (side 1) mesh (vertices, faces).

    Raises:
        UsageError: for a mesh without faces.
    """
    from nint.mesh import sample_surface

    vertices, faces = np.asarray(mesh[0], np.float64), np.asarray(mesh[1])
    if len(faces) == 0:
        raise UsageError("A mesh without faces has no surface to draw points on.")
    return sample_surface(vertices, faces, samples, np.random.default_rng((seed, side)))[0]


def _booleans(values: Any, label: str) -> np.ndarray:
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
    if array.dtype != bool:
        raise UsageError(f"The {label} holds {array.dtype}; occupancy must be booleans, true inside.")
    return array


def _points(values: Any) -> np.ndarray:
    array = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values, np.float64)
    if array.ndim != 2 or array.size == 0 or not np.isfinite(array).all():
        raise UsageError(f"Points of shape {array.shape} are not a set of finite points [n, d] with n of at least 1.")
    return array
