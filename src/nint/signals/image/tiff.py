"""TIFF beyond 8 bits a channel: 16-bit and float pixels, exactly as stored."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.signals.pixels import ORIENTATION_TAG, check_pixel_count, upright


def read_deep_tiff(path: Path, data: bytes) -> np.ndarray | None:
    """The first page of a TIFF of 16 bits or floats, upright; None where it has 8 bits or less, which Pillow reads.

    Args:
        path: Named in messages.
        data: The whole file.

    Raises:
        UsageError: for a depth, a colour space or a shape that is not read.
        Exception: of any type, for a damaged file.
    """
    import tifffile

    with quiet("tifffile"), tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        check_pixel_count(path, page.imagewidth, page.imagelength)
        if page.bitspersample <= 8:
            return None
        _check_whole(page, len(data))
        is_float = page.dtype is not None and page.dtype.kind == "f"
        if not is_float and (page.bitspersample, page.dtype) != (16, np.uint16):
            raise UsageError(f"'{path}' has {page.bitspersample} bits a channel of a kind that is not read; use 8 or 16 bits, or floats.")
        array = _tiff_pixels(page, data)
        if is_float:
            array = array.astype(np.float32)
        if array.shape[:2] != (page.imagelength, page.imagewidth) or array.ndim not in (2, 3) or array.shape[2:] > (4,):
            raise UsageError(f"'{path}' holds pixels of the shape {array.shape}; an image is [h, w] or [h, w, c] with 1 to 4 channels.")
        tag = page.tags.get(ORIENTATION_TAG)
        return upright(_tiff_colours(path, page, array), int(tag.value) if tag else 1)


def _check_whole(page: Any, file_size: int) -> None:
    """Tifffile fills strips and tiles that are missing with zeros; here they are an error.

    Raises:
        ValueError: for a page of which some are.
    """
    starts, counts = page.dataoffsets, page.databytecounts
    missing = len(starts) != len(counts) or len(starts) < math.prod(page.chunked) or min(counts, default=0) < 1
    beyond = any(start + count > file_size for start, count in zip(starts, counts, strict=False))
    if missing or beyond or (page.compression == 1 and sum(counts) < page.nbytes):
        raise ValueError("its pixels end early")


@contextlib.contextmanager
def quiet(logger: str) -> Iterator[None]:
    """Drops what a library logs about a damaged file: the error that follows says it in one sentence."""

    def drop(record: logging.LogRecord) -> bool:
        return False

    log = logging.getLogger(logger)
    log.addFilter(drop)
    try:
        yield
    finally:
        log.removeFilter(drop)


def _tiff_pixels(page: Any, data: bytes) -> np.ndarray:
    array: np.ndarray
    try:
        array = page.asarray()
    except (KeyError, ValueError) as error:
        if "imagecodecs" not in str(error):
            raise
        array = _tiff_pixels_by_opencv(page, data)
    if page.axes.startswith("S"):  # channels stored one after the other
        array = np.moveaxis(array, 0, -1)
    return array


def _tiff_pixels_by_opencv(page: Any, data: bytes) -> np.ndarray:
    """The pixels of a page whose compression (LZW) tifffile cannot undo on its own.

    Raises:
        ValueError: where OpenCV cannot do so either.
    """
    import cv2

    tag = page.tags.get(ORIENTATION_TAG)
    if tag:  # OpenCV would turn the image, and turning is done once, for every reader alike: tell it that it is upright
        at = tag.valueoffset
        data = data[:at] + struct.pack(page.parent.byteorder + "H", 1) + data[at + 2 :]
    pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != page.dtype or pixels.shape != page.shape or page.photometric not in (1, 2):
        raise ValueError(f"its compression ({page.compression.name}) cannot be undone for this depth and these channels")
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _tiff_colours(path: Path, page: Any, array: np.ndarray) -> np.ndarray:
    white = array.dtype.type(1 if array.dtype.kind == "f" else 65535)
    photometric = page.photometric.name
    if photometric == "MINISWHITE":
        return np.asarray(white - array)
    if photometric == "SEPARATED" and array.ndim == 3 and array.shape[2] == 4:  # CMYK
        inks = white - array.astype(np.float64)
        rgb: np.ndarray = inks[..., :3] * inks[..., 3:] / white
        rounded: np.ndarray = rgb if array.dtype.kind == "f" else np.rint(rgb)
        return rounded.astype(array.dtype)
    if photometric in ("MINISBLACK", "RGB"):
        return array
    raise UsageError(f"'{path}' is a TIFF of {photometric} with {page.bitspersample} bits a channel, which is not read; convert it to RGB.")
