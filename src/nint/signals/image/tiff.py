"""TIFF as an array: any page or series of pages with the names of its axes, its spacing, and which values are missing."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, quiet_stderr, reason_of
from nint.signals.image.picture import not_kept
from nint.signals.image.tiff_axes import axis_spacing, bands_of, is_rgb, lies_on_earth, print_resolution
from nint.signals.image.tiff_decode import ARRAY_LIMIT, series_pixels
from nint.signals.image.tiff_words import blocks_of, words_left_out
from nint.signals.pixels import FLOAT_EXCESS, ORIENTATION_TAG

PROFILE_TAG = 34675
_NODATA_TAG = 42113
_PICTURE_CHANNELS = 4
_PICTURE_TYPES = ("|b1", "|u1", "<u2", "<f2", "<f4", "<f8")
_LOOKED_THROUGH = 2**26


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF says of its first series of pages.

    Attributes:
        shape: Points an axis.
        axes: One letter an axis, slowest first: T time, Z, C channel, Y, X, S samples of a pixel;
            others are not named by the file.
        dtype: Type of the numbers, in the byte order of this machine.
        nodata: The number that stands for no value (GDAL's tag 42113), in the type of the numbers; None where none does.
        spacing: Axis letter -> distance between neighbours; what the file does not tell is absent.
        units: Axis letter -> unit of the distance ("um", "s"); absent where the file names none.
        pages: How many pages the series has.
        photometric: How numbers mean colours: "MINISBLACK", "RGB", "PALETTE", ...
        on_earth: Whether the file says where on Earth it lies.
        notes: Sentences on what of the file is not in this series.
        bands: Samples of a pixel that the file does not call colours; 0 where they are colours, or one.
        rgb: Whether the channels are red, green and blue, and at most alpha beyond them.
        of_a_picture: What the file says that a picture keeps and plain numbers do not: "colour profile", "orientation", "print resolution".
    """

    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype
    nodata: int | float | None = None
    spacing: dict[str, float] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    pages: int = 1
    photometric: str = ""
    on_earth: bool = False
    notes: tuple[str, ...] = ()
    of_a_picture: tuple[str, ...] = ()
    bands: int = 0
    rgb: bool = False


@dataclass(frozen=True, eq=False)
class TiffData:
    """The numbers of a TIFF.

    Attributes:
        array: `[*header.shape]` as stored; memory-mapped and maybe of another byte order where the file is not compressed.
        header: What the file says of it.
    """

    array: np.ndarray
    header: TiffHeader

    @property
    def axes(self) -> str:
        """One letter an axis of the array."""
        return self.header.axes

    @property
    def nodata(self) -> int | float | None:
        """The number that stands for no value; None where none does."""
        return self.header.nodata

    @property
    def spacing(self) -> dict[str, float]:
        """Axis letter -> distance between neighbours."""
        return self.header.spacing

    @cached_property
    def observed(self) -> np.ndarray | None:
        """Bool in the shape of the array, false where the number stands for no value; None where no number does."""
        if self.nodata is None:
            return None
        if isinstance(self.nodata, float) and math.isnan(self.nodata):
            present = ~np.isnan(self.array)
        else:
            present = self.array != self.array.dtype.type(self.nodata)
        return None if present.all() else present

    def with_nan(self) -> np.ndarray:
        """The array itself where every number is a value; else floats that hold each of them exactly, and NaN where there is none.

        float32 for 8 and 16 bits and floats up to 32, float64 for others.
        """
        if self.observed is None:
            return self.array
        short = self.array.dtype.itemsize <= 2 or self.array.dtype == np.float32
        return np.where(self.observed, self.array, np.nan).astype(np.float32 if short else np.float64)

    def channels_last(self) -> TiffData:
        """The same with C and S as one last axis "C", where the file has any; the other axes keep their order."""
        order = [i for i, axis in enumerate(self.axes) if axis not in "CS"]
        last = [i for i, axis in enumerate(self.axes) if axis in "CS"]
        if not last:
            return self
        moved = self.array.transpose(order + last)
        moved = moved.reshape(*moved.shape[: len(order)], -1) if len(last) > 1 else moved
        axes = "".join(self.axes[i] for i in order) + "C"
        changed = {name: value for name, value in vars(self.header).items() if name not in ("shape", "axes")}
        return TiffData(moved, TiffHeader(moved.shape, axes, **changed))


def tiff_header(path: Path) -> TiffHeader:
    """What a TIFF says of its first series; only its directories are read.

    Raises:
        UsageError: for a file that is missing, empty, damaged or no TIFF.
    """
    with _opened(path) as file:
        return _header(path, file)


def read_tiff(path: Path, limit: int = ARRAY_LIMIT) -> TiffData:
    """The first series of a TIFF as an array: memory-mapped where it is not compressed, else read whole.

    Args:
        path: The file.
        limit: Most numbers of a compressed one.

    Raises:
        UsageError: for a file that is missing, empty, damaged, too large or no TIFF.
    """
    with _opened(path) as file:
        header = _header(path, file)
        array = series_pixels(path, file, file.series[0], limit)
    return TiffData(array, header)


