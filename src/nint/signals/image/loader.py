"""From files, arrays and PIL images to image signals: whole, masked, or for super-resolution."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import reason_of
from nint.signals.image.files import EncodedImage, load, pil_to_array, read_picture
from nint.signals.image.masked import filled, masked_image, with_values
from nint.signals.image.picture import Picture, picture_of
from nint.signals.image.signal import ImageSignal
from nint.signals.image.super_resolution import SuperResolutionSignal
from nint.signals.masks import unmasked
from nint.signals.pixels import checked_pixels, downsample


def from_array(
    array: np.ndarray,
    name: str = "array",
    max_side: int | None = None,
    super_resolution: int | None = None,
    downsampling: str | None = None,
    transparent: str | None = None,
    bit_depth: int | None = None,
) -> ImageSignal:
    """An array as in the constructor, with the options of `load_image`; floats that are NaN are unobserved.

    Raises:
        UsageError: for an array that cannot be fitted, and options that contradict each other.
    """
    return _from_picture(Picture(np.asarray(unmasked(array, name))), name, max_side, super_resolution, downsampling, transparent, bit_depth)


def from_pil(image: Any, name: str | None = None, **options: Any) -> ImageSignal:
    """A PIL image of any mode, upright as its EXIF orientation asks.

    Args:
        image: The image, or an opened file of one.
        name: Where it came from; its file where None.
        **options: Those of `load_image`.

    Raises:
        UsageError: also for a file of 16-bit colour that was opened with Pillow, which would reduce it to 8 bits.
    """
    name = name or Path(getattr(image, "filename", "") or "PIL image").name
    raw_modes = [str(tile[3]) for tile in getattr(image, "tile", [])]
    if any(";16" in raw for raw in raw_modes) and not image.mode.startswith("I"):
        raise UsageError(f"'{name}' has 16 bits a channel, which Pillow reduces to 8; give the file's path instead.")
    try:
        step, orientation = load(image)
    except Exception as error:  # a damaged file behind the image fails in any way
        raise UsageError(f"'{name}' cannot be read: {reason_of(error)}.") from error
    return _from_picture(picture_of(pil_to_array(image, step), image, name, orientation), name, **options)


def load_image(
    path: str | Path | EncodedImage,
    max_side: int | None = None,
    super_resolution: int | None = None,
    downsampling: str | None = None,
    transparent: str | None = None,
    bit_depth: int | None = None,
    max_points: int | None = None,
    *,
    name: str | None = None,
) -> ImageSignal:
    """Loads an image file; formats, modes and depths as in `nint.signals.image.files.read_picture`.

    Args:
        path: The file, or its content.
        max_side: Longest side in pixels; a larger image is averaged down to it, its aspect and bit depth kept.
        super_resolution: Fit the image downsampled by this whole factor, and measure on the whole of it; see
            `nint.signals.image.super_resolution`.
        downsampling: How super-resolution downsamples: "box" (its default) or "bicubic".
        transparent: "fit" (the default): alpha is a channel like the others. "unobserved": alpha is dropped, and pixels of which it is
            0 are left out of training.
        bit_depth: Bits in use of 16, where the values do not tell; see `ImageSignal`.
        max_points: Most pixels to read; 2^28 where None.
        name: Name for records; the file's own where None.

    Raises:
        UsageError: for a file that cannot be read or an image that cannot be fitted.
    """
    picture = read_picture(path, max_points)
    told = Path(path.name if isinstance(path, EncodedImage) else path).name
    return _from_picture(picture, name or told, max_side, super_resolution, downsampling, transparent, bit_depth)


def _from_picture(
    picture: Picture,
    name: str,
    max_side: int | None = None,
    super_resolution: int | None = None,
    downsampling: str | None = None,
    transparent: str | None = None,
    bit_depth: int | None = None,
) -> ImageSignal:
    array, present = picture.pixels, picture.observed
    if max_side is not None:
        present = with_values(array, present)
        array = downsample(checked_pixels(array if present is None else filled(array, present, name), name), max_side)
        if present is not None:  # a mean over an area counts where all of the area has a value
            present = downsample((~present).astype(np.float32), max_side) == 0
    source = dataclasses.replace(picture, pixels=array)
    if picture.dpi is not None and max_side is not None:
        reduced = array.shape[1] / picture.pixels.shape[1]
        source = dataclasses.replace(source, dpi=(picture.dpi[0] * reduced, picture.dpi[1] * reduced))
    masked = masked_image(array, name, transparent, reduced=max_side is not None, present=present, depth=bit_depth, source=source)
    if masked is not None:
        if super_resolution is not None:
            raise UsageError("super_resolution needs every pixel; leave it away for an image with unobserved ones.")
        return masked
    if super_resolution is None and downsampling is None:
        return ImageSignal(array, name, depth=bit_depth, source=source)
    if super_resolution is None:
        raise UsageError(f"downsampling={downsampling} has no effect without super_resolution; give that too.")
    return SuperResolutionSignal(array, super_resolution, name, downsampling or "box", depth=bit_depth, source=source)
