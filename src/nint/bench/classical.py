"""What needs no network, as rows beside those that do: interpolation for super-resolution, and JPEG of as many bytes as the model."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nint.errors import UsageError, nearest
from nint.fields import FIELDS, build_field
from nint.files import quiet_stderr
from nint.signals.image.signal import ImageSignal
from nint.signals.image.super_resolution import SuperResolutionSignal

if TYPE_CHECKING:
    from nint.bench.runs import RunSpec

_WEIGHT_BYTES = 4


def classical_record(spec: RunSpec) -> dict[str, Any]:
    """The record of a method that is not trained: its metrics at every evaluation of the runs beside it.

    Args:
        spec: Its `method` is "bicubic", "bicubic-corners", "lanczos" or "jpeg"; its network says how many bytes "jpeg" has.

    Raises:
        UsageError: for another method, or an input that it is not for.
    """
    if spec.method not in METHODS:
        raise UsageError(f"There is no method called '{spec.method}'.{nearest(spec.method, METHODS)}")
    began = time.perf_counter()
    image, said = METHODS[spec.method](spec)
    signal = spec.signal()
    if not isinstance(signal, ImageSignal):
        raise UsageError(f"{spec.method} is for images; {spec.input} is of kind {signal.layout.kind}.")
    metrics = signal.evaluate(lambda coords: torch.from_numpy(image.reshape(len(coords), -1)))
    seconds = time.perf_counter() - began
    row = {"training_seconds": 0.0, "selection_seconds": 0.0, "forward_equivalents": 0.0, "flops": 0.0, "loss": None, **metrics}
    curve = [{"step": int(point), **row} for point in spec.evaluate_at or (spec.steps or 1,)]
    return {"settings": {}, "steps": 0, "curve": curve, "method": spec.method, "wall_seconds": seconds, **metrics, **said}


def _interpolated(spec: RunSpec) -> tuple[np.ndarray, dict[str, Any]]:
    """The downsampled image at the image's own size, `[h, w, c]` float32 in [0, 1]; pixel centres are aligned, or outermost pixels.

    Raises:
        UsageError: for an input that is not to be super-resolved.
    """
    from PIL import Image

    signal = spec.signal()
    if not isinstance(signal, SuperResolutionSignal):
        raise UsageError(f"{spec.method} needs an image with super_resolution.")
    name, _, corners = spec.method.partition("-")
    kernel = {"bicubic": Image.Resampling.BICUBIC, "lanczos": Image.Resampling.LANCZOS}[name]
    size = (signal.layout.width, signal.layout.height)
    low = signal.low.numpy()
    sides = [_span(size[0], low.shape[1], bool(corners)), _span(size[1], low.shape[0], bool(corners))]
    box = (sides[0][0], sides[1][0], sides[0][1], sides[1][1])
    channels = [np.asarray(Image.fromarray(low[:, :, number]).resize(size, kernel, box)) for number in range(low.shape[2])]
    return np.clip(np.stack(channels, axis=2), 0, 1).astype(np.float32), {}


def _span(pixels: int, low: int, corners: bool) -> tuple[float, float]:
    """The part of a downsampled side, in its pixels, that becomes the whole side: all of it, or so that outermost pixels meet."""
    if not corners or pixels < 2:
        return 0.0, float(low)
    step = (low - 1) / (pixels - 1)
    return 0.5 - 0.5 * step, 0.5 - 0.5 * step + step * pixels


def _jpeg(spec: RunSpec) -> tuple[np.ndarray, dict[str, Any]]:
    """The image through JPEG, at the highest quality whose file is no larger than the weights of the run's network in float32.

    Raises:
        UsageError: for an input that JPEG does not hold, or that does not fit at any quality.
    """
    from PIL import Image

    signal = spec.signal()
    if not isinstance(signal, ImageSignal) or signal.layout.bits != 8 or signal.layout.channels not in (1, 3):
        raise UsageError(f"jpeg is for grey and RGB images of 8 bits, not {spec.input}.")
    layout = signal.layout
    field = build_field(FIELDS.parse(spec.field), layout.in_features, layout.out_features, torch.Generator().manual_seed(0))
    most = _WEIGHT_BYTES * sum(p.numel() for p in field.parameters())
    pixels = Image.fromarray(np.asarray(signal.array).reshape(layout.height, layout.width, -1).squeeze())
    for quality in range(100, 0, -1):
        file = io.BytesIO()
        with quiet_stderr():  # libjpeg's "Suspension not allowed here", of pictures that compress badly
            pixels.save(file, "JPEG", quality=quality, subsampling=0, optimize=True)
        if file.tell() <= most:
            size = file.tell()
            file.seek(0)
            with Image.open(file) as decoded:
                values = np.asarray(decoded, np.float32) / 255
            return values.reshape(layout.height, layout.width, -1), {"bytes": size, "bytes_allowed": most, "quality": quality}
    raise UsageError(f"{spec.input} does not fit into {most:,} bytes as JPEG.")


METHODS: dict[str, Callable[[RunSpec], tuple[np.ndarray, dict[str, Any]]]] = {
    "bicubic": _interpolated,
    "bicubic-corners": _interpolated,
    "lanczos": _interpolated,
    "jpeg": _jpeg,
}
"""Name -> (run -> image `[h, w, c]` in [0, 1], further entries of the record)."""
