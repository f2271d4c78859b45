"""What an image file carries besides its pixels: colour profile, resolution, and what a model does not keep, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nint.errors import UsageError, listed
from nint.settings import whole
from nint.signals.pixels import ORIENTATION_TAG

PROFILE_LIMIT = 2**19
"""Bytes of the largest colour profile that travels in a model. Those of cameras and screens have 0.5 to 60 KB."""

_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}
_EXIF_PART, _GPS_PART = 34665, 34853
_NO_DPI = (72, 96)
_PICTURES_OF_MPO = 0xB001
_SRGB_GAMMA = 0.45455
_DEPTHS = (8, 10, 12, 14, 16)
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)

INKS = "The inks (CMYK) of '{}' are turned into RGB by a plain formula, so that its colours are approximate."
"""Sentence on a picture of inks, to be filled with its name."""


@dataclass(frozen=True, eq=False)
class Picture:
    """An image as its file gives it.

    Attributes:
        pixels: `[h, w]` or `[h, w, c]`, as `nint.signals.image.files.read_image` returns them.
        profile: ICC colour profile of the pixels; empty where there is none.
        dpi: Pixels an inch along x and y; None where the file does not tell.
        observed: `[h, w]` bool, false where the file's "no data" number stands; None where every pixel counts.
        notes: Sentences on what the file holds that is not here.
    """

    pixels: np.ndarray
    profile: bytes = b""
    dpi: tuple[float, float] | None = None
    observed: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def picture_of(pixels: np.ndarray, image: Any, name: str, orientation: int, further: Sequence[str] = ()) -> Picture:
    """The pixels of a PIL image with what its header carries.

    Args:
        pixels: As decoded, upright.
        image: The PIL image, still with its `info`.
        name: What the sentences call it.
        orientation: How its pixels were stored, 1 to 8.
        further: What else the file carries that is not kept.
    """
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    profile, note = checked_profile(image.info.get("icc_profile"), channels, name)
    dpi = upright_dpi(image.info.get("dpi"), orientation)
    inks = INKS.format(name) if image.mode == "CMYK" else ""
    said = [*_frames(image, name), note, inks, not_kept([*left_out(image), *further], name)]
    return Picture(pixels, profile, dpi, notes=tuple(filter(None, said)))


def orientation_of(image: Any) -> int:
    """EXIF orientation of a PIL image, 1 where it has none."""
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data say nothing; the pixels are sound
        return 1


def checked_profile(profile: Any, channels: int, name: str) -> tuple[bytes, str]:
    """A colour profile that fits the channels, or none and a sentence that says why.

    Args:
        profile: Bytes, or whatever stands in their place.
        channels: Of the pixels: 1 grey, 2 grey+alpha, 3 RGB, 4 RGBA.
        name: What the sentence calls the file.

    Source: ICC.1:2022, 7.2: bytes 16 to 19 name the colour space, 36 to 39 are "acsp".
    """
    if not isinstance(profile, bytes) or not profile:
        return b"", ""
    if len(profile) < 128 or profile[36:40] != b"acsp":
        return b"", f"The colour profile of '{name}' is damaged and is not kept."
    if profile[16:20] != _SPACES[channels]:
        return b"", f"The colour profile of '{name}' is not for the channels that are fitted and is not kept."
    if len(profile) > PROFILE_LIMIT:
        return (
            b"",
            f"The colour profile of '{name}' has {len(profile):,} bytes, more than a model takes ({PROFILE_LIMIT:,}), and is not kept.",
        )
    return profile, ""


def told_dpi(dpi: Any) -> tuple[float, float] | None:
    """A file's resolution; None where it tells none, and for 72 and 96 both ways, which programs write where they know none."""
    found = checked_dpi(dpi)
    return None if found is None or any(all(abs(value - usual) < 0.05 for value in found) for usual in _NO_DPI) else found


def upright_dpi(dpi: Any, orientation: int) -> tuple[float, float] | None:
    """The resolution of a picture that was turned upright: its x is the file's y where that was by 90 degrees; else as `told_dpi`.

    Args:
        dpi: Along x and y of the stored pixels.
        orientation: How they are stored, 1 to 8, as in `pixels.upright`.
    """
    found = told_dpi(dpi)
    return (found[1], found[0]) if found and orientation in (5, 6, 7, 8) else found


