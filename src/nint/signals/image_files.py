"""Reading image files: PNG, JPEG, TIFF, WebP and BMP, 8 and 16 bits kept exactly, turned upright.

Three readers share the work, because none keeps everything. Pillow reads what has 8 bits a channel, and grey of 16 bits, but
silently reduces 16-bit colour to 8 bits: there OpenCV reads the PNG and tifffile the TIFF. Of files that hold several images
the first is read. Colour profiles are not applied.
"""

from __future__ import annotations

import importlib
import io
import struct
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError

PIXEL_LIMIT = 2**28
"""Most pixels that a file may claim to hold; more is taken for a decompression bomb."""

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "Png"),
    (b"\xff\xd8\xff", "Jpeg"),
    (b"II*\0", "Tiff"),
    (b"MM\0*", "Tiff"),
    (b"II+\0", "Tiff"),
    (b"MM\0+", "Tiff"),
    (b"BM", "Bmp"),
)
_ORIENTATION_TAG = 274


def read_image(path: str | Path) -> np.ndarray:
    """Reads the pixels of an image file, upright as its EXIF orientation asks.

    The kind of file is told by its first bytes, whatever its ending. Palettes become RGB (RGBA where an entry is transparent), CMYK
    and YCbCr become RGB, 1 bit becomes grey, a transparent colour becomes an alpha channel.

    Returns:
        `[h, w]` (grey) or `[h, w, c]` (2 grey+alpha, 3 RGB, 4 RGBA), uint8, uint16 or, from a float TIFF, float32.

    Raises:
        UsageError: for a file that is missing, empty, cut short, damaged, of more than `PIXEL_LIMIT` pixels, of another depth, or no image.
    """
    from PIL import Image

    path = Path(path)
    data = _read_bytes(path)
    kind = _kind(data)
    if kind is None:
        raise UsageError(f"'{path}' is not an image that can be read; PNG, JPEG, TIFF, WebP and BMP are.")
    try:
        return {"Png": _read_png, "Tiff": _read_tiff}.get(kind, _read_plain)(path, data, kind)
    except UsageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UsageError(f"'{path}' may be a decompression bomb: {str(error).split(',')[0]}.") from error
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except Exception as error:  # the readers fail in every way on damaged files; the message carries their reason
        reason = str(error).strip().rstrip(".") or type(error).__name__
        raise UsageError(f"'{path}' is damaged or cut short: {reason}.") from error


