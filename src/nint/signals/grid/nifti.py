"""NIfTI volumes: the stored numbers, and what of the header a decoded volume needs to lie where the original lay."""

from __future__ import annotations

import gzip
import math
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, quiet_stderr, reason_of, write_atomically
from nint.signals.grid.grid_layout import checked_dtype
from nint.signals.grid.packages import need
from nint.signals.limits import check_points
from nint.signals.pixels import check_packing

_LAST_CODE = 5
_SPACE_UNITS = ("unknown", "meter", "mm", "micron")
_TIME_UNITS = ("unknown", "sec", "msec", "usec", "hz", "ppm", "rads")
_NIFTI1_LONGEST = 2**15 - 1
_ALIKE = 1e-5  # of the longest entry of a column: the header has 32-bit floats
_NOT_KEPT = {
    "intent": ("intent_code", "intent_name", "intent_p1", "intent_p2", "intent_p3"),
    "descrip": ("descrip",),
    "aux_file": ("aux_file",),
    "cal_min and cal_max": ("cal_min", "cal_max"),
    "toffset": ("toffset",),
    "slice timing": ("slice_code", "slice_duration"),
    "dim_info": ("dim_info",),
}
_STORED_AS = {"bool": np.uint8, "float16": np.float32}  # types that NIfTI does not know


@dataclass(frozen=True)
class Nifti:
    """What a NIfTI header says beside shape and type.

    Attributes:
        affine: 4x4, voxel numbers -> space.
        sform_code: Space of the affine: 0 unknown, 1 scanner, 2 aligned, 3 Talairach, 4 MNI.
        qform_code: The same for the quaternion form.
        space_unit: "mm", "meter", "micron" or "unknown".
        time_unit: Unit of a fourth axis.
        time_step: Distance on a fourth axis.
        slope: Stored numbers are multiplied by it, then `inter` is added; None where they are taken as they are.
        inter: See `slope`.
        qform: 4x4, where the quaternion form is another place than the affine, both having a code; None where it is the same.
    """

    affine: tuple[tuple[float, ...], ...]
    sform_code: int = 2
    qform_code: int = 0
    space_unit: str = "unknown"
    time_unit: str = "unknown"
    time_step: float = 1.0
    slope: float | None = None
    inter: float | None = None
    qform: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "affine", _checked_matrix(self.affine, "affine"))
        if self.qform is not None:
            object.__setattr__(self, "qform", _checked_matrix(self.qform, "qform"))
        scaling = [] if self.slope is None else [self.slope, self.inter]
        if not all(isinstance(number, (int, float)) and math.isfinite(number) for number in (self.time_step, *scaling)) or self.slope == 0:
            raise UsageError("The scale, offset and time step of a NIfTI volume must be finite numbers, the scale not 0.")
        codes = (self.sform_code, self.qform_code)
        if not all(type(code) is int and 0 <= code <= _LAST_CODE for code in codes):
            raise UsageError(f"The space codes of a NIfTI volume must be whole numbers from 0 to {_LAST_CODE}.")
        if self.space_unit not in _SPACE_UNITS or self.time_unit not in _TIME_UNITS:
            raise UsageError(f"The units {self.space_unit} and {self.time_unit} of a NIfTI volume are not known.")

    def real(self, stored: np.ndarray) -> np.ndarray:
        """Stored numbers -> the numbers that they stand for; float64 where they are scaled."""
        return stored if self.slope is None else stored.astype(np.float64) * self.slope + (self.inter or 0.0)

    def stored(self, real: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """The inverse of `real`."""
        if self.slope is None:
            return real.astype(dtype, copy=False)
        numbers = (real - (self.inter or 0.0)) / self.slope
        return (numbers if dtype.kind == "f" else np.rint(numbers)).astype(dtype)

    def regridded(self, before: tuple[int, ...], after: tuple[int, ...]) -> Nifti:
        """The header of a grid of another size between the same corner voxels; arguments as in `regrid`."""
        qform = None if self.qform is None else regrid(self.qform, before, after)
        return replace(self, affine=regrid(self.affine, before, after), qform=qform)


def _checked_matrix(matrix: Any, name: str) -> tuple[tuple[float, ...], ...]:
    try:
        numbers = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (4, 4) or not np.isfinite(numbers).all():
        raise UsageError(f"The {name} of a NIfTI volume must be 4x4 finite numbers.")
    return tuple(map(tuple, numbers.tolist()))


def read_nifti(path: Path, max_points: int | None = None) -> tuple[np.ndarray, Nifti, tuple[str, ...]]:
    """The numbers of a NIfTI file and what it says of them.

    Args:
        path: The file.
        max_points: Most points of a compressed file.

    Returns:
        The stored numbers of a .nii (memory-mapped) or .nii.gz, axes in nibabel's order; the header; sentences on what of it is not kept.

    Raises:
        UsageError: for a file that is damaged, cut short or not NIfTI, for colour volumes, and where nibabel is not installed.
    """
    from nint.signals.image.tiff import quiet

    nibabel = need("nibabel", "Reading NIfTI", "volume")
    check_file(path, "a .nii or .nii.gz file")
    try:
        with quiet("nibabel.global"), quiet_stderr(), warnings.catch_warnings(action="ignore"):
            image = nibabel.load(path)
        if not isinstance(image, nibabel.Nifti1Image):
            raise UsageError(f"'{path}' is not NIfTI, whatever its name says.")
        _check_size(path, image, max_points)
        with quiet("nibabel.global"), warnings.catch_warnings(action="ignore"):
            array = np.asanyarray(image.dataobj.get_unscaled())
        return array, _header_of(image), _left_out(image)
    except UsageError:
        raise
    except Exception as error:  # gzip, zlib and nibabel fail each in their own way
        raise UsageError(f"'{path}' is damaged, cut short or not NIfTI: {reason_of(error)}.") from error


def _check_size(path: Path, image: Any, max_points: int | None) -> None:
    """Compares the size in a header with the file, before its numbers are read.

    Raises:
        UsageError: for more numbers than the file can hold or may have.
    """
    dtype = checked_dtype(image.get_data_dtype(), f"'{path}'")
    points, size = math.prod(image.shape), path.stat().st_size
    if path.suffix.lower() == ".gz":
        check_points(points, path.name, max_points)
        check_packing(path, points * dtype.itemsize, size)
    elif points * dtype.itemsize > size:
        claimed = f"{'x'.join(map(str, image.shape))} {dtype}"
        raise UsageError(f"'{path}' is damaged or cut short: it has {size:,} bytes, but its header claims {claimed}.")


def write_nifti(stored: np.ndarray, nifti: Nifti, path: Path) -> None:
    """Writes .nii or .nii.gz; a file that is there is replaced in one step, and equal volumes give equal bytes.

    Args:
        stored: The numbers to store, as `Nifti.stored` gives them, axes in nibabel's order.
        nifti: The header, its affine that of this grid.
        path: Its ending says whether to compress.
    """
    nibabel = need("nibabel", "Writing NIfTI", "volume")
    long = max(stored.shape) > _NIFTI1_LONGEST
    header_class, image_class = (nibabel.Nifti2Header, nibabel.Nifti2Image) if long else (nibabel.Nifti1Header, nibabel.Nifti1Image)
    dtype = np.dtype(_STORED_AS.get(stored.dtype.name, stored.dtype))
    header = header_class(endianness=">" if dtype.byteorder == ">" else "<")
    header.set_data_dtype(dtype)
    header.set_data_shape(stored.shape)
    affine = np.array(nifti.affine)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    header.set_zooms([*spacing, *[nifti.time_step] * (stored.ndim - 3)])
    image = image_class(stored.astype(dtype, copy=False), affine, header)
    known = nifti.sform_code or nifti.qform_code
    image.set_sform(affine, nifti.sform_code if known else 2)  # with neither code the affine would be lost
    image.set_qform(affine if nifti.qform is None else np.array(nifti.qform), nifti.qform_code)
    image.header.set_xyzt_units(nifti.space_unit, nifti.time_unit)
    if nifti.slope is not None:
        image.header.set_slope_inter(nifti.slope, nifti.inter)

    def write(target: Path) -> None:
        with open(target, "wb") as file:
            if path.suffix.lower() != ".gz":
                image.to_stream(file)
                return
            with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=6, mtime=0) as packed:
                image.to_stream(packed)

    write_atomically(path, write)


