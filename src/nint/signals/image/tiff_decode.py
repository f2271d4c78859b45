"""Unpacking the pages of a TIFF: sizes checked against the file first, then tifffile, and OpenCV or Pillow for what it cannot undo."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import quiet_stderr
from nint.signals.pixels import ORIENTATION_TAG, check_packing

ARRAY_LIMIT = 2**28
"""Most numbers that a TIFF may hold to be read whole; an uncompressed one is mapped and has no limit."""

_UNPACKER_MISSING = "imagecodecs"


def check_whole(page: Any, file_size: int) -> None:
    """Tifffile fills strips and tiles that are missing with zeros; here they are an error.

    Raises:
        ValueError: for a page of which some are.
    """
    starts, counts = page.dataoffsets, page.databytecounts
    missing = len(starts) != len(counts) or len(starts) < math.prod(page.chunked) or min(counts, default=0) < 1
    beyond = any(start + count > file_size for start, count in zip(starts, counts, strict=False))
    if missing or beyond or (page.compression == 1 and sum(counts) < page.nbytes):
        raise ValueError("its pixels end early")


def page_pixels(page: Any, data: bytes) -> np.ndarray:
    """The numbers of one page, channels last.

    Args:
        page: A page of tifffile, checked by `check_whole`.
        data: The whole file.

    Raises:
        KeyError: for a damaged page.
        ValueError: likewise, and for a compression that nothing here can undo.
    """
    array: np.ndarray
    try:
        array = page.asarray()
    except (KeyError, ValueError) as error:
        if _UNPACKER_MISSING not in str(error):
            raise
        array = _unpacked(page, data)
    if page.axes.startswith("S"):  # channels stored one after the other
        array = np.moveaxis(array, 0, -1)
    return array


def series_pixels(path: Path, file: Any, series: Any, limit: int = ARRAY_LIMIT) -> np.ndarray:
    """The numbers of a series of pages in the order of its axes: mapped where they lie in the file as they are, else read.

    Args:
        path: The file.
        file: It, opened by tifffile.
        series: Of this file.
        limit: Most numbers to read.

    Raises:
        UsageError: for a series of more numbers than may be read.
        KeyError: for a damaged one.
        ValueError: likewise, and for one that cannot be unpacked.
    """
    size = path.stat().st_size
    if series.dataoffset is not None and series.keyframe.is_memmappable:
        if series.dataoffset + series.nbytes > size:
            raise ValueError("its pixels end early")
        dtype = series.dtype.newbyteorder(file.byteorder)
        return np.memmap(path, dtype, "r", series.dataoffset, series.shape)
    if series.size > limit:
        shape = "x".join(map(str, series.shape))
        raise UsageError(
            f"'{path}' has {shape} numbers, more than the limit of {limit:,} for a compressed TIFF; store it without compression."
        )
    check_packing(path, series.nbytes, size)
    pages = list(series.pages)
    for page in pages:
        if page is None:  # tifffile would fill it with zeros
            raise ValueError("some of the pages that it names are missing, or lie in other files that are not here")
        check_whole(_full(page), size)
    array: np.ndarray
    try:
        array = series.asarray()
    except (KeyError, ValueError) as error:
        if _UNPACKER_MISSING not in str(error):
            raise
        data = path.read_bytes()
        array = _stacked([page_pixels(_full(page), data) for page in pages], series)
    if array.shape != series.shape:
        raise ValueError("its pages do not have the shape that it claims")
    return array


def _full(page: Any) -> Any:
    """A page with all its tags; tifffile keeps only a frame of those that share the first page's."""
    return page.aspage() if hasattr(page, "aspage") else page


def _stacked(pages: Sequence[np.ndarray], series: Any) -> np.ndarray:
    axes, stack = series.axes, np.stack(pages)
    if axes.endswith("SYX") and stack.ndim == 4:  # where channels were stored one after the other, page_pixels has moved them
        stack = np.moveaxis(stack, -1, 1)
    return stack.reshape(series.shape)


def _unpacked(page: Any, data: bytes) -> np.ndarray:
    """The pixels of a page whose compression (LZW) tifffile cannot undo on its own.

    Raises:
        ValueError: where OpenCV and Pillow cannot do so either.
    """
    shape = page.shape if not page.axes.startswith("S") else (*page.shape[1:], page.shape[0])
    with quiet_stderr():
        for read in (_by_opencv, _by_pillow):
            pixels = read(page, data)
            if pixels is not None and pixels.dtype == page.dtype.newbyteorder("=") and pixels.shape == shape:
                return pixels if not page.axes.startswith("S") else np.moveaxis(pixels, -1, 0)
    name = getattr(page.compression, "name", page.compression)
    raise ValueError(f"its compression ({name}) cannot be undone for this depth and these channels; pip install imagecodecs")


def _by_opencv(page: Any, data: bytes) -> np.ndarray | None:
    import cv2

    if page.photometric not in (1, 2):
        return None
    tag = page.tags.get(ORIENTATION_TAG)
    if tag:  # OpenCV would turn the image, and turning is done once, for every reader alike: tell it that it is upright
        at = tag.valueoffset
        data = data[:at] + struct.pack(page.parent.byteorder + "H", 1) + data[at + 2 :]
    try:
        found, pages = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if not found or page.index >= len(pages):
        return None
    pixels: np.ndarray = pages[page.index]
    return pixels if pixels.ndim == 2 or pixels.shape[2] > 4 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _by_pillow(page: Any, data: bytes) -> np.ndarray | None:
    from PIL.TiffImagePlugin import TiffImageFile

    if page.samplesperpixel > 1:
        return None
    try:
        image = TiffImageFile(BytesIO(data))
        image.seek(page.index)
        pixels = np.asarray(image)
    except Exception:  # it fails in any way on what it does not read
        return None
    return pixels.astype(page.dtype.newbyteorder("=")) if pixels.dtype.kind in "iuf" else None
