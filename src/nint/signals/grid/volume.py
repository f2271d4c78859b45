"""Volumes: CT, MRI, microscopy. Coordinates in [-1, 1] on each axis, values scaled to [0, 1] by their range."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nint.errors import UsageError
from nint.signals.base import MEASURE_UP_TO
from nint.signals.grid.grid_layout import GridLayout
from nint.signals.grid.gridded import GridSignal
from nint.signals.grid.nifti import Nifti
from nint.signals.grid.packages import need
from nint.signals.grid.spacing import Spacing
from nint.signals.grid.volume_layout import AXES, VolumeLayout
from nint.signals.grid_rows import Scan
from nint.signals.masks import unmasked
from nint.signals.measure import ssim_3d

_SSIM_SIDE = 7


class VolumeSignal(GridSignal):
    """One volume to fit.

    Args:
        array: `[z, y, x]`, or channels last; with a NIfTI header `[x, y, z]` as stored. NaN marks points that were not observed.
        nifti: Header of the file that it came from.
        name: Where it came from.
        spacing: Distances of neighbours along z, y, x, where the file tells them.
        notes: Sentences for the report.
        scanned: As in `GridSignal`.
        rgb: As in `VolumeLayout`.

    Raises:
        UsageError: for another shape or type, a single point, one value everywhere, infinity, or NaN everywhere.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr", "ssim")
    layout_class: ClassVar[type[GridLayout]] = VolumeLayout
    layout: VolumeLayout

    def __init__(
        self,
        array: Any,
        *,
        nifti: Nifti | None = None,
        name: str = "array",
        spacing: Spacing | None = None,
        notes: tuple[str, ...] = (),
        scanned: Scan | None = None,
        rgb: bool = False,
    ) -> None:
        array = unmasked(array, name)
        array = np.asanyarray(array) if not hasattr(array, "chunks") else array
        if len(array.shape) not in (3, 4):
            raise UsageError(f"'{name}' has {len(array.shape)} axes; a volume has three, and a fourth for channels.")
        super().__init__(array, AXES, name, scanned=scanned, nifti=nifti, spacing=spacing, rgb=rgb)
        self._notes = notes

    def remarks(self) -> tuple[str, ...]:
        """How the axes are called and where they point, and what PSNR is relative to."""
        nifti = self.layout.nifti
        low, high = self.layout.limits
        if nifti is None:
            said = "The axes are called z, y, x, in the order of the array."
        else:
            codes = need("nibabel", "NIfTI", "volume").aff2axcodes(np.array(nifti.affine))
            toward = ", ".join(code or "nowhere" for code in codes)
            said = f"The axes are called x, y, z, in the order in which nibabel gives them; they point to {toward}."
        placed: tuple[str, ...] = ()
        if self.layout.spacing:
            placed = (f"Voxels are {self.layout.spacing.describe('zyx')} apart, which .nii and .tif keep and .npy does not.",)
        return (said, *placed, *self._notes, f"PSNR is relative to the range of the values, {low:g} to {high:g}.", *super().remarks())

    def _has_structure(self) -> bool:
        return self._is_whole() and min(self.layout.grid) >= _SSIM_SIDE and len(self.values) <= MEASURE_UP_TO

    def _structure(self, prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
        return {"ssim": ssim_3d(prediction, target)}


def is_volume(path: Path) -> bool:
    """Whether a .npy says that it has three axes, the last of more than 4 entries, or a TIFF has an axis z or several grey pages."""
    from nint.signals.grid.files import npy_header
    from nint.signals.grid.tiff_files import is_volume_tiff

    if path.suffix.lower() != ".npy" or not path.is_file():
        return is_volume_tiff(path)
    try:
        shape, _ = npy_header(path)
    except UsageError:
        return False
    return len(shape) == 3 and shape[2] > 4


def load_volume(path: str | Path, *, in_dims: int | None = None, max_points: int | None = None) -> VolumeSignal:
    """Loads a volume: NIfTI (.nii, .nii.gz), .npy of three axes (memory-mapped), or a TIFF stack.

    Args:
        path: The file.
        in_dims: Axes that are coordinates: 3, which a volume has anyway.
        max_points: Most points of a compressed file.

    Raises:
        UsageError: for a file that cannot be read or a volume that cannot be fitted.
    """
    from nint.signals.grid.files import open_npy
    from nint.signals.grid.nifti import read_nifti
    from nint.signals.grid.tiff_files import read_grid
    from nint.signals.kinds import ending_of

    path = Path(path)
    ending = ending_of(path)
    if in_dims not in (None, AXES):
        raise UsageError(f"in_dims={in_dims} does not fit a volume, which has three coordinates; use --kind array.")
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give a file of one volume.")
    if ending in (".nii", ".nii.gz"):
        array, nifti, notes = read_nifti(path, max_points)
        return VolumeSignal(array, nifti=nifti, name=path.name, notes=notes)
    if ending == ".npy":
        return VolumeSignal(open_npy(path), name=path.name)
    if ending in (".tif", ".tiff"):
        grid = read_grid(path, max_points)
        if len(grid.axes) != AXES:
            held = f"the axes {', '.join(grid.axes.lower())}{' and channels' if grid.array.ndim > len(grid.axes) else ''}"
            raise UsageError(
                f"'{path}' has {held}; a volume is a TIFF of three axes, so use --kind array or image.{' '.join(['', *grid.notes])}"
            )
        return VolumeSignal(grid.array, name=path.name, spacing=grid.spacing, notes=grid.notes, rgb=grid.rgb)
    raise UsageError(f"'{path}' is not a volume that can be read; .nii, .nii.gz, .npy and .tif are.")


def phantom() -> VolumeSignal:
    """A head of ten ellipsoids, `[64, 64, 64]` uint8, made by code."""
    from nint.signals.grid.phantom import head_phantom

    return VolumeSignal(head_phantom(64), name="sample:phantom")


SAMPLES = {"phantom": ("64x64x64 volume, head phantom of ellipsoids (synthetic)", phantom)}
