"""Pictures, sounds and numbers encoded as text in a page."""

from __future__ import annotations

import base64
import io
import math
import wave
from dataclasses import dataclass
from typing import Any

import numpy as np

_LOSSLESS_PIXELS = 160 * 160
_QUALITY = 86


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


def picture(pixels: np.ndarray, most: int) -> Picture:
    """Pixels as a data URI: WebP, or JPEG where Pillow lacks WebP; up to 160x160 pixels lossless.

    Args:
        pixels: `[h, w, 3]` in [0, 1]; NaN becomes a middle grey.
        most: Longest side in pixels; a larger picture is reduced.
    """
    from PIL import Image

    whole = np.round(255 * np.clip(np.nan_to_num(pixels, nan=0.5), 0, 1)).astype(np.uint8)
    return _encoded(Image.fromarray(whole), most)


def picture_file(path: Any, most: int) -> Picture | None:
    """A picture file as a data URI, transparent parts on white; None where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as file:
            file.load()
            image = file.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    ground = Image.new("RGBA", image.size, "white")
    return _encoded(Image.alpha_composite(ground, image).convert("RGB"), most)


def _encoded(image: Any, most: int) -> Picture:
    from PIL import Image, features

    if max(image.size) > most:
        scale = most / max(image.size)
        size = tuple(max(1, round(side * scale)) for side in image.size)
        image = image.resize(size, Image.Resampling.LANCZOS)
    file, small = io.BytesIO(), image.width * image.height <= _LOSSLESS_PIXELS
    if features.check("webp"):
        kind = "webp"
        image.save(file, "WEBP", quality=_QUALITY, lossless=small, method=4)
    elif small:
        kind = "png"
        image.save(file, "PNG", optimize=True)
    else:
        kind = "jpeg"
        image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return Picture(_uri(f"image/{kind}", file.getvalue()), *image.size)


def sound(samples: np.ndarray, sample_rate_hz: int) -> str:
    """Samples `[n, channels]` in [-1, 1] as a WAV file of 16 bits in a data URI."""
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(samples.shape[1])
        target.setsampwidth(2)
        target.setframerate(sample_rate_hz)
        target.writeframes(np.round(32767 * np.clip(samples, -1, 1)).astype("<i2").tobytes())
    return _uri("audio/wav", file.getvalue())


def numbers(values: np.ndarray) -> dict[str, str]:
    """An array in plotly's form: base64, type and shape."""
    values = np.ascontiguousarray(values)
    kind = {"float32": "f4", "int32": "i4", "uint16": "u2", "int8": "i1"}[values.dtype.name]
    found = {"dtype": kind, "bdata": base64.b64encode(values.astype(values.dtype.newbyteorder("<")).tobytes()).decode()}
    return found if values.ndim == 1 else found | {"shape": ", ".join(map(str, values.shape))}


def short(value: Any) -> float | int | None:
    """A number rounded to six significant figures; None for anything that is not a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(f"{value:.6g}")


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