def pil_to_array(image: Any) -> np.ndarray:
    """A loaded PIL image -> its pixels, upright as its EXIF orientation asks; shapes and types as in `read_image`.

    Raises:
        UsageError: for 32-bit integers beyond 16 bits, which no channel of ours can hold.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        array = np.asarray(image)
        if array.size and not 0 <= array.min() <= array.max() <= 65535:
            raise UsageError("The image has integers beyond 16 bits; scale it to 8 or 16 bits, or to floats in [0, 1].")
        array = array.astype(np.uint16)
        key = image.info.get("transparency")
        if isinstance(key, int):
            array = np.stack([array, np.where(array == key, 0, 65535).astype(np.uint16)], axis=-1)
    elif image.mode == "F":
        array = np.asarray(image, dtype=np.float32)
    else:
        grey = image.mode in ("1", "L", "LA", "La")
        mode = ("LA" if grey else "RGBA") if image.has_transparency_data else ("L" if grey else "RGB")
        array = np.asarray(image if image.mode == mode else image.convert(mode))
    return _upright(array, _orientation(image))


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give an image file.")
    if not path.exists():
        raise UsageError(f"There is no file '{path}'.")
    if not path.is_file():
        raise UsageError(f"'{path}' is not a regular file.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if not data:
        raise UsageError(f"'{path}' is empty.")
    return data


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > PIXEL_LIMIT:
        raise UsageError(f"'{path}' claims {width * height} pixels ({width}x{height}), more than the limit of {PIXEL_LIMIT}.")


def _open(path: Path, data: bytes, kind: str) -> Any:
    # The reader's class itself, not Image.open: that one would apply Pillow's own, global pixel limit before ours.
    module = importlib.import_module(f"PIL.{kind}ImagePlugin")
    image = getattr(module, f"{kind}ImageFile")(io.BytesIO(data))
    _check_size(path, *image.size)
    return image


def _read_plain(path: Path, data: bytes, kind: str) -> np.ndarray:
    image = _open(path, data, kind)
    image.load()
    return pil_to_array(image)


def _read_png(path: Path, data: bytes, kind: str) -> np.ndarray:
    image = _open(path, data, kind)
    if b"IEND" not in data[-4096:] and b"IEND" not in data:
        raise ValueError("its last chunk is missing")
    image.load()  # also where OpenCV reads the pixels below: Pillow refuses a file cut short, OpenCV may fill the rest in
    if data[12:16] != b"IHDR":
        raise ValueError("its header is not its first chunk")
    depth, colour = data[24], data[25]
    if depth != 16 or colour == 0:
        return pil_to_array(image)

    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # BGR or BGRA, as stored
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("OpenCV cannot decode it")
    order = [2, 3] if colour == 4 else [2, 1, 0, 3][: pixels.shape[2]]
    return _upright(pixels[..., order], _orientation(image))


def _read_tiff(path: Path, data: bytes, kind: str) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        _check_size(path, page.imagewidth, page.imagelength)
        if page.bitspersample <= 8:
            return _read_plain(path, data, kind)
        ends = (start + count for start, count in zip(page.dataoffsets, page.databytecounts, strict=True))
        if max(ends, default=0) > len(data):
            raise ValueError("its pixels end early")
        is_float = page.dtype is not None and page.dtype.kind == "f"
        if not is_float and (page.bitspersample, page.dtype) != (16, np.uint16):
            raise UsageError(f"'{path}' has {page.bitspersample} bits a channel of a kind that is not read; use 8 or 16 bits, or floats.")
        array = _tiff_pixels(page, data)
        tag = page.tags.get(_ORIENTATION_TAG)
        return _upright(_tiff_colours(path, page, array), int(tag.value) if tag else 1)


def _tiff_pixels(page: Any, data: bytes) -> np.ndarray:
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
    """The pixels of a page whose compression (LZW) tifffile cannot undo on its own."""
    import cv2

    tag = page.tags.get(_ORIENTATION_TAG)
    if tag:  # OpenCV would turn the image, and turning is done once, for every reader alike: tell it that it is upright
        at = tag.valueoffset
        data = data[:at] + struct.pack(page.parent.byteorder + "H", 1) + data[at + 2 :]
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.dtype != page.dtype or pixels.shape != page.shape or page.photometric not in (1, 2):
        raise ValueError(f"its compression ({page.compression.name}) cannot be undone for this depth and these channels")
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _tiff_colours(path: Path, page: Any, array: np.ndarray) -> np.ndarray:
    white = array.dtype.type(1 if array.dtype.kind == "f" else 65535)
    photometric = page.photometric.name
    if photometric == "MINISWHITE":
        return white - array
    if photometric == "SEPARATED" and array.ndim == 3 and array.shape[2] == 4:  # CMYK
        inks = white - array.astype(np.float64)
        rgb = inks[..., :3] * inks[..., 3:] / white
        return rgb.astype(array.dtype) if array.dtype.kind == "f" else np.rint(rgb).astype(array.dtype)
    if photometric in ("MINISBLACK", "RGB"):
        return array
    raise UsageError(f"'{path}' is a TIFF of {photometric} with {page.bitspersample} bits a channel, which is not read; convert it to RGB.")


def _orientation(image: Any) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # damaged EXIF data say nothing; the pixels are sound
        return 1


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Turns stored pixels upright. EXIF 2.3, tag 274: 1 to 8 say where the stored first row and column belong."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return np.ascontiguousarray(array)
