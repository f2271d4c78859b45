"""TIFF as an image: 16-bit and float pixels exactly as stored, the pixels that have no value, and the pages that are left out."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import quiet_stderr
from nint.signals.image.picture import Picture, checked_profile, told_dpi
from nint.signals.image.tiff import nodata_of, quiet
from nint.signals.image.tiff_axes import print_resolution
from nint.signals.image.tiff_decode import check_whole, page_pixels
from nint.signals.pixels import ORIENTATION_TAG, check_packing, check_pixel_count, upright

_PROFILE_TAG, _EXIF_TAGS = 34675, (34665, 34853)


def read_deep_tiff(path: Path, data: bytes, limit: int) -> Picture | None:
    """The first page of a TIFF of 16 bits or floats, upright; None where it has 8 bits or less, which Pillow reads.

    Args:
        path: Named in messages.
        data: The whole file.
        limit: Most pixels.

    Raises:
        UsageError: for a depth, a colour space or a shape that is not read.
        Exception: of any type, for a damaged file.
    """
    import tifffile

    with quiet("tifffile"), quiet_stderr(), tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        check_pixel_count(path, page.imagewidth, page.imagelength, limit)
        if page.samplesperpixel > 4:
            raise UsageError(f"'{path}' has {page.samplesperpixel} bands, and an image has at most 4; --kind array fits them all.")
        if page.bitspersample <= 8 and page.sampleformat != 2:
            return None
        check_packing(path, page.nbytes, len(data))
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
        pixels = upright(_tiff_colours(path, page, array), int(tag.value) if tag else 1)
        stored = page.tags.get(_PROFILE_TAG)
        profile, note = checked_profile(stored and stored.value, 1 if pixels.ndim == 2 else pixels.shape[2], path.name)
        exif = any(tag in page.tags for tag in _EXIF_TAGS)
        left_out = f"The model does not keep the EXIF data of '{path.name}'." if exif else ""
        return Picture(pixels, profile, told_dpi(print_resolution(page)), notes=tuple(filter(None, [note, left_out])))


def with_nodata(picture: Picture, path: Path, data: bytes) -> Picture:
    """A picture with what only tifffile tells: where its file has no value (GDAL's tag 42113), and that it has further pages.

    Args:
        picture: Of the first page, upright.
        path: Named in notes.
        data: The whole file.
    """
    import tifffile

    with quiet("tifffile"), tifffile.TiffFile(io.BytesIO(data)) as file:
        page: Any = file.pages[0]
        count = len(file.pages)
        nodata = nodata_of(page, picture.pixels.dtype)
        as_stored = getattr(page.photometric, "name", "") in ("MINISBLACK", "RGB")
    notes = list(picture.notes)
    if count > 1:
        notes.append(f"'{path.name}' holds {count} pages, of which the first is fitted; --kind array fits them where they are of one size.")
    observed = None
    if nodata is not None and as_stored:
        pixels = picture.pixels.reshape(*picture.pixels.shape[:2], -1)
        missing = (np.isnan(pixels) if nodata != nodata else pixels == pixels.dtype.type(nodata)).all(axis=-1)
        if missing.any():
            observed = ~missing
            notes.append(f"{int(missing.sum()):,} pixels of '{path.name}' hold its 'no data' value {nodata:g} and are unobserved.")
    return dataclasses.replace(picture, observed=observed, notes=tuple(notes))


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
