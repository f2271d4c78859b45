"""Writing image files, 8 and 16 bits exactly, in the format of the file's ending."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError, nearest
from nint.files import move_into_place, temporary_beside
from nint.signals.pixels import DTYPES

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
    ".bmp": "BMP",
}
"""File ending -> format."""

JPEG_QUALITY = 95
_INCH_M = 0.0254
_MOST_DPI_OF_JPEG = 65_535

_KEEP_16_BITS = ("PNG", "TIFF")
_KEEP_ALPHA = ("PNG", "TIFF", "WEBP")


def write_image(array: np.ndarray, path: str | Path, *, profile: bytes = b"", dpi: tuple[float, float] | None = None) -> None:
    """Writes pixels in the format of the file's ending; a file that is there is replaced in one step, or kept where anything fails.

    PNG, TIFF, BMP and WebP (lossless) keep every value, JPEG (quality 95) nearly. WebP knows no grey and stores it as RGB. Float pixels are
    exact in TIFF; other endings round them to the most bits that they hold: 16 in PNG, 8 elsewhere. BMP holds no colour profile, and WebP
    no resolution and none of grey.

    Args:
        array: `[h, w]` or `[h, w, c]` with c from 1 to 4; uint8, uint16, or float in [0, 1].
        path: Where to write, with one of the endings of `FORMATS`.
        profile: ICC colour profile of the pixels.
        dpi: Pixels an inch along x and y.

    Raises:
        UsageError: where the ending is unknown or cannot hold these bits, this alpha channel or this size, or the file cannot be written.
    """
    path = Path(path)
    kind = format_of(path)
    array = np.asarray(array)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    channels = 1 if array.ndim == 2 else array.shape[-1]
    if array.ndim not in (2, 3) or not 1 <= channels <= 4 or array.size == 0:
        raise UsageError(f"Pixels of shape {array.shape} are not an image; use [h, w] or [h, w, c] with 1 to 4 channels.")
    ending = path.suffix.lower()
    if array.dtype == np.uint16 and kind not in _KEEP_16_BITS:
        raise UsageError(f"A 16-bit image cannot be written as {ending}; use {_endings(_KEEP_16_BITS)}, which keep 16 bits.")
    if channels in (2, 4) and kind not in _KEEP_ALPHA:
        raise UsageError(f"An image with alpha cannot be written as {ending}; use {_endings(_KEEP_ALPHA)}, which keep alpha.")
    array = np.ascontiguousarray(_stored(array, ending))
    try:
        data = _encode(array, kind, profile, dpi)
    except (OSError, ValueError, OverflowError, MemoryError) as error:  # Pillow's word for "too many pixels a side" differs by format
        size = f"{array.shape[1]}x{array.shape[0]}"
        raise UsageError(f"An image of {size} pixels cannot be written as {ending}: {str(error).strip().rstrip('.')}.") from error
    _replace(path, data)


def format_of(path: Path) -> str:
    """The format that a file's ending names.

    Raises:
        UsageError: for an ending that is not in `FORMATS`.
    """
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UsageError(f"'{path}' has no ending of an image format that can be written.{nearest(ending, FORMATS)}")
    return FORMATS[ending]


def stored_bits(ending: str) -> int:
    """Most bits of a channel in a file of this ending: 32 for floats."""
    kind = FORMATS.get(ending)
    return 32 if kind == "TIFF" else 16 if kind in _KEEP_16_BITS else 8


def _endings(kinds: tuple[str, ...]) -> str:
    *first, last = (ending for ending, kind in FORMATS.items() if kind in kinds)
    return f"{', '.join(first)} or {last}"


def _stored(array: np.ndarray, ending: str) -> np.ndarray:
    """The array in the type in which a file of the ending stores it.

    Raises:
        UsageError: for a type that no format stores.
    """
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype.kind != "f":
        raise UsageError(f"Pixels of type {array.dtype} cannot be written; use uint8, uint16 or floats in [0, 1].")
    bits = stored_bits(ending)
    if bits == 32:
        return array.astype(np.float32)
    numbers: np.ndarray = np.rint(np.clip(array.astype(np.float64), 0, 1) * (2**bits - 1))
    return numbers.astype(DTYPES[bits], copy=False)


def _encode(array: np.ndarray, kind: str, profile: bytes, dpi: tuple[float, float] | None) -> bytes:
    if kind == "TIFF":
        return _tiff(array, profile, dpi)
    if array.dtype == np.uint16 and array.ndim == 3:
        return _png16(array, profile, dpi)

    from PIL import Image

    known: dict[str, dict[str, Any]] = {"JPEG": {"quality": JPEG_QUALITY}, "WEBP": {"lossless": True, "exact": True}}
    options = dict(known.get(kind, {}))
    if profile and keeps_profile(kind, 1 if array.ndim == 2 else array.shape[2]):
        options["icc_profile"] = profile
    if dpi is not None and keeps_dpi(kind, dpi):
        options["dpi"] = dpi
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def keeps_profile(kind: str, channels: int) -> bool:
    """Whether a format has a place for a colour profile: BMP has none, and WebP no grey, which a profile of grey is for."""
    return kind != "BMP" and not (kind == "WEBP" and channels <= 2)


def keeps_dpi(kind: str, dpi: tuple[float, float]) -> bool:
    """Whether a format has a place for a print resolution: WebP has none, JPEG counts up to 65,535."""
    return kind != "WEBP" and not (kind == "JPEG" and max(dpi) > _MOST_DPI_OF_JPEG)


def _tiff(array: np.ndarray, profile: bytes, dpi: tuple[float, float] | None) -> bytes:
    import tifffile

    channels = 1 if array.ndim == 2 else array.shape[2]
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        array,
        photometric="rgb" if channels >= 3 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        compression="zlib",
        metadata=None,
        iccprofile=profile or None,
        resolution=dpi,
        resolutionunit="inch" if dpi else None,
    )
    return buffer.getvalue()


def _png16(array: np.ndarray, profile: bytes, dpi: tuple[float, float] | None) -> bytes:
    """A PNG of 16 bits with several channels. By hand, because Pillow reduces these to 8 bits and OpenCV has no grey+alpha.

    Source: PNG specification, third edition: chunks (5), big-endian samples (7.2), filter 1 "Sub" (9.2), iCCP (11.3.2.3), pHYs (11.3.4.3).
    """
    height, width, channels = array.shape
    pixel = 2 * channels
    lines = array.astype(">u2").reshape(height, -1).view(np.uint8)
    filtered = np.empty((height, 1 + width * pixel), np.uint8)
    filtered[:, 0] = 1
    filtered[:, 1 : 1 + pixel] = lines[:, :pixel]
    np.subtract(lines[:, pixel:], lines[:, :-pixel], out=filtered[:, 1 + pixel :])  # modulo 256, as the filter asks
    colour = {2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if profile:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    if dpi is not None:
        chunks.append((b"pHYs", struct.pack(">IIB", *(round(value / _INCH_M) for value in dpi), 1)))
    chunks += [(b"IDAT", zlib.compress(filtered.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _replace(path: Path, data: bytes) -> None:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give a file to write.")
    partial = None
    try:
        partial, mode = temporary_beside(path)
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        move_into_place(partial, path, mode)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be written: {error.strerror or error}.") from error
    finally:
        if partial is not None:
            with contextlib.suppress(OSError):
                partial.unlink()
