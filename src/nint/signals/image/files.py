"""Reading image files: PNG, JPEG, TIFF, WebP, BMP and GIF, 8 and 16 bits kept exactly, turned upright.

Three readers share the work, because none keeps everything. Pillow reads what has 8 bits a channel, and grey of 16 bits, but
silently reduces 16-bit colour to 8 bits: there OpenCV reads the PNG and tifffile the TIFF. Of files that hold several images
the first is read. Colour profiles are not applied but kept.
"""

from __future__ import annotations

import importlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import quiet_stderr, read_bytes, reason_of
from nint.settings import whole
from nint.signals.image.picture import Picture, orientation_of, picture_of
from nint.signals.image.png_colours import cicp_of
from nint.signals.pixels import PIXEL_LIMIT, check_packing, check_pixel_count, upright

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "Png"),
    (b"\xff\xd8\xff", "Jpeg"),
    (b"II*\0", "Tiff"),
    (b"MM\0*", "Tiff"),
    (b"II+\0", "Tiff"),
    (b"MM\0+", "Tiff"),
    (b"BM", "Bmp"),
    (b"GIF8", "Gif"),
)


@dataclass(frozen=True)
class EncodedImage:
    """The bytes of an image file that lies inside another file.

    Attributes:
        data: Its content.
        name: What messages call it.
    """

    data: bytes
    name: str

    @property
    def is_known(self) -> bool:
        """Whether its first bytes are those of a kind that `read_picture` reads."""
        return _kind(self.data) is not None


def read_image(path: str | Path) -> np.ndarray:
    """The pixels of `read_picture`.

    Raises:
        UsageError: as there.
    """
    return read_picture(path).pixels


def read_picture(path: str | Path | EncodedImage, max_points: int | None = None) -> Picture:
    """Reads an image file, upright as its EXIF orientation asks, with its colour profile and resolution.

    The kind of file is told by its first bytes, whatever its ending. Palettes become RGB (RGBA where an entry is transparent), CMYK
    and YCbCr become RGB, 1 bit becomes grey, a transparent colour becomes an alpha channel.

    Args:
        path: The file, or its content.
        max_points: Most pixels to read; None is `pixels.PIXEL_LIMIT`.

    Returns:
        Pixels `[h, w]` (grey) or `[h, w, c]` (2 grey+alpha, 3 RGB, 4 RGBA), uint8, uint16 or, from a float TIFF, float32; and the rest.

    Raises:
        UsageError: for a file that is missing, empty, cut short, damaged, of another depth, no image, or of more pixels than may be read.
    """
    from PIL import Image

    given = path
    path = Path(given.name if isinstance(given, EncodedImage) else given)
    data = given.data if isinstance(given, EncodedImage) else read_bytes(path, "an image file")
    kind = _kind(data)
    if kind is None:
        raise UsageError(f"'{path}' is not an image that can be read; PNG, JPEG, TIFF, WebP, BMP and GIF are.")
    limit = PIXEL_LIMIT if max_points is None else whole(max_points, "max_points")
    try:
        with quiet_stderr():
            return {"Png": _read_png, "Tiff": _read_tiff}.get(kind, _read_plain)(path, data, kind, limit)
    except UsageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UsageError(f"'{path}' may be a decompression bomb: {str(error).split(',')[0]}.") from error
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except Exception as error:  # the readers fail in every way on damaged files; the message carries their reason
        raise UsageError(f"'{path}' is damaged or cut short: {reason_of(error)}.") from error


