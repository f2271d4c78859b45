"""Where a shape lies, what its field means, and how the field becomes a mesh again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.mesh import Mesh
from nint.settings import chosen, whole
from nint.signals.base import Layout, Predict

TARGETS = ("sdf", "occupancy")

_LARGEST = 1e100  # of a coordinate or a scale

HALF_SIDE = 0.45
"""Half the longest side of a shape in coordinates, as in BACON; the cube around it has a half side of 0.5."""

_SAME_BOX = 2e-2  # part of a side by which the bounding boxes of two copies of a shape may differ, decoded ones for example
_MIN_RESOLUTION, _MAX_RESOLUTION = 8, 2048
_NUDGE = 1e-3  # of a grid step (sdf) or of 1 (occupancy): how near to the surface a point of the decoding grid may be


@dataclass(frozen=True)
class ShapeLayout(Layout):
    """Where a shape lies and what its field means.

    The field's coordinates are (p - centre) * scale: the shape's bounding box is centred, and its longest side is 2 half_side.

    Attributes:
        centre: Of the bounding box, in the file's units.
        scale: Coordinates per unit of the file.
        vertices: Of the mesh, or points of the cloud.
        faces: Of the mesh; 0 for a cloud.
        target: "sdf" (negative inside, in coordinate units) or "occupancy" (1 inside, 0 outside).
        half_side: Half the longest side in coordinates; the cube that is decoded has a half side of half_side / 0.9.
    """

    centre: tuple[float, float, float]
    scale: float
    vertices: int
    faces: int
    target: str = "sdf"
    half_side: float = HALF_SIDE

    kind: ClassVar[str] = "shape"
    suffixes: ClassVar[tuple[str, ...]] = (".ply", ".obj", ".stl")
    in_features: ClassVar[int] = 3
    out_features: ClassVar[int] = 1
    keeps_snapshots: ClassVar[bool] = False

    def __post_init__(self) -> None:
        centre = tuple(self.centre) if isinstance(self.centre, (list, tuple)) else ()
        if len(centre) != 3 or not all(_finite(number) for number in centre):
            raise UsageError(f"shape layout: centre={self.centre} must be three finite numbers.")
        object.__setattr__(self, "centre", centre)  # JSON gives a list
        for name in ("scale", "half_side"):
            if not (_finite(getattr(self, name)) and 1 / _LARGEST < getattr(self, name) < _LARGEST):
                raise UsageError(f"shape layout: {name}={getattr(self, name)} must be a finite number above 0.")
        whole(self.vertices, "shape layout: vertices")
        if self.faces != 0:
            whole(self.faces, "shape layout: faces")
        chosen(self.target, TARGETS, "shape layout: target")

    @property
    def cube(self) -> float:
        """Half the side of the cube that is trained on, evaluated and decoded."""
        return self.half_side / 0.9

    @property
    def value_range(self) -> tuple[float, float]:
        """Of distances nominal: a corner of the cube may lie farther away."""
        return (-self.cube, self.cube) if self.target == "sdf" else (0.0, 1.0)

    def check_comparable(self, other: Layout) -> None:
        """Refuses a signal of another kind, target or bounding box, because both are scaled by their own.

        Raises:
            UsageError: says what would be right.
        """
        super().check_comparable(other)
        if isinstance(other, ShapeLayout) and self.target != other.target:
            raise UsageError(f"The model stores {self.target} but the input was read as {other.target}; add --target {self.target}.")
        if not isinstance(other, ShapeLayout):
            return
        apart = max(abs(a - b) for a, b in zip(self.centre, other.centre, strict=True)) * self.scale
        if apart > _SAME_BOX or not math.isclose(self.half_side / self.scale, other.half_side / other.scale, rel_tol=_SAME_BOX):
            raise UsageError(
                f"The model stores a shape around {_point(self.centre)} that reaches {self.half_side / self.scale:.6g} to each side, the "
                f"input lies around {_point(other.centre)} and reaches {other.half_side / other.scale:.6g}, so their scales differ; "
                "measure it against what it was fitted to."
            )

    def describe(self) -> str:
        """What was fitted, for example "mesh of 8 vertices and 12 faces, signed distance"."""
        what = f"mesh of {self.vertices:,} vertices and {self.faces:,} faces" if self.faces else f"cloud of {self.vertices:,} points"
        return f"{what}, {'signed distance' if self.target == 'sdf' else 'occupancy'}"

    def to_coords(self, points: np.ndarray) -> np.ndarray:
        """Points `[n, 3]` in the file's units -> the field's coordinates."""
        coords: np.ndarray = (points - np.array(self.centre)) * self.scale
        return coords

    def from_coords(self, coords: np.ndarray) -> np.ndarray:
        """The field's coordinates `[n, 3]` -> points in the file's units."""
        points: np.ndarray = coords / self.scale + np.array(self.centre)
        return points

    def decode(self, predict: Predict, *, resolution: int = 128) -> Mesh:
        """The surface as a mesh in the file's own units, by marching cubes on a regular grid over the whole cube.

        Args:
            predict: Rows of coordinates -> values.
            resolution: Points of the grid a side; the step is about 1.1 / resolution of the shape's longest side.

        Raises:
            UsageError: for a resolution below 8 or above 2048, a prediction that is not finite, or a field without a surface.

        Cost:
            resolution^3 forwards. Memory grows with the surface and one block of planes, not with the cube: about 1 GB at 1024.
        """
        resolution = grid_side(resolution, "resolution")
        coords, faces = self.surface(self.signed_blocks(predict, resolution), resolution)
        if len(faces) == 0:
            raise UsageError("The model has no surface: its values never change from inside to outside; train it longer.")
        return Mesh(self.from_coords(coords), faces)

    def write(self, decoded: Mesh, path: Path) -> None:
        """Writes a mesh in the format of the ending; see `nint.signals.shape.files.write_mesh`."""
        from nint.signals.shape.files import write_mesh

        write_mesh(decoded, path)

    def normals(self, gradient: Callable[[Tensor], Tensor], points: np.ndarray) -> np.ndarray:
        """Outward unit normals `[n, 3]` of the field at points `[n, 3]` in the file's units.

        Args:
            gradient: Coordinates `[n, 3]` -> d value / d coordinates, `[n, 3]` or `[n, 1, 3]`.
            points: On the surface or anywhere else in the cube.
        """
        from nint.signals.shape.decode import surface_normals

        coords = torch.from_numpy(self.to_coords(np.asarray(points, np.float64)).astype(np.float32))
        return surface_normals(gradient, coords, inside_is_negative=self.target == "sdf").detach().cpu().numpy()

    def signed_blocks(self, predict: Predict, resolution: int) -> Iterator[np.ndarray]:
        """Predictions on the cube's grid in blocks of planes, negative inside whatever the target.

        Yields:
            As `nint.signals.shape.decode.grid_blocks`.
        """
        from nint.signals.shape.decode import grid_blocks

        for block in grid_blocks(predict, resolution, self.cube):
            yield block if self.target == "sdf" else np.float32(0.5) - block

    def surface(self, blocks: Iterator[np.ndarray], resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Vertices in coordinates `[v, 3]`, and faces `[f, 3]`, of blocks that are negative inside."""
        from nint.signals.shape.decode import marching_cubes

        step = 2 * self.cube / (resolution - 1)
        vertices, faces = marching_cubes(blocks, _NUDGE * (step if self.target == "sdf" else 1.0))
        return vertices * step - self.cube, faces


def grid_side(value: int, label: str, most: int = _MAX_RESOLUTION) -> int:
    """Points a side of a grid that a surface is looked for on, checked.

    Args:
        value: As given.
        label: Name of the setting, for messages.
        most: What takes more memory or time than one wants to wait for lies beyond this.

    Raises:
        UsageError: where it is no whole number, below 8, or above `most`.
    """
    side = whole(value, label)
    if not _MIN_RESOLUTION <= side <= most:
        raise UsageError(f"{label}={side} is out of range; it must be a whole number from {_MIN_RESOLUTION} to {most}.")
    return side


def _finite(value: Any) -> bool:
    # A whole number of hundreds of digits is beyond what a float holds, so it is compared, not converted.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST and not math.isnan(value)


def _point(numbers: tuple[float, ...]) -> str:
    return f"({', '.join(f'{number:.6g}' for number in numbers)})"
