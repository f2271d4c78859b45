"""From a field to a mesh: marching cubes in blocks of planes, joined at their seams, so that only a block is held at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.signals.base import GridCoords, Predict

BLOCK_POINTS = 2**20
"""Points of the grid that are held at a time; a block has at least one plane."""

_FORWARD_POINTS = 2**16


def grid_blocks(predict: Predict, resolution: int, half_side: float, block_points: int = BLOCK_POINTS) -> Iterator[np.ndarray]:
    """Predicts on a regular grid, block after block along x.

    Args:
        predict: Rows of coordinates (x, y, z) -> one value each.
        resolution: Points a side, at least 2; the outermost lie on the cube's faces.
        half_side: The cube is [-half_side, half_side]^3.
        block_points: Points in a block, rounded down to whole planes.

    Yields:
        `[planes, resolution, resolution]` float32, axes x, y, z.

    Raises:
        UsageError: for a prediction that is not finite.
    """
    plane = resolution**2
    planes = max(1, block_points // plane)
    grid = GridCoords((resolution,) * 3, -half_side, half_side)
    for start in range(0, resolution, planes):
        count = min(planes, resolution - start)
        block = np.empty(count * plane, np.float32)
        for row in range(0, len(block), _FORWARD_POINTS):
            part = slice(row, min(row + _FORWARD_POINTS, len(block)))
            points = grid[start * plane + part.start : start * plane + part.stop]
            block[part] = predict(points).detach().to("cpu", torch.float32).numpy()[:, 0]
        if not np.isfinite(block).all():
            raise UsageError("The model predicts NaN or infinity, so there is no surface to decode.")
        yield block.reshape(count, resolution, resolution)


def marching_cubes(blocks: Iterable[np.ndarray], nudge: float) -> tuple[np.ndarray, np.ndarray]:
    """The surface between negative (inside) and positive values of a grid that comes in blocks of planes.

    A block's last plane is kept for the next one, so neighbouring blocks share one plane; the vertices in it are made equal by both
    and become one. The mesh of a surface that does not touch the grid's border is closed, however many blocks there are.

    Args:
        blocks: `[planes, r, r]` float32 each, in order.
        nudge: Values nearer to 0 become this, so that no vertex falls on a point of the grid, where several would coincide.

    Returns:
        Vertices `[v, 3]` float64 in units of grid steps, and faces `[f, 3]` int64, counter-clockwise seen from the positive side; both
        empty where the sign never changes.
    """
    from skimage import measure

    vertices, faces, total = [np.empty((0, 3))], [np.empty((0, 3), np.int64)], 0
    shared: np.ndarray | None = None  # the last plane so far
    seam = np.empty(0, complex), np.empty(0, np.int64)  # places in that plane, sorted, and the vertices there
    planes = 0
    for block in blocks:
        block = np.where(np.abs(block) < nudge, np.float32(nudge), block)
        grid, base = (block, planes) if shared is None else (np.concatenate([shared[None], block]), planes - 1)
        planes += len(block)
        shared = block[-1]
        if len(grid) < 2 or (grid < 0).all() or (grid > 0).all():
            seam = np.empty(0, complex), np.empty(0, np.int64)
            continue
        places, triangles, _, _ = measure.marching_cubes(grid, 0.0, gradient_direction="descent")  # type: ignore[no-untyped-call]
        place = places[:, 1].astype(np.float64) + 1j * places[:, 2]
        numbers, fresh = _joined(place, places[:, 0] == 0, seam, total)
        last = places[:, 0] == len(grid) - 1
        order = np.argsort(place[last])
        seam = place[last][order], numbers[last][order]
        vertices.append(places[fresh] + np.array([base, 0.0, 0.0]))
        faces.append(numbers[triangles])
        total += int(fresh.sum())
    return np.concatenate(vertices), np.concatenate(faces)


def _joined(place: np.ndarray, first: np.ndarray, seam: tuple[np.ndarray, np.ndarray], total: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of a block's vertices: those known in the shared plane keep their number, the others count on from `total`."""
    known, known_numbers = seam
    old = np.zeros(len(place), bool)
    numbers = np.empty(len(place), np.int64)
    if len(known):
        at = np.minimum(np.searchsorted(known, place), len(known) - 1)
        old = first & (known[at] == place)
        numbers[old] = known_numbers[at[old]]
    numbers[~old] = total + np.arange(len(place) - int(old.sum()))
    return numbers, ~old


def surface_normals(gradient: Callable[[Tensor], Tensor], points: Tensor, *, inside_is_negative: bool = True) -> Tensor:
    """Outward unit normals of a field's level sets.

    Args:
        gradient: Coordinates `[n, 3]` -> d value / d coordinates, `[n, 3]` or `[n, 1, 3]`.
        points: `[n, 3]`, in the field's coordinates.
        inside_is_negative: True for a signed distance; False for occupancy, which falls outwards.

    Returns:
        `[n, 3]`; zero where the gradient is zero.
    """
    slope = gradient(points).reshape(len(points), 3)
    return torch.nn.functional.normalize(slope if inside_is_negative else -slope, dim=1)