def tiff_kind(path: Path) -> str:
    """The kind of signal that a TIFF is taken for: "image", "volume" or "array".

    An image is one page of 8 or 16 bits without sign, or of floats in [0, 1]: grey or coloured, with or without alpha. A volume has an
    axis Z, or several grey pages of which the file does not name the axis. Everything else that is a regular grid is an array, several
    bands that are no colours among it. What cannot be read is taken for an image, whose reader says what is wrong.
    """
    try:
        header = tiff_header(path)
    except UsageError:
        return "image"
    axes = {axis for axis, points in zip(header.axes, header.shape, strict=True) if points > 1}
    if axes <= set("YXS"):
        return "image" if _is_picture(path, header) else "array"
    if "T" in axes or header.dtype.kind not in "buif":
        return "array" if header.dtype.kind in "buif" else "image"
    stacked = axes - set("YXCS")
    if stacked == {"Z"}:
        return "volume"
    if len(stacked) == 1 and not axes & set("CS"):
        return "volume"
    if stacked and "S" in axes and not header.bands:  # pages of colours, as of a scanned document: the first one, and the report says so
        return "image"
    return "array"


@contextlib.contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Drops what a library logs about a damaged file: the error that follows says it in one sentence.

    Args:
        logger: The library's.

    Yields:
        Nothing.
    """

    def drop(record: logging.LogRecord) -> bool:
        return False

    log = logging.getLogger(logger)
    log.addFilter(drop)
    try:
        yield
    finally:
        log.removeFilter(drop)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A TIFF opened by tifffile.

    Yields:
        The file.

    Raises:
        UsageError: for what cannot be read, also within the block.
    """
    import tifffile

    check_file(path, "a TIFF file")
    try:
        with quiet("tifffile"), quiet_stderr(), tifffile.TiffFile(path) as file:
            yield file
    except UsageError:
        raise
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except Exception as error:  # tifffile fails in any way on damaged files
        raise UsageError(f"'{path}' is damaged or cut short: {reason_of(error)}.") from error


def _header(path: Path, file: Any) -> TiffHeader:
    series, page = file.series[0], file.pages[0]
    if series.dtype is None or not series.shape:
        raise ValueError("its numbers are of no known type")
    spacing, units = axis_spacing(file)
    return TiffHeader(
        tuple(int(points) for points in series.shape),
        str(series.axes),
        np.dtype(series.dtype).newbyteorder("="),
        nodata_of(page, np.dtype(series.dtype)),
        {axis: value for axis, value in spacing.items() if axis in series.axes},
        {axis: unit for axis, unit in units.items() if axis in series.axes},
        len(series.pages),
        getattr(page.photometric, "name", ""),
        lies_on_earth(page),
        _left_out(path, file),
        _of_a_picture(page, spacing),
        bands_of(page),
        is_rgb(page) and "C" not in series.axes,
    )


def _of_a_picture(page: Any, spacing: dict[str, float]) -> tuple[str, ...]:
    turned = page.tags.get(ORIENTATION_TAG)
    printed = None if spacing else print_resolution(page)
    found = {
        "colour profile": PROFILE_TAG in page.tags,
        "orientation": turned is not None and turned.value != 1,
        "print resolution": printed is not None and printed != (1.0, 1.0),  # which many writers put for none
    }
    return tuple(name for name, is_there in found.items() if is_there)


def _left_out(path: Path, file: Any) -> tuple[str, ...]:
    notes = []
    others = len(file.series) - 1
    if others:
        held = f"{others} other picture{'s' if others > 1 else ''} of another size or type"
        notes.append(f"'{path.name}' also holds {held}, which {'are' if others > 1 else 'is'} left out.")
    blocks = not_kept(blocks_of(file.pages[0]), path.name)
    return (*notes, *([blocks] if blocks else []), *words_left_out(file, path.name))


def nodata_of(page: Any, dtype: np.dtype) -> int | float | None:
    """The number that stands for no value by GDAL's tag 42113, in a type; None where a page has none that the type can hold."""
    tag = page.tags.get(_NODATA_TAG)
    if tag is None:
        return None
    text = str(tag.value).strip().rstrip("\0")
    try:
        if dtype.kind == "f":
            return float(dtype.type(text))
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
        return int(number) if number == int(number) and np.iinfo(dtype).min <= number <= np.iinfo(dtype).max else None
    except (ValueError, OverflowError):
        return None


def _is_picture(path: Path, header: TiffHeader) -> bool:
    samples = header.shape[header.axes.index("S")] if "S" in header.axes else 1
    if header.bands or samples > _PICTURE_CHANNELS or header.dtype.newbyteorder("<").str not in _PICTURE_TYPES:
        return False
    if header.dtype.kind != "f":
        return True
    if math.prod(header.shape) > _LOOKED_THROUGH:
        return True
    try:
        array = read_tiff(path).with_nan()
    except UsageError:
        return True
    seen = array[np.isfinite(array)]
    return bool(seen.size == 0 or (seen.min() >= -FLOAT_EXCESS and seen.max() <= 1 + FLOAT_EXCESS))