def pil_to_array(image: Any, grey_step: int = 1) -> np.ndarray:
    """A loaded PIL image -> its pixels, upright as its EXIF orientation asks; shapes and types as in `read_image`.

    Args:
        image: The image.
        grey_step: As `load` gave it.

    Raises:
        UsageError: for 32-bit integers beyond 16 bits, which no channel of ours can hold.
    """
    key = image.info.get("transparency")
    if image.mode == "I" or image.mode.startswith("I;16"):
        array = np.asarray(image)
        if array.size and not 0 <= array.min() <= array.max() <= 65535:
            raise UsageError("The image has integers beyond 16 bits; scale it to 8 or 16 bits, or to floats in [0, 1].")
        array = _with_key(array.astype(np.uint16), key)
    elif image.mode == "L" and grey_step > 1:
        array = _with_key(np.asarray(image), key * grey_step if isinstance(key, int) else None)
    elif image.mode == "F":
        array = np.asarray(image, dtype=np.float32)
    else:
        grey = image.mode in ("1", "L", "LA", "La")
        mode = ("LA" if grey else "RGBA") if image.has_transparency_data else ("L" if grey else "RGB")
        array = np.asarray(image if image.mode == mode else image.convert(mode))
    return upright(array, orientation_of(image))


def load(image: Any) -> tuple[int, int]:
    """Loads the pixels of a PIL image.

    Returns:
        (difference of neighbouring greys, orientation as stored). The first is 85 of 2 bits and 17 of 4 bits, else 1: Pillow spreads such
        pixels over 8 bits, but tells the transparent grey as the file has it.

    Raises:
        Exception: of any type, for a damaged file.
    """
    raw = str(image.tile[0][3]) if getattr(image, "tile", None) else ""
    stored = orientation_of(image) if image.format == "TIFF" else 1  # which Pillow turns on its own, and then tells 1
    image.load()
    return {"L;2": 85, "L;4": 17}.get(raw, 1), max(stored, orientation_of(image))


def _with_key(grey: np.ndarray, key: Any) -> np.ndarray:
    """Grey pixels with an alpha channel that is 0 where they have the transparent grey; themselves where there is none."""
    if not isinstance(key, int):
        return grey
    return np.stack([grey, np.where(grey == key, 0, np.iinfo(grey.dtype).max).astype(grey.dtype)], axis=-1)


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def _open(path: Path, data: bytes, kind: str, limit: int) -> Any:
    # The reader's class itself, not Image.open: that one would apply Pillow's own, global pixel limit before ours.
    module = importlib.import_module(f"PIL.{kind}ImagePlugin")
    image = getattr(module, f"{kind}ImageFile")(io.BytesIO(data))
    width, height = image.size
    check_pixel_count(path, width, height, limit)
    check_packing(path, width * height * len(image.getbands()), len(data))
    return image


def _read_plain(path: Path, data: bytes, kind: str, limit: int) -> Picture:
    image = _open(path, data, kind, limit)
    _, orientation = load(image)
    pixels = pil_to_array(image)
    if kind == "WebP" and getattr(image, "is_animated", False) and pixels.shape[2:] == (4,) and (pixels[..., 3] == 255).all():
        pixels = np.ascontiguousarray(pixels[..., :3])  # every animation has an alpha channel, whether or not it is used
    return picture_of(pixels, image, path.name, orientation)


def _read_png(path: Path, data: bytes, kind: str, limit: int) -> Picture:
    image = _open(path, data, kind, limit)
    if data.rfind(b"IEND") < 0:
        raise ValueError("its last chunk is missing")
    # Also where OpenCV reads the pixels below: Pillow refuses a file cut short, OpenCV may fill the rest in.
    step, orientation = load(image)
    if data[12:16] != b"IHDR":
        raise ValueError("its header is not its first chunk")
    depth, colour = data[24], data[25]
    further = cicp_of(data)
    if depth != 16 or colour == 0:
        return picture_of(pil_to_array(image, step), image, path.name, orientation, further)

    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)  # BGR or BGRA, as stored
    if pixels is None or pixels.dtype != np.uint16:
        raise ValueError("OpenCV cannot decode it")
    order = [2, 3] if colour == 4 else [2, 1, 0, 3][: pixels.shape[2]]
    return picture_of(upright(pixels[..., order], orientation), image, path.name, orientation, further)


def _read_tiff(path: Path, data: bytes, kind: str, limit: int) -> Picture:
    from nint.signals.image.tiff_picture import read_deep_tiff, with_tags

    deep = read_deep_tiff(path, data, limit)
    return with_tags(_read_plain(path, data, kind, limit) if deep is None else deep, path, data)
