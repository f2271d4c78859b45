"""What classical codecs need for the same signal: JPEG and WebP at the model's PSNR, FLAC and Opus, NIfTI in gzip.

The figures beside those of a model, so that nobody has to guess whether it is small.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nint.errors import UsageError
from nint.files import quiet_stderr
from nint.metrics.audio import si_snr
from nint.metrics.image import psnr
from nint.signals.audio.signal import AudioSignal
from nint.signals.base import Signal
from nint.signals.grid.volume import VolumeSignal
from nint.signals.image.signal import ImageSignal
from nint.signals.image.super_resolution import SuperResolutionSignal
from nint.signals.kinds import PREFIX

MOST_SAMPLES = 2**21
"""Beyond which coding a signal a dozen times takes too long."""

_WEBP_EFFORT = 4
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
_OPUS_STEPS = 64


def sizes_of(signal: Signal, metrics: dict[str, float], source: str = "") -> dict[str, Any]:
    """Bytes of the signal in other forms, by name.

    Args:
        signal: What a model was fitted to.
        metrics: Quality of the model; lossy codecs are compared at its PSNR (images) or SI-SNR (sound).
        source: File of the signal; "" or "sample:NAME" where there is none.

    Returns:
        "input": bytes of the file; "read": the options by which less than all of it may have been fitted; "jpeg", "webp", "opus": of the
        smallest file that is at least as good, absent where none is; "flac", "nii.gz": of lossless ones; "at": {metric: dB} of the
        comparison.

    Cost: about eight times coding and decoding an image with each codec, less than a second for a megapixel; nothing beyond 2^21 samples.
    """
    found: dict[str, Any] = {}
    plain: Any = getattr(signal, "inner", signal)
    if source and not source.startswith(PREFIX) and Path(source).is_file():
        found |= {"input": os.path.getsize(source)} | ({"read": dict(plain.read_with)} if plain.read_with else {})
    if (signal.layout.samples or 0) > MOST_SAMPLES:
        return found
    if isinstance(plain, ImageSignal) and not isinstance(plain, SuperResolutionSignal):
        found |= _of_image(plain, metrics.get("psnr"))
    elif isinstance(plain, AudioSignal):
        found |= _of_sound(plain, metrics.get("si_snr"))
    elif isinstance(plain, VolumeSignal):
        found |= _of_volume(plain)
    return found


def _of_image(signal: ImageSignal, quality: float | None) -> dict[str, Any]:
    if quality is None or not math.isfinite(quality) or signal.layout.bits != 8 or signal.layout.channels not in (1, 3):
        return {}
    pixels = np.asarray(signal.array).reshape(signal.layout.height, signal.layout.width, -1)
    found = {"jpeg": jpeg_at(pixels, quality), "webp": webp_at(pixels, quality)}
    return {"at": {"psnr": round(quality, 3)}} | {name: size for name, size in found.items() if size is not None}


def jpeg_at(pixels: np.ndarray, quality: float) -> int | None:
    """Bytes of the smallest JPEG of at least a PSNR, with and without subsampled colours; None where none reaches it.

    Args:
        pixels: `[h, w, c]` uint8, c 1 or 3.
        quality: PSNR in dB.
    """
    kinds = (0, 2) if pixels.shape[2] == 3 else (0,)
    sizes = [_smallest(pixels, quality, "JPEG", subsampling=kind, optimize=True) for kind in kinds]
    return min((size for size in sizes if size is not None), default=None)


def webp_at(pixels: np.ndarray, quality: float) -> int | None:
    """Bytes of the smallest lossy WebP of at least a PSNR; None where none reaches it, or Pillow has no WebP."""
    from PIL import features

    return _smallest(pixels, quality, "WEBP", method=_WEBP_EFFORT) if features.check("webp") else None


def coded_image(pixels: np.ndarray, form: str, quality: int, **options: Any) -> tuple[int, float]:
    """Bytes and PSNR in dB of an image in a lossy format.

    A JPEG of noise may be larger than the memory that Pillow gives libjpeg for optimised tables; it is then written with the usual ones.

    Args:
        pixels: `[h, w, c]` uint8, c 1 or 3.
        form: "JPEG" or "WEBP".
        quality: 0 to 100, as the format counts.
        **options: Of Pillow's writer.

    Raises:
        OSError: for an image that the format cannot hold.
        ValueError: likewise.
    """
    from PIL import Image

    image, file = Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[:, :, 0]), io.BytesIO()
    try:
        with quiet_stderr():  # libjpeg prints why it fails
            image.save(file, form, quality=quality, **options)
    except OSError:
        if not options.pop("optimize", False):
            raise
        file = io.BytesIO()
        image.save(file, form, quality=quality, **options)
    with Image.open(file) as decoded:
        back = np.asarray(decoded.convert(image.mode)).reshape(pixels.shape)
    return file.getbuffer().nbytes, _psnr(back, pixels)


def _psnr(prediction: np.ndarray, target: np.ndarray) -> float:
    return float(psnr(prediction.astype(np.float32) / np.float32(255), target.astype(np.float32) / np.float32(255)))


def _smallest(pixels: np.ndarray, wanted: float, form: str, **options: Any) -> int | None:
    """Bytes at the lowest quality, 1 to 100, whose PSNR reaches the wanted one, by bisection; None where the format cannot hold it."""
    try:
        return _bisected(lambda number: coded_image(pixels, form, number, **options), wanted, 1, 100)
    except (OSError, ValueError):  # WebP has at most 16,383 pixels a side, JPEG 65,500
        return None


def _bisected(code: Callable[[int], tuple[int, float]], wanted: float, low: int, high: int) -> int | None:
    size, reached = code(high)
    if not reached >= wanted:
        return None
    while low < high:
        middle = (low + high) // 2
        tried, reached = code(middle)
        if reached >= wanted:
            size, high = tried, middle
        else:
            low = middle + 1
    return size


def _of_sound(signal: AudioSignal, quality: float | None) -> dict[str, Any]:
    try:
        import soundfile
    except ImportError:
        return {}
    samples, rate = signal.samples, signal.layout.sample_rate_hz
    found: dict[str, Any] = {}
    with contextlib.suppress(soundfile.LibsndfileError, ValueError, TypeError):
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16" if signal.layout.subtype in ("PCM_16", "PCM_U8") else "PCM_24")
        found["flac"] = file.getbuffer().nbytes
    if quality is None or not math.isfinite(quality) or rate not in _OPUS_RATES_HZ:
        return found

    def opus(step: int) -> tuple[int, float]:
        file = io.BytesIO()
        soundfile.write(file, samples, rate, format="OGG", subtype="OPUS", compression_level=1 - step / _OPUS_STEPS)
        file.seek(0)
        back, _ = soundfile.read(file, dtype="float32", always_2d=True)
        length = min(len(back), len(samples))
        return file.getbuffer().nbytes, si_snr(back[:length][:, signal.heard], samples[:length][:, signal.heard])

    with contextlib.suppress(soundfile.LibsndfileError, ValueError, TypeError):
        if (size := _bisected(opus, quality, 0, _OPUS_STEPS)) is not None:
            found |= {"opus": size, "at": {"si_snr": round(quality, 3)}}
    return found


def _of_volume(signal: VolumeSignal) -> dict[str, Any]:
    layout = signal.layout
    if ".nii.gz" not in layout.suffixes or not isinstance(signal.values, Tensor) or bool(signal.values.isnan().any()):
        return {}
    stored = layout.scaling.to_stored(signal.values).reshape(*layout.grid, *(() if layout.channels is None else (layout.channels,)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "volume.nii.gz"
        try:
            layout.write(stored if layout.nifti is None else layout.nifti.real(stored), path)
        except UsageError:  # nibabel is missing, or NIfTI has no such type
            return {}
        return {"nii.gz": path.stat().st_size}
