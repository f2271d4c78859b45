"""TIFF as a regular grid of any axes: read with channels last, written so that axes and spacing are found again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError, listed
from nint.files import write_atomically
from nint.signals.grid.spacing import Spacing
from nint.signals.image.tiff import quiet, read_tiff, tiff_kind
from nint.signals.image.tiff_axes import NOT_ON_EARTH
from nint.signals.limits import MAX_POINTS, check_points

ENDINGS = (".tif", ".tiff")

_LARGE = 2**24
_IN_IMAGEJ = ("uint8", "uint16", "float32")
_COLOURS_IN_IMAGEJ = ("uint8",)
_IN_OME = (*_IN_IMAGEJ, "int8", "int16", "int32", "uint32", "float64")
_STORED_AS = {"bool": np.uint8, "float16": np.float32}
_NAMED = "TZYX"
_COLOURS_LEFT_OUT = {
    "PALETTE": "The numbers are those of a palette, whose colours are left out.",
    "MINISWHITE": "In this file 0 is white; a .tif that is written of its numbers has 0 for black, so that viewers show the negative.",
    "SEPARATED": "The numbers are those of inks (CMYK); a .tif that is written of them does not say so.",
    "CIELAB": "The numbers are those of CIELAB colours; a .tif that is written of them does not say so.",
    "RGB": "Of the channels some are colours (RGB); a .tif that is written of them does not say so.",
}
"""Photometric interpretation -> what of it an array of numbers does not keep."""


@dataclass(frozen=True, eq=False)
class TiffGrid:
    """What a TIFF holds, as a grid.

    Attributes:
        array: `[*grid]`, and the channels last where there are any; NaN where the file has no value.
        axes: A letter an axis of the grid, slowest first.
        spacing: Distances of neighbours; None where the file tells none.
        notes: What a person should know of how it was read.
        rgb: Whether the channels are red, green and blue, and alpha where there is a fourth.
    """

    array: np.ndarray
    axes: str
    spacing: Spacing | None
    notes: tuple[str, ...]
    rgb: bool


def is_volume_tiff(path: Path) -> bool:
    """Whether a file is a TIFF that is taken for a volume; only its directories are read."""
    return _is_tiff(path) and tiff_kind(path) == "volume"


def is_array_tiff(path: Path) -> bool:
    """Whether a file is a TIFF that is taken for an array: no picture by its axes or type, or too large to be read whole."""
    return _is_tiff(path) and (_is_large(path) or tiff_kind(path) == "array")


def read_grid(path: Path, max_points: int | None = None) -> TiffGrid:
    """The first series of a TIFF: memory-mapped where it is not compressed and every point has a value.

    Args:
        path: The file.
        max_points: Most numbers of a compressed one.

    Raises:
        UsageError: for a file that cannot be read, or is larger than that.
    """
    data = read_tiff(path, MAX_POINTS if max_points is None else max_points).channels_last()
    header, array, notes = data.header, data.array, list(data.header.notes)
    axes = header.axes.removesuffix("C")
    if header.nodata is not None:
        check_points(array.size, path.name, max_points)
        array = data.with_nan()
        if array is not data.array:
            changed = f", and the numbers are fitted as {array.dtype.name}" if array.dtype != header.dtype else ""
            notes.append(f"The file says that {header.nodata:g} stands for no value; such points are unobserved{changed}.")
    if header.bands:
        notes.append(f"'{path.name}' has {header.bands} bands that it does not call colours; each is a channel of its own.")
    if header.photometric in _COLOURS_LEFT_OUT and not header.rgb:
        notes.append(_COLOURS_LEFT_OUT[header.photometric])
    if header.of_a_picture:
        are = "are" if len(header.of_a_picture) > 1 else "is"
        notes.append(f"The file's {listed(header.of_a_picture)} {are} not kept; --kind image keeps what a picture has.")
    spacing = Spacing(tuple(header.spacing.get(axis) for axis in axes), tuple(header.units.get(axis, "") for axis in axes))
    if header.on_earth:
        notes.append(NOT_ON_EARTH)
    return TiffGrid(array, axes, spacing if header.spacing else None, tuple(notes), header.rgb)


def write_grid(array: np.ndarray, axes: str, spacing: Spacing | None, path: Path, rgb: bool = False) -> None:
    """Writes a grid as a compressed TIFF, with its axes and spacing as ImageJ notes them (OME for types that ImageJ has not).

    Without a spacing or channels, and of two axes with any, it is a plain TIFF, or a stack of pages in the order of z.

    Args:
        array: `[*grid]`, and the channels last where there are any.
        axes: A letter an axis of the grid: X and Y last, Z and T before them.
        spacing: Distances of neighbours.
        path: The file.
        rgb: Whether the channels are red, green and blue, and alpha where there is a fourth; else they are bands of their own.

    Raises:
        UsageError: for axes or a type that no TIFF here can hold.
    """
    import tifffile

    dims = len(axes)
    if axes not in ("YX", "ZYX", "TYX", "TZYX"):
        raise UsageError(f"An array with the axes {axes or 'unknown'} cannot be written as {path.suffix}; use .npy or .zarr.")
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * np.uint8(255)
    array = array.astype(_STORED_AS.get(array.dtype.name, array.dtype.newbyteorder("=")), copy=False)
    options: dict[str, Any] = {"photometric": "minisblack", "compression": "zlib"}
    if rgb:
        options |= {"photometric": "rgb", "planarconfig": "contig"}
    if spacing is None and (dims == 2 or (dims == 3 and array.ndim == 3)):
        options |= {"planarconfig": "contig"} if array.ndim > dims else {}
        options |= {"metadata": {"axes": axes} if dims == 3 else None}
    else:
        array, axes, options = _named(array, axes, spacing, path, options)

    def write(target: Path) -> None:
        tifffile.imwrite(target, array, **options)

    try:
        write_atomically(path, write)
    except UsageError:  # which is a ValueError too, and says why the file cannot be written
        raise
    except (ValueError, TypeError) as error:
        raise UsageError(f"An array of {'x'.join(map(str, array.shape))} {array.dtype} cannot be written as {path.suffix}.") from error


def _named(
    array: np.ndarray, axes: str, spacing: Spacing | None, path: Path, options: dict[str, Any]
) -> tuple[np.ndarray, str, dict[str, Any]]:
    """The array in the order of a hyperstack, its axes, and what tifffile must be told of them.

    Raises:
        UsageError: for a type that neither ImageJ nor OME has.
    """
    if array.dtype.name not in _IN_OME:
        raise UsageError(f"A TIFF with axes and spacing cannot hold {array.dtype.name}; use .npy or .zarr.")
    steps = dict(zip(axes, spacing.steps if spacing else [None] * len(axes), strict=True))
    units = dict(zip(axes, spacing.units if spacing else [""] * len(axes), strict=True))
    if options["photometric"] == "rgb":
        axes = f"{axes}S"
    elif array.ndim > len(axes):
        array = np.moveaxis(array, -1, -3)
        axes = f"{axes[:-2]}C{axes[-2:]}"
    known = _COLOURS_IN_IMAGEJ if axes.endswith("S") else _IN_IMAGEJ
    if array.dtype.name in known and len({units[axis] for axis in "ZYX" if steps.get(axis)}) <= 1:
        return array, axes, options | _imagej(axes, steps, units)
    said: dict[str, Any] = {}
    for axis in filter(steps.get, steps):
        name = "TimeIncrement" if axis == "T" else f"PhysicalSize{axis}"
        said |= {name: steps[axis]} | ({f"{name}Unit": "µm" if units[axis] == "um" else units[axis]} if units[axis] else {})
    return array, axes, options | {"ome": True, "metadata": {"axes": axes, **said}}


def _imagej(axes: str, steps: dict[str, float | None], units: dict[str, str]) -> dict[str, Any]:
    said: dict[str, Any] = {"axes": axes}
    for axis, name in (("Z", "spacing"), ("T", "finterval")):
        if steps.get(axis):
            said[name] = steps[axis]
    unit = next((units[axis] for axis in "XYZ" if steps.get(axis)), "")
    x, y = (steps.get(axis) for axis in "XY")
    if unit and unit.isascii():
        said["unit"] = unit
    return {"imagej": True, "metadata": said} | ({"resolution": (1 / x, 1 / y)} if x and y and unit else {})


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and path.is_file()


def _is_large(path: Path) -> bool:
    """Whether more than 2^24 pixels lie in the file as they are, so that they can be mapped."""
    if path.stat().st_size <= _LARGE:
        return False

    import tifffile

    try:
        with quiet("tifffile"), tifffile.TiffFile(path) as file:
            series = file.series[0]
            sides = [points for axis, points in zip(series.axes, series.shape, strict=True) if axis in "YX"]
            return math.prod(sides) > _LARGE and series.dataoffset is not None and bool(series.keyframe.is_memmappable)
    except Exception:  # tifffile fails in any way on damaged files; the reader of images says what is wrong
        return False