def checked_dpi(dpi: Any) -> tuple[float, float] | None:
    """Two finite numbers from 1 to 10^6, or None."""
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return (x, y) if all(math.isfinite(value) and 1 <= value <= 1e6 for value in (x, y)) else None


def checked_depth(array: np.ndarray, depth: int | None, name: str) -> int:
    """Bits in use of a channel.

    Args:
        array: uint8, uint16 or floats.
        depth: As asked for; None takes, of 16 bits, the least of the depths of sensors and scanners that hold the largest value.
        name: What the message calls it.

    Raises:
        UsageError: for a depth of other than 16 bits, and one that does not hold the values.
    """
    bits = array.dtype.itemsize * 8
    if bits != 16:
        if depth is not None:
            raise UsageError(f"bit_depth={depth} does not apply to '{name}', which has {bits} bits a channel; it is for 16.")
        return bits
    top = int(array.max())
    if depth is None:
        return next(known for known in _DEPTHS if top < 2**known)
    if whole(depth, "bit_depth") > 16 or top >= 2**depth:
        raise UsageError(
            f"bit_depth={depth} does not fit '{name}', whose largest value is {top}; it must be from {top.bit_length()} to 16."
        )
    return depth


def left_out(image: Any) -> list[str]:
    """What a PIL image carries that a model does not keep: "EXIF data", "text", ..."""
    info, found = image.info, []
    try:
        tags = set(image.getexif())
    except Exception:  # damaged EXIF data
        tags = {_EXIF_PART}
    is_tiff = image.format == "TIFF"  # whose own tags are of the same kind
    if tags & {_EXIF_PART, _GPS_PART} if is_tiff else tags - {ORIENTATION_TAG}:
        found.append("EXIF data")
    if any("xmp" in str(key).lower() for key in info):
        found.append("XMP data")
    if "photoshop" in info:
        found.append("Photoshop data")
    if info.get("comment") or any("xmp" not in str(key).lower() for key in getattr(image, "text", {}) or {}):
        found.append("text")
    return [*found, *_of_colour(info), *_of_pixel_shape(info)]


def not_kept(what: Sequence[str], name: str) -> str:
    """The sentence that a model does not keep something of a file; empty where there is nothing.

    Args:
        what: What it is; what is there twice is said once.
        name: What the sentence calls the file.
    """
    said = list(dict.fromkeys(what))
    if not said:
        return ""
    return f"The model does not keep the {listed(said)} of '{name}'."


def _frames(image: Any, name: str) -> list[str]:
    further = _further_pictures(image)
    if further:
        are = "are" if further > 1 else "is"
        held = f"{further} further picture{'s' * (further > 1)} (MPO: another view, a burst, or a gain map for HDR)"
        return [f"'{name}' also holds {held}, which {are} left out."]
    try:
        frames = 1 if image.format in ("TIFF", "MPO") else int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged later frame; the first one was read
        frames = 1
    return [f"'{name}' holds {frames} frames, of which the first is fitted; --kind video fits them all."] if frames > 1 else []


def _further_pictures(image: Any) -> int:
    """Pictures behind the first one of a JPEG, by its index (CIPA DC-007, Multi-Picture Format)."""
    if "mp" not in image.info:
        return 0
    try:
        return max(0, int(image._getmp()[_PICTURES_OF_MPO]) - 1)
    except Exception:  # a damaged index; the first picture was read
        return 0


def _of_colour(info: dict[Any, Any]) -> list[str]:
    """What a PNG says of its colours, where neither a profile nor sRGB stands in its place, and it is other than sRGB."""
    if "srgb" in info or "icc_profile" in info:
        return []
    gamma, primaries, found = info.get("gamma"), info.get("chromaticity"), []
    if isinstance(gamma, float) and abs(gamma - _SRGB_GAMMA) > 1e-3:
        found.append(f"gamma {gamma:g}")
    if primaries and any(abs(own - usual) > 1e-3 for own, usual in zip(primaries, _SRGB_PRIMARIES, strict=False)):
        found.append("primaries (cHRM)")
    return found


def _of_pixel_shape(info: dict[Any, Any]) -> list[str]:
    """The shape of pixels that are not square, in a PNG or JPEG that tells no size with it."""
    x, y = info.get("aspect") or (info.get("jfif_density") if info.get("jfif_unit") == 0 else None) or (1, 1)
    return [f"shape of the pixels ({y}:{x})"] if x != y and x > 0 and y > 0 else []
