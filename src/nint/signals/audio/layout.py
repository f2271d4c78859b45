"""Length, channels and rate of a sound, and how it is decoded: a regular grid in time, coordinates in [-5, 5]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError, nearest
from nint.settings import whole
from nint.signals.audio.files import FORMATS, RATE_LIMIT, SAMPLE_BITS, SUBTYPES, Audio, stored_subtype, write_audio
from nint.signals.base import GridCoords, Layout, Predict, RescaledRows

LOW, HIGH = -5.0, 5.0
"""Coordinates of the first and the last sample.

Source: COIN++ (Dupont et al. 2022), as in INT. A first layer of omega_0 30 has an effective 150 on [-1, 1].
"""

DECODED_LIMIT = 2**30
"""Most samples that are decoded, all channels together: 4 GiB."""

_SAME_GAIN = 1e-6
_BLOCK_POINTS = 2**20
_CHANNELS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True)
class AudioLayout(Layout):
    """Length, channels, rate and sample type of a sound.

    Attributes:
        frames: Samples of a channel, at least 2.
        channels: 1 mono, 2 stereo, or more.
        sample_rate_hz: Frames a second.
        subtype: How its file stores a sample; see `nint.signals.audio.files.SUBTYPES`.
        gain: Level of the waveform, in (0, 1]: the field is trained on w / gain, and decoded w is multiplied by it. 1 unless the sound
            is quiet.
        channel_mask: Which loudspeaker each channel is for, as WAV files tell; 0 where that is not known.
    """

    frames: int
    channels: int
    sample_rate_hz: int
    subtype: str = "PCM_16"
    gain: float = 1.0
    channel_mask: int = 0

    kind: ClassVar[str] = "audio"
    suffixes: ClassVar[tuple[str, ...]] = tuple(FORMATS)
    in_features: ClassVar[int] = 1

    def __post_init__(self) -> None:
        for name in ("frames", "channels", "sample_rate_hz"):
            value = getattr(self, name)
            whole(value if isinstance(value, int) else None, f"audio layout: {name}")
        if self.frames < 2:
            raise UsageError("audio layout: frames=1 is out of range; it must be at least 2.")
        if not isinstance(self.subtype, str) or self.subtype not in SUBTYPES:
            raise UsageError(f"audio layout: subtype={self.subtype} is not known.{nearest(str(self.subtype), SUBTYPES)}")
        if isinstance(self.gain, bool) or not isinstance(self.gain, (int, float)) or not 0 < self.gain <= 1:
            raise UsageError(f"audio layout: gain={self.gain} is out of range; it must be above 0 and at most 1.")
        mask = self.channel_mask
        if isinstance(mask, bool) or not isinstance(mask, int) or not 0 <= mask < 2**32:
            raise UsageError(f"audio layout: channel_mask={mask} must be a whole number from 0 to 2^32 - 1.")

    @property
    def out_features(self) -> int:
        """Channels."""
        return self.channels

    @property
    def samples(self) -> int:
        """Frames: instants, however many channels they have."""
        return self.frames

    @property
    def bits_per_sample(self) -> float | None:
        """Bits of a frame as stored, all channels together; None where the file is compressed with loss."""
        bits = SAMPLE_BITS.get(self.subtype)
        return None if bits is None else bits * self.channels

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate_hz

    def losses(self, ending: str) -> tuple[str, ...]:
        """A coarser sample type, and which loudspeaker a channel is for where the format cannot say it."""
        found = []
        stored = stored_subtype(FORMATS[ending], self.subtype)
        if SUBTYPES[stored] != SUBTYPES[self.subtype]:
            found.append(f"Samples are stored as {SUBTYPES[stored]}; the sound's own file has {SUBTYPES[self.subtype]}.")
        if self.channel_mask and ending != ".wav":
            found.append("Which loudspeaker each channel is for is not kept; only .wav keeps it.")
        return tuple(found)

    def check_comparable(self, other: Layout) -> None:
        """As in `Layout.check_comparable`; both must also last equally long, to a sample.

        Raises:
            UsageError: where they do not.
        """
        super().check_comparable(other)
        if not isinstance(other, AudioLayout):
            return
        if abs(self.duration_s - other.duration_s) > (1 + 1e-6) / min(self.sample_rate_hz, other.sample_rate_hz):
            raise UsageError(
                f"The model stores {self.duration_s:.9g} s of sound, but the input lasts {other.duration_s:.9g} s, so their times differ; "
                "measure it against the same stretch (start and duration choose one)."
            )
        if not math.isclose(self.gain, other.gain, rel_tol=_SAME_GAIN):
            raise UsageError(
                f"The model was fitted to a waveform divided by {self.gain:.9g}, but that of the input is divided by {other.gain:.9g}, so "
                "their values do not mean the same; measure it against what it was fitted to."
            )

    def placed(self, other: Layout, coords: Any) -> Any:
        """As in `Layout.placed`: at another sample rate the last sample lies at another time."""
        if not isinstance(other, AudioLayout) or (other.frames, other.sample_rate_hz) == (self.frames, self.sample_rate_hz):
            return coords
        last, own = (other.frames - 1) / other.sample_rate_hz, (self.frames - 1) / self.sample_rate_hz
        return RescaledRows(coords, 0, LOW, last / own)

    def describe(self) -> str:
        """One line: "2.5 s of mono audio, 16000 Hz, 16 bits"."""
        channels = _CHANNELS.get(self.channels, f"{self.channels}-channel")
        return f"{self.duration_s:.4g} s of {channels} audio, {self.sample_rate_hz} Hz, {SUBTYPES[self.subtype]}"

    def decode(self, predict: Predict, *, rate: int | None = None) -> Audio:
        """Predicts the sound at any sample rate, over the same time.

        Sample k lies where its instant, k / rate, lies in the fitted sound; at a higher rate the last ones lie less than one fitted sample
        after its last.

        Args:
            predict: Rows of coordinates -> values in [0, 1].
            rate: Samples a second; None is the fitted rate.

        Returns:
            float32 samples `[frames, channels]` in [-gain, gain].

        Raises:
            UsageError: for a rate that cannot be, or a prediction of NaN.

        Cost:
            One forward a sample, in blocks of about 2^20: memory beyond the output does not grow with the sound.
        """
        rate = self.sample_rate_hz if rate is None else whole(rate, "rate")
        if rate > max(RATE_LIMIT, self.sample_rate_hz):
            raise UsageError(f"rate={rate} is out of range; it must be at most {RATE_LIMIT}.")
        frames = max(1, round(self.frames * rate / self.sample_rate_hz))
        if frames * self.channels > DECODED_LIMIT:
            size = f"{frames * self.channels * 4 / 2**30:,.0f} GiB, more than the limit of {DECODED_LIMIT * 4 / 2**30:.0f}"
            raise UsageError(f"{frames} samples at {rate} Hz do not fit in memory: they need {size}; decode at a lower rate.")
        last = (frames - 1) * self.sample_rate_hz / (rate * (self.frames - 1))  # as a fraction of the way to the last fitted sample
        try:
            coords = GridCoords((frames,), LOW, LOW + (HIGH - LOW) * last)
            samples = np.empty((frames, self.channels), np.float32)
        except (MemoryError, ValueError, RuntimeError) as error:  # the last is torch's word for it
            raise UsageError(f"{frames} samples at {rate} Hz do not fit in memory; decode at a lower rate.") from error
        for start in range(0, frames, _BLOCK_POINTS):
            block = slice(start, min(start + _BLOCK_POINTS, frames))
            samples[block] = waveform(predict(coords[block])) * np.float32(self.gain)
        if np.isnan(samples).any():
            raise UsageError("The model predicts NaN, so there is no sound to decode.")
        return Audio(samples, rate, self.subtype, self.channel_mask)

    def write(self, decoded: Audio, path: Path) -> None:
        """Writes a sound in the format of the ending; see `nint.signals.audio.files.write_audio`."""
        write_audio(decoded, path)


def waveform(values: Tensor) -> np.ndarray:
    """Values -> waveform in [-1, 1] before the gain, float32; NaN stays."""
    return (values.detach().to("cpu", torch.float32).clamp(0, 1) * 2 - 1).numpy()