def _header_of(image: Any) -> Nifti:
    header = image.header
    try:
        space, time = header.get_xyzt_units()
    except KeyError:  # a code that the standard does not have
        space, time = "unknown", "unknown"
    slope, inter = float(image.dataobj.slope), float(image.dataobj.inter)
    zooms = header.get_zooms()
    return Nifti(
        affine=tuple(map(tuple, image.affine.tolist())),
        sform_code=int(header["sform_code"]),
        qform_code=int(header["qform_code"]),
        space_unit=space,
        time_unit=time,
        time_step=float(zooms[3]) if len(zooms) > 3 else 1.0,
        slope=None if (slope, inter) == (1, 0) else slope,
        inter=None if (slope, inter) == (1, 0) else inter,
        qform=_own_qform(image),
    )


def _own_qform(image: Any) -> tuple[tuple[float, ...], ...] | None:
    """The matrix of the quaternion form, where both forms have a code and it is another than that of the affine, but for rounding."""
    header = image.header
    if not (header["sform_code"] > 0 and header["qform_code"] > 0):
        return None
    same = header.copy()
    try:
        own = header.get_qform()
        same.set_qform(image.affine, int(header["qform_code"]))
        alike = np.abs(own - same.get_qform()).max(axis=0) <= _ALIKE * np.abs(own).max(axis=0)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError):  # no quaternion, or an affine that is none
        return None
    return None if not np.isfinite(own).all() or alike.all() else tuple(map(tuple, own.tolist()))


def _left_out(image: Any) -> tuple[str, ...]:
    """What of the header a model has no place for, where there is something, in a sentence."""
    header = image.header
    names = [name for name, fields in _NOT_KEPT.items() if any(_is_set(header[field]) for field in fields)]
    names += ["extensions"] if len(header.extensions) else []
    return (f"The model does not keep these parts of the NIfTI header: {', '.join(names)}.",) if names else ()


def _is_set(value: Any) -> bool:
    return bool(value.tobytes().strip(b"\0 ")) if value.dtype.kind == "S" else bool(value != 0)


def regrid(affine: Any, before: tuple[int, ...], after: tuple[int, ...]) -> tuple[tuple[float, ...], ...]:
    """The affine of a grid of another size between the same corner voxels.

    Args:
        affine: 4x4.
        before: Voxels an axis of the grid that it belongs to.
        after: Voxels an axis of the new grid; a single one lies in the middle.
    """
    result = np.array(affine, dtype=np.float64)
    for axis, (old, new) in enumerate(zip(before, after, strict=True)):
        if old == new:
            continue
        step = (old - 1) / (new - 1) if min(old, new) > 1 else old / new
        first = 0.0 if min(old, new) > 1 else (old - 1) / 2 - step * (new - 1) / 2
        result[:3, 3] += first * result[:3, axis]
        result[:3, axis] *= step
    return tuple(map(tuple, result.tolist()))
