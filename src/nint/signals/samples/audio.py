"""`sample:chirp`: a sound made by code, so that trying audio needs no file."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from nint.signals.audio.files import window
from nint.signals.audio.signal import AudioSignal

_RATE_HZ = 16_000
_LENGTH_S = 2.0
_LOW_HZ, _HIGH_HZ = 100.0, 4000.0


def chirp(*, start: float | None = None, duration: float | None = None) -> AudioSignal:
    """A sine whose frequency rises exponentially from 100 Hz to 4 kHz within 2 s, fading in and out, at 16 kHz.

    Args:
        start: As in `load_audio`.
        duration: As in `load_audio`.

    Raises:
        UsageError: where the part does not lie within the 2 s.
    """
    frames = int(_LENGTH_S * _RATE_HZ)
    time = np.arange(frames) / frames
    growth = math.log(_HIGH_HZ / _LOW_HZ)
    phase = 2 * math.pi * _LOW_HZ * _LENGTH_S / growth * np.expm1(growth * time)
    first, count = window(frames, _RATE_HZ, start, duration, "sample:chirp")
    samples = (0.8 * np.sin(math.pi * time) ** 2 * np.sin(phase))[first : first + count]
    return AudioSignal(samples, _RATE_HZ, subtype="PCM_16", name="sample:chirp", gain=1.0)  # a part of it has the level of the whole


SAMPLES: dict[str, tuple[str, Callable[..., AudioSignal]]] = {
    "chirp": ("2 s of mono audio, 16000 Hz, synthetic: a sine rising from 100 Hz to 4 kHz", chirp),
}
"""Name -> (description, function that makes the signal from the options of `load_audio`)."""
