"""The layout of a volume: decoded at any size or as one slice, written as NIfTI, .npy, TIFF or PNG."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from nint.errors import UsageError
from nint.signals.base import GridCoords, Predict
from nint.signals.grid.grid_layout import GridLayout, alpha_in_png, check_rgb
from nint.signals.grid.nifti import Nifti, regrid
from nint.signals.grid.spacing import OF_NIFTI, Spacing, checked_spacing
from nint.signals.limits import check_decoded

_IMAGES = (".png", ".tif", ".tiff")
AXES = 3
"""Of a volume."""


@dataclass(frozen=True)
class VolumeLayout(GridLayout):
    """Shape and type of a volume, and where it lies in space. Further attributes as in `GridLayout`.

    Attributes:
        nifti: Header of the NIfTI file that it came from, or None. Axes are then called x, y, z in nibabel's order, else z, y, x.
        spacing: Distance between neighbours along z, y, x, where a TIFF told it.
        rgb: Whether the channels are red, green and blue, and alpha where there is a fourth, by the TIFF that they came from.
    """

    nifti: Nifti | None = None
    spacing: Spacing | None = None
    rgb: bool = False

    kind: ClassVar[str] = "volume"
    suffixes: ClassVar[tuple[str, ...]] = (".nii.gz", ".nii", ".npy", *_IMAGES)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.grid) != 3:
            raise UsageError(f"volume layout: grid={self.grid} must have three axes.")
        if self.nifti is not None and not isinstance(self.nifti, Nifti):
            try:
                object.__setattr__(self, "nifti", Nifti(**self.nifti))
            except TypeError as error:
                raise UsageError(f"volume layout: nifti cannot be read: {error}.") from error
        object.__setattr__(self, "spacing", checked_spacing(self.spacing, AXES, "volume layout"))
        check_rgb(self.rgb, self.channels, "volume layout")

    @property
    def steps(self) -> tuple[float, ...]:
        """Distance of neighbouring voxels along each axis."""
        if self.nifti is not None:
            along = np.linalg.norm(np.array(self.nifti.affine)[:3, :3], axis=0)
            return tuple(along.tolist()) if (along > 0).all() else super().steps
        return super().steps if self.spacing is None else self.spacing.in_nifti()[0]

    @property
    def axes(self) -> str:
        """Names of the axes in order."""
        return "zyx" if self.nifti is None else "xyz"

    @property
    def limits(self) -> tuple[float, float]:
        """What 0 and 1 of the network stand for, in the numbers that a NIfTI header makes of the stored ones."""
        if self.nifti is None or self.nifti.slope is None:
            return self.low, self.high
        low, high = self.nifti.real(np.array([self.low, self.high], dtype=np.float64)).tolist()
        return low, high

    def describe(self) -> str:
        """One line: "64x64x30 volume (x, y, z), int16"."""
        channels = "" if self.channels is None else f" of {self.channels} channel{'s' * (self.channels > 1)}"
        return f"{'x'.join(map(str, self.grid))} volume ({', '.join(self.axes)}){channels}, {np.dtype(self.dtype).name}"

    def decode(
        self,
        predict: Predict,
        *,
        scale: float | None = None,
        shape: tuple[int, ...] | None = None,
        slice: str | None = None,
    ) -> np.ndarray:
        """Predicts the volume, or one slice of it, on a grid of any size between the same corners.

        Args:
            predict: Rows of coordinates -> values in [0, 1].
            scale: Size of every axis relative to the fitted one; 1 where nothing else is asked.
            shape: Points an axis, in the order of the axes.
            slice: "z:40": only this index (from 0) of this axis of the decoded volume, which is computed alone.

        Returns:
            The volume, or the slice with that axis gone; channels last where there are any. The file's own type, or float64 where a NIfTI
            header scales the stored numbers. Within the range of the fitted values, whole numbers rounded to the nearest.

        Raises:
            UsageError: for a size or slice that cannot be, or a prediction of NaN.
        """
        size = self.resized(scale, shape)
        check_decoded(size if slice is None else (max(size),))
        if slice is None:
            return self._real(self.decode_grid(predict, GridCoords(size)))
        axis, index = self._slice(slice, size)
        at = float(GridCoords((size[axis],))[index : index + 1])
        low, high = [-1.0] * 3, [1.0] * 3
        low[axis] = high[axis] = at
        thin = tuple(1 if i == axis else points for i, points in enumerate(size))
        return self._real(np.take(self.decode_grid(predict, GridCoords(thin, tuple(low), tuple(high))), 0, axis=axis))

    def losses(self, ending: str) -> tuple[str, ...]:
        """The place in space, which only NIfTI keeps, and that the last channel of a slice is no alpha."""
        said = alpha_in_png(self.channels, self.rgb, ending)
        if self.nifti is None or ending in (".nii", ".nii.gz"):
            return said
        steps = ", only the distance of its voxels where its unit is known" if ending in (".tif", ".tiff") else ""
        return (*said, f"Where the volume lies in space (the affine) is not kept{steps}; .nii and .nii.gz keep it.")

    def write(self, decoded: np.ndarray, path: Path) -> None:
        """Writes a volume as .nii, .nii.gz, .npy or a .tif stack, and a slice as .png, .tif or .npy.

        A NIfTI file lies where the original lay, whatever its resolution; a volume without a header becomes one of the spacing that its
        file told, else of unit voxels, x first. A .tif stack has z for its pages, and the spacing as ImageJ or OME notes it. The rows of
        a slice are its first axis. Slices of 8 and 16 bits keep their numbers; others are scaled so that the range of the volume is black
        to white.

        Raises:
            UsageError: where the ending is unknown or cannot hold this.
        """
        from nint.signals.grid.files import write_npy
        from nint.signals.kinds import ending_of

        ending = ending_of(path)
        is_slice = decoded.ndim == 2 + (self.channels is not None)
        if ending not in self.suffixes:
            raise UsageError(f"'{path}' has no ending that a volume can be written with; use {', '.join(self.suffixes)}.")
        if ending == ".npy":
            write_npy(decoded, path)
        elif is_slice and ending in _IMAGES:
            self._write_slice(decoded, path)
        elif is_slice:
            raise UsageError(f"A slice cannot be written as {ending}; use .png, .tif or .npy.")
        elif ending in (".nii", ".nii.gz"):
            self._write_nifti(decoded, path)
        elif ending == ".png":
            raise UsageError("A volume cannot be written as .png; give one slice of it, for example slice=z:0, or use .nii.gz.")
        else:
            self._write_stack(decoded, path)

    def _real(self, stored: np.ndarray) -> np.ndarray:
        return stored if self.nifti is None else self.nifti.real(stored)

    def _slice(self, text: str, size: tuple[int, ...]) -> tuple[int, int]:
        match = re.fullmatch(rf"([{self.axes}])[:=]([0-9]{{1,15}})", str(text).strip())
        if not match:
            raise UsageError(f"slice={text} cannot be read; write an axis and an index, for example z:40 (axes {', '.join(self.axes)}).")
        axis, index = self.axes.index(match[1]), int(match[2])
        if index >= size[axis]:
            raise UsageError(f"slice={text} is out of range; the decoded volume has {match[1]} from 0 to {size[axis] - 1}.")
        return axis, index

    def _write_slice(self, decoded: np.ndarray, path: Path) -> None:
        from nint.signals.grid.tiff_files import write_grid
        from nint.signals.image.write import write_image

        if decoded.dtype.kind != "u" or decoded.dtype.itemsize > 2:
            low, high = self._real(np.array([self.low, self.high], dtype=np.float64))
            decoded = (decoded.astype(np.float64) - low) / (high - low)
        if path.suffix.lower() != ".png" and self.channels in (2, 4) and not self.rgb:
            write_grid(decoded if decoded.dtype.kind == "u" else decoded.astype(np.float32), "YX", None, path)
            return
        write_image(decoded.astype(decoded.dtype.newbyteorder("="), copy=False), path)

    def _write_nifti(self, decoded: np.ndarray, path: Path) -> None:
        from nint.signals.grid.nifti import write_nifti

        if self.nifti is None:
            turned = np.moveaxis(decoded, (0, 1, 2), (2, 1, 0))
            steps, unit = (1.0,) * AXES, "unknown"
            if self.spacing is not None:
                steps, unit = self.spacing.regridded(self.grid, decoded.shape[:AXES]).in_nifti()
            affine = tuple(map(tuple, np.diag([*steps[::-1], 1.0]).tolist()))
            write_nifti(turned, Nifti(affine, space_unit=unit), path)
            return
        placed = self.nifti.regridded(self.grid, decoded.shape[:AXES])
        write_nifti(self.nifti.stored(decoded, np.dtype(self.dtype)), placed, path)

    def _write_stack(self, decoded: np.ndarray, path: Path) -> None:
        from nint.signals.grid.tiff_files import write_grid

        if self.nifti is None:
            write_grid(decoded, "ZYX", self.spacing and self.spacing.regridded(self.grid, decoded.shape[:AXES]), path, self.rgb)
            return
        affine = np.array(regrid(self.nifti.affine, self.grid, decoded.shape[:AXES]))
        steps, unit = np.linalg.norm(affine[:3, :3], axis=0)[::-1].tolist(), OF_NIFTI.get(self.nifti.space_unit, "")
        told = min(steps) > 0 and bool(unit)
        write_grid(np.moveaxis(decoded, (0, 1, 2), (2, 1, 0)), "ZYX", Spacing(tuple(steps), (unit,) * AXES) if told else None, path)
