"""TIFF beyond 8 bits a channel: 16-bit and float pixels, exactly as stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import quiet_stderr
from nint.signals.image.tiff import quiet
from nint.signals.image.tiff_decode import check_whole, page_pixels
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

    with quiet("tifffile"), quiet_stderr(), tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        check_pixel_count(path, page.imagewidth, page.imagelength)
        if page.samplesperpixel > 4:
            raise UsageError(f"'{path}' has {page.samplesperpixel} bands, and an image has at most 4; --kind array fits them all.")
        if page.bitspersample <= 8 and page.sampleformat != 2:
            return None
        check_whole(page, len(data))
        is_float = page.dtype is not None and page.dtype.kind == "f"
        if not is_float and (page.bitspersample, page.dtype) != (16, np.uint16):
            signed = "signed " if page.sampleformat == 2 else ""
            raise UsageError(
                f"'{path}' has {page.bitspersample} bits a channel ({signed}whole numbers), which is not read as an image; "
                "--kind array fits it by the range of its values."
            )
        array = page_pixels(page, data)
        if is_float:
            array = array.astype(np.float32)
        if array.shape[:2] != (page.imagelength, page.imagewidth) or array.ndim not in (2, 3) or array.shape[2:] > (4,):
            raise UsageError(f"'{path}' holds pixels of the shape {array.shape}; an image is [h, w] or [h, w, c] with 1 to 4 channels.")
        tag = page.tags.get(ORIENTATION_TAG)
        return upright(_tiff_colours(path, page, array), int(tag.value) if tag else 1)


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
