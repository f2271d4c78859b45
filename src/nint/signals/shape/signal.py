"""Shapes: points redrawn near a surface, coordinates (x, y, z), values the signed distance (inside negative) or occupancy."""

from __future__ import annotations

import copy
import hashlib
import math
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from nint.errors import UsageError
from nint.mesh import Cloud, Mesh, sample_surface
from nint.metrics.shape import CHAMFER_SAMPLES
from nint.settings import chosen, whole
from nint.signals.base import GridCoords, KindDefaults, Pool, Predict, Signal
from nint.signals.shape.distance import NearestRule, SignedDistance, TriangleDistance
from nint.signals.shape.layout import HALF_SIDE, TARGETS, ShapeLayout, grid_side

GROUND_TRUTHS = ("triangles", "nearest")

_POOL_SIZE, _REDRAW_EVERY, _IOU_RESOLUTION = 50_000, 1, 64
_MOST_POOL, _MOST_IOU_RESOLUTION, _MOST_CHAMFER_SAMPLES = 2**22, 512, 2**22

COARSE, FINE = 0.1, 0.001
"""Scale parameters of the Laplace noise on each coordinate, for one half of the points each."""


class ShapeSignal(Signal):
    """A surface to fit, by points that are redrawn near it.

    A draw takes `pool_size` points of the surface, uniform by area (of a cloud: any of its points, each as likely), and moves them by
    Laplace noise, half of them coarsely (scale 0.1), half finely (0.001). What leaves the cube comes in again on its other side.

    Args:
        shape: A mesh or a cloud, as read; it is cleaned, turned outwards, centred and scaled so that its longest side is 0.9.
        name: Where it came from.
        pool_size: Points of a draw; 50,000 where None.
        redraw_every: Steps that a draw is used for, 1 where None; 0 keeps the first one for the whole run.
        ground_truth: "triangles": distance to the nearest triangle, sign by winding number (meshes; their default). "nearest": the
            reference's rule among points of the surface (the only one for clouds).
        target: "sdf", or "occupancy" (1 inside, 0 outside); sdf where None.
        iou_resolution: Points a side of the grid that `evaluate` predicts on; 64 where None.
        chamfer_samples: Points of each surface that the Chamfer distance is taken between; 30,000 where None, fewer
            are faster and put two equal surfaces further apart.
        half_side: Half the longest side in coordinates.

    Attributes:
        preparation_seconds: Time spent so far on drawing points and computing their targets; it does not count as training.

    Raises:
        UsageError: for a shape without a surface, or an option that is out of range.

    Source: BACON (Lindell et al., CVPR 2022), as in Table 7 of the paper. Differs: BACON centres the mean vertex, ours the bounding box;
        it draws vertices, ours points of the surface; it weighs coarse points by 0.01, which neither INT nor the paper does.
    """

    metrics: ClassVar[tuple[str, ...]] = ("iou", "chamfer")
    defaults: ClassVar[KindDefaults] = KindDefaults(
        batch_share=0.4,
        omega_0=30.0,
        first_bias=1.0,
        half_side=ShapeLayout.half_side / 0.9,
        total_steps=10_000,
        source="the settings of Table 7 of the paper, on the points of BACON",
    )
    layout: ShapeLayout

    def __init__(
        self,
        shape: Mesh | Cloud,
        name: str = "mesh",
        *,
        pool_size: int | None = None,
        redraw_every: int | None = None,
        ground_truth: str | None = None,
        target: str | None = None,
        iou_resolution: int | None = None,
        chamfer_samples: int | None = None,
        half_side: float = HALF_SIDE,
        notes: tuple[str, ...] = (),
    ) -> None:
        from nint.signals.shape.prepare import prepared

        self.name = name
        self.pool_size = whole(_POOL_SIZE if pool_size is None else pool_size, "pool_size")
        if self.pool_size > _MOST_POOL:
            raise UsageError(
                f"pool_size={pool_size} is out of range; it must be at most {_MOST_POOL:,}, whose drawing takes a minute or more."
            )
        every = _REDRAW_EVERY if redraw_every is None else redraw_every
        self.redraw_every = every if every == 0 else whole(every, "redraw_every")
        self.iou_resolution = grid_side(
            _IOU_RESOLUTION if iou_resolution is None else iou_resolution, "iou_resolution", _MOST_IOU_RESOLUTION
        )
        self.chamfer_samples = whole(CHAMFER_SAMPLES if chamfer_samples is None else chamfer_samples, "chamfer_samples")
        if self.chamfer_samples > _MOST_CHAMFER_SAMPLES:
            raise UsageError(f"chamfer_samples={chamfer_samples} is out of range; it must be at most {_MOST_CHAMFER_SAMPLES:,}.")
        is_mesh = isinstance(shape, Mesh)
        self.ground_truth_name = chosen(ground_truth or GROUND_TRUTHS[not is_mesh], GROUND_TRUTHS, "ground_truth")
        if not is_mesh and self.ground_truth_name == "triangles":
            raise UsageError(f"'{name}' is a point cloud and has no triangles to measure to; use ground_truth=nearest.")
        ready, repaired = prepared(shape, name)
        self._notes = (*notes, *repaired)
        places = ready.vertices if isinstance(ready, Mesh) else ready.points
        low, high = places.min(0), places.max(0)
        middle = (low + high) / 2
        self.layout = ShapeLayout(
            centre=(float(middle[0]), float(middle[1]), float(middle[2])),
            scale=2 * half_side / float((high - low).max()),
            vertices=len(places),
            faces=len(ready.faces) if isinstance(ready, Mesh) else 0,
            target=chosen(target or TARGETS[0], TARGETS, "target"),
            half_side=half_side,
        )
        placed = self.layout.to_coords(places)
        self._shape: Mesh | Cloud = Mesh(placed, ready.faces) if isinstance(ready, Mesh) else Cloud(placed, ready.normals)
        self.preparation_seconds = 0.0
        self._first: tuple[torch.device, Pool] | None = None
        self._drawn: tuple[tuple[int, int, torch.device], Pool] | None = None
        self._inside: np.ndarray | None = None
        self.measured_points = self.iou_resolution**3
        self.redraws_named = redraw_every is not None

    def pool(self, device: torch.device | str) -> Pool:
        """A draw of its own, of epoch 0, by which a run is set up; `redraw` gives the points of step 0."""
        device = torch.device(device)
        if self._first is None or self._first[0] != device:
            self._first = device, self._draw(0, 0, device)
        return self._first[1]

    def redraw(self, pool: Pool, step: int, seed: int) -> Pool:
        """The points of a step, a pure function of (step // redraw_every, seed); draws and their epochs count from 1.

        Cost: the ground truth of `pool_size` points at each new draw, counted in `preparation_seconds`.
        """
        number = 1 + (step // self.redraw_every if self.redraw_every else 0)
        key = (number, seed, pool.device)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, self._draw(number, seed, pool.device)
        return self._drawn[1]

    def redrawn_every(self, steps: int) -> ShapeSignal:
        """The same shape with points that are kept for so many steps."""
        other = copy.copy(self)
        other.redraw_every, other._drawn = steps, None
        return other

    def remarks(self) -> tuple[str, ...]:
        """What was repaired, how sound the shape is, and which ground truth it is fitted to."""
        if self.ground_truth_name == "triangles":
            said = "The ground truth is the distance to the nearest triangle, its sign by winding number."
        else:
            said = "The ground truth is the reference's rule: the nearest surface point, the mean normal of the three nearest."
        return *self._notes, said

    def scaling(self) -> dict[str, Any]:
        """Coordinates per unit of the file, and the point of the file that is the origin; distances are in coordinate units."""
        return {"scale": self.layout.scale, "centre": list(self.layout.centre)}

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """IoU and Chamfer distance, both on a regular grid of iou_resolution^3 points over the cube, its faces included.

        iou: of the points predicted inside and those inside by the ground truth. chamfer: mean of the two directed mean distances,
        not squared, in coordinate units, between chamfer_samples points of the shape's surface and as many of the marching-cubes mesh on
        this grid, uniform by area, seeds (0, 0) and (0, 1) (of a cloud, at most so many of its points, seed 0). Without a surface there is
        no chamfer. Differs: INT evaluates on 512^3 points, FINER on 128^3; the scale of chamfer depends on half_side.
        """
        from nint.metrics.shape import chamfer, iou, surface_points

        inside: list[np.ndarray] = []

        def noted(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
            for block in blocks:
                inside.append(block < 0)
                yield block

        try:
            coords, faces = self.layout.surface(noted(self.layout.signed_blocks(predict, self.iou_resolution)), self.iou_resolution)
        except UsageError:  # a prediction that is not finite has neither inside nor surface
            return {}
        found = {"iou": iou(np.concatenate(inside), self._target_inside())}
        if len(faces):
            found["chamfer"] = chamfer(self._surface, surface_points((coords, faces), self.chamfer_samples, side=1))
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def fingerprint(self) -> str:
        """Short hash of the shape as it is fitted and of the options that change its points."""
        digest = hashlib.sha256(f"{self.layout} {self.pool_size} {self.redraw_every} {self.ground_truth_name}".encode())
        shape = self._shape
        for array in (shape.vertices, shape.faces) if isinstance(shape, Mesh) else (shape.points, shape.normals):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()[:16]

    @property
    def placed(self) -> Mesh | Cloud:
        """The shape itself, in the field's coordinates."""
        return self._shape

    @cached_property
    def ground_truth(self) -> SignedDistance:
        """The signed distance in the field's coordinates."""
        shape = self._shape
        if isinstance(shape, Cloud):
            return NearestRule(shape.points, shape.normals)
        kind = TriangleDistance if self.ground_truth_name == "triangles" else NearestRule.of_mesh
        return kind(shape.vertices, shape.faces)

    def _draw(self, number: int, seed: int, device: torch.device) -> Pool:
        start = time.perf_counter()
        rng = np.random.default_rng((seed, number))
        shape, count, cube = self._shape, self.pool_size, self.layout.cube
        if isinstance(shape, Mesh):
            points, _ = sample_surface(shape.vertices, shape.faces, count, rng)
        else:
            points = shape.points[rng.integers(len(shape.points), size=count)]
        scale = np.where(np.arange(count) < (count + 1) // 2, COARSE, FINE)[:, None]
        points = (points + scale * rng.laplace(size=(count, 3)) + cube) % (2 * cube) - cube
        coords = points.astype(np.float32)
        exact = coords.astype(np.float64)  # the points as the network will see them
        target = self.ground_truth.signed_distance if self.layout.target == "sdf" else self.ground_truth.inside
        values = target(exact).astype(np.float32)[:, None]
        taken = time.perf_counter() - start
        self.preparation_seconds += taken
        self.drawing_seconds = taken / self.redraw_every if self.redraw_every else 0.0
        return Pool(torch.from_numpy(coords).to(device), torch.from_numpy(values).to(device), None, self.layout.value_range, number)

    def _target_inside(self) -> np.ndarray:
        resolution = self.iou_resolution
        if self._inside is None or len(self._inside) != resolution:
            start = time.perf_counter()
            grid = GridCoords((resolution,) * 3, -self.layout.cube, self.layout.cube)
            planes = max(1, 2**20 // resolution**2)
            inside = np.empty(resolution**3, bool)
            for first in range(0, resolution, planes):
                rows = slice(first * resolution**2, min(first + planes, resolution) * resolution**2)
                inside[rows] = self.ground_truth.inside(grid[rows].double().numpy())
            self._inside = inside.reshape((resolution,) * 3)
            self.preparation_seconds += time.perf_counter() - start
        return self._inside

    @cached_property
    def _surface(self) -> np.ndarray:
        from nint.metrics.shape import surface_points

        shape = self._shape
        if isinstance(shape, Mesh):
            return surface_points((shape.vertices, shape.faces), self.chamfer_samples)
        return np.random.default_rng(0).permutation(shape.points)[: self.chamfer_samples]


def load_shape(
    path: str | Path,
    *,
    pool_size: int | None = None,
    redraw_every: int | None = None,
    ground_truth: str | None = None,
    target: str | None = None,
    iou_resolution: int | None = None,
    chamfer_samples: int | None = None,
) -> ShapeSignal:
    """Loads a mesh or a point cloud; formats as in `nint.signals.shape.files.read_shape`.

    Args:
        path: The file.
        pool_size: Points drawn near the surface at a time; 50,000 where None.
        redraw_every: Steps that they are used for, 0 for the whole run; 1 where None.
        ground_truth: "triangles" or "nearest"; for a mesh triangles where None.
        target: "sdf" or "occupancy"; sdf where None.
        iou_resolution: Points a side of the grid of `evaluate`; 64 where None.
        chamfer_samples: Points of each surface for its Chamfer distance; 30,000 where None.

    Raises:
        UsageError: for a file that cannot be read or a shape that cannot be fitted.
    """
    from nint.signals.shape.files import read_shape
    from nint.signals.shape.looks import left_out

    shape = read_shape(path)
    return ShapeSignal(
        shape,
        Path(path).name,
        pool_size=pool_size,
        redraw_every=redraw_every,
        ground_truth=ground_truth,
        target=target,
        iou_resolution=iou_resolution,
        chamfer_samples=chamfer_samples,
        notes=left_out(Path(path)),
    )
