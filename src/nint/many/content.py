"""A short hash of a signal that is in memory, by which a dataset knows it again."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import numpy as np
import torch

from nint.signals.base import Signal

PREFIX = "memory:"
"""Of the sources of signals that were given in memory."""

_DIGITS = 16


def memory_source(value: Any) -> str:
    """What the index calls the source of a signal in memory: "memory:" and a hash of its content; the name of its type where it has none.

    Args:
        value: An array, a tensor, a PIL image or a `Signal`; other things are refused where they are fitted.

    Cost: a pass over its content; a PIL image of a file that is not decoded yet is decoded once more.
    """
    try:
        found = _digest(value)
    except Exception:  # a damaged file behind an image fails in any way; it is reported where it is fitted
        found = ""
    return f"{PREFIX}{found}" if found else type(value).__name__


def _digest(value: Any) -> str:
    """Hexadecimal digits; none for what has no content that is known."""
    if isinstance(value, Signal):
        return value.fingerprint()
    if isinstance(value, torch.Tensor):
        tensor = value.detach().cpu()
        value = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(value, np.ndarray):
        return "" if value.dtype.hasobject else _hash(f"{value.dtype.str} {value.shape}", np.ascontiguousarray(value).reshape(-1))

    from PIL import Image

    return _of_image(value) if isinstance(value, Image.Image) else ""


def _of_image(image: Any) -> str:
    """The hash of what an image shows, whether its file was decoded already or not."""
    from PIL import Image

    if not getattr(image, "tile", None):
        return _of_pixels(image)
    place = image.fp.tell()  # it stays undecoded: from_pil asks the file how many bits it has
    image.fp.seek(0)
    data = image.fp.read()
    image.fp.seek(place)
    with Image.open(io.BytesIO(data)) as copy:
        copy.seek(image.tell())
        return _of_pixels(copy)


def _of_pixels(image: Any) -> str:
    pixels = np.frombuffer(image.tobytes(), np.uint8)
    return _hash(f"{image.mode} {image.size} {image.getpalette()} {image.info.get('transparency')}", pixels)


def _hash(told: str, values: np.ndarray) -> str:
    found = hashlib.sha256(f"{told} ".encode())
    found.update(values.view(np.uint8).data)
    return found.hexdigest()[:_DIGITS]
