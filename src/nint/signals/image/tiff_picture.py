"""TIFF as an image: 16-bit and float pixels exactly as stored, the pixels that have no value, and what of the file is left out."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import quiet_stderr
from nint.signals.image.picture import INKS, Picture, checked_profile, not_kept, upright_dpi
from nint.signals.image.tiff import PROFILE_TAG, nodata_of, quiet
from nint.signals.image.tiff_axes import NOT_ON_EARTH, axis_spacing, bands_of, lies_on_earth, print_resolution
from nint.signals.image.tiff_decode import check_whole, page_pixels
from nint.signals.image.tiff_words import blocks_of, words_left_out
from nint.signals.pixels import ORIENTATION_TAG, check_packing, check_pixel_count, upright

_APART = 2  # of tag 284, PlanarConfiguration: channels one after the other
_UNSAID, _MULTIPLIED = (0,), (1,)  # of tag 338, ExtraSamples: what a channel beyond the colours is
_COLOURS = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3}


def read_deep_tiff(path: Path, data: bytes, limit: int) -> Picture | None:
    """The first page of a TIFF of 16 bits or floats, upright; None where it has 8 bits or less, which Pillow reads.

    Pillow does not read 8 bits of which the channels are stored one after the other, with one that is no colour; they are read here.

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
        if bands_of(page) > 2:
            raise UsageError(f"'{path}' has {bands_of(page)} bands that it does not call colours; --kind array fits them all.")
        by_bands = page.bitspersample == 8 and page.planarconfig == _APART and len(page.extrasamples) > 0
        if page.bitspersample <= 8 and page.sampleformat != 2 and not by_bands:
            return None
        check_packing(path, page.nbytes, len(data))
        check_whole(page, len(data))
        is_float = page.dtype is not None and page.dtype.kind == "f"
        if not is_float and (page.bitspersample, page.dtype) not in ((8, np.uint8), (16, np.uint16)):
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
        orientation = int(tag.value) if tag else 1
        pixels = upright(_tiff_colours(path, page, array), orientation)
        stored = page.tags.get(PROFILE_TAG)
        profile, note = checked_profile(stored and stored.value, 1 if pixels.ndim == 2 else pixels.shape[2], path.name)
        notes = [note, not_kept(blocks_of(page), path.name)]
        notes += [INKS.format(path.name)] if page.photometric.name == "SEPARATED" else []
        if is_float and page.bitspersample != 32:
            notes.append(f"The {page.bitspersample}-bit floats of '{path.name}' are fitted, and written, as 32-bit ones.")
        dpi = upright_dpi(print_resolution(page), orientation)
        return Picture(pixels, profile, dpi, notes=tuple(filter(None, notes)))


def with_tags(picture: Picture, path: Path, data: bytes) -> Picture:
    """A picture with what only tifffile tells: where its file has no value (GDAL's tag 42113), and what else it says and holds.

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
        notes = [*picture.notes, *_of_extra_channel(page, path.name), *_of_place(file, path.name), *words_left_out(file, path.name)]
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


def _of_extra_channel(page: Any, name: str) -> list[str]:
    """Sentences on a channel beyond the colours, where it is other than plain alpha."""
    if _extra_channel(page) == _MULTIPLIED:
        return [f"The colours of '{name}' are stored multiplied by alpha; they are fitted divided by it, and black where it is 0."]
    if _extra_channel(page) == _UNSAID:
        return [f"'{name}' has a further channel that it does not call alpha, which is left out; --kind array fits it."]
    return []


def _of_place(file: Any, name: str) -> list[str]:
    """Sentences on the size of a pixel and its place on Earth, which an image does not keep."""
    notes: list[str] = []
    spacing: dict[str, float] = {}
    units: dict[str, str] = {}
    with contextlib.suppress(Exception):  # damaged words on the axes; the pixels are sound
        spacing, units = axis_spacing(file)
    sizes = ", ".join(f"{axis.lower()} {spacing[axis]:g} {units.get(axis, '')}".rstrip() for axis in "YX" if axis in spacing)
    if sizes:
        notes.append(f"The size of a pixel of '{name}' ({sizes}) is not kept; --kind array keeps it in a .tif.")
    return [*notes, NOT_ON_EARTH] if lies_on_earth(file.pages[0]) else notes


def _tiff_colours(path: Path, page: Any, array: np.ndarray) -> np.ndarray:
    white = array.dtype.type(1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max)
    photometric = page.photometric.name
    array = _apart_from_alpha(array, _extra_channel(page), white)
    if photometric == "MINISWHITE":
        inverted = np.array(array)
        grey = inverted if array.ndim == 2 else inverted[..., 0]  # alpha stays as it is
        np.subtract(white, grey, out=grey)
        return inverted
    if photometric == "SEPARATED" and array.ndim == 3 and array.shape[2] == 4:  # CMYK
        inks = white - array.astype(np.float64)
        rgb: np.ndarray = inks[..., :3] * inks[..., 3:] / white
        rounded: np.ndarray = rgb if array.dtype.kind == "f" else np.rint(rgb)
        return rounded.astype(array.dtype)
    if photometric in ("MINISBLACK", "RGB"):
        return array
    raise UsageError(f"'{path}' is a TIFF of {photometric} with {page.bitspersample} bits a channel, which is not read; convert it to RGB.")


def _extra_channel(page: Any) -> tuple[int, ...]:
    """What the file says of the one channel that a page has beyond its colours; () where it has none or several, or says nothing."""
    colours = _COLOURS.get(getattr(page.photometric, "name", ""), 0)
    alone = colours and page.samplesperpixel == colours + 1 and len(page.extrasamples) == 1
    return tuple(map(int, page.extrasamples)) if alone else ()


def _apart_from_alpha(array: np.ndarray, extra: tuple[int, ...], white: Any) -> np.ndarray:
    """Colours that the file has multiplied by alpha, divided by it, 0 where it is 0; a channel that is not said to be alpha is dropped.

    Args:
        array: `[h, w]` or `[h, w, c]`.
        extra: As `_extra_channel` gives it.
        white: The number of full alpha.

    Source: TIFF 6.0, section 18, ExtraSamples.
    """
    if extra == _UNSAID:
        return array[..., 0] if array.shape[2] == 2 else array[..., :-1]
    if extra != _MULTIPLIED:
        return array
    colours, alpha = array[..., :-1].astype(np.float64), array[..., -1:]
    with np.errstate(invalid="ignore"):  # infinity, which is refused later
        divided = np.divide(colours * float(white), alpha, out=np.zeros_like(colours), where=alpha != 0)
    if array.dtype.kind != "f":
        divided = np.rint(np.minimum(divided, float(white)))
    return np.concatenate([divided.astype(array.dtype), alpha], axis=2)
