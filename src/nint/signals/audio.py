"""Audio: samples of a regular grid in time, coordinates in [-5, 5], values (w + 1) / 2 of the waveform w, one output a channel."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError, nearest
from nint.signals.audio_files import FORMATS, SAMPLE_BITS, SUBTYPES, Audio, read_audio, write_audio
from nint.signals.base import MEASURE_UP_TO, GridCoords, KindDefaults, Layout, Pool, Predict, Signal
from nint.signals.pixels import whole

LOW, HIGH = -5.0, 5.0
"""Coordinates of the first and the last sample.

Source: COIN++ (Dupont et al. 2022), as in INT. A first layer of omega_0 30 has an effective 150 on [-1, 1].
"""

PEAK_LIMIT = 2.0
"""Beyond full scale (1), what lossy formats overshoot by; more is taken for another unit."""

_BLOCK_POINTS = 2**20
_CHANNELS = {1: "mono", 2: "stereo"}


@dataclass(frozen=True)
class AudioLayout(Layout):
    """Length, channels, rate and sample type of a sound.

    Attributes:
        frames: Samples of a channel, at least 2.
        channels: 1 mono, 2 stereo, or more.
        sample_rate_hz: Frames a second.
        subtype: How its file stores a sample; see `nint.signals.audio_files.SUBTYPES`.
    """

    frames: int
    channels: int
    sample_rate_hz: int
    subtype: str = "PCM_16"

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

    @property
    def out_features(self) -> int:
        return self.channels

    @property
    def samples(self) -> int:
        return self.frames

    @property
    def bits_per_sample(self) -> float | None:
        bits = SAMPLE_BITS.get(self.subtype)
        return None if bits is None else bits * self.channels

    @property
    def duration_s(self) -> float:
        return self.frames / self.sample_rate_hz

    def check_comparable(self, other: Layout) -> None:
        super().check_comparable(other)
        if abs(self.duration_s - other.duration_s) > (1 + 1e-6) / min(self.sample_rate_hz, other.sample_rate_hz):
            raise UsageError(
                f"The model stores {self.duration_s:.9g} s of sound, but the input lasts {other.duration_s:.9g} s, so their times differ; "
                "measure it against the same stretch (start and duration choose one)."
            )

    def describe(self) -> str:
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
            float32 samples `[frames, channels]` in [-1, 1].

        Raises:
            UsageError: for a rate that cannot be, or a prediction of NaN.

        Cost:
            One forward a sample, in blocks of about 2^20: memory beyond the output does not grow with the sound.
        """
        rate = self.sample_rate_hz if rate is None else whole(rate, "rate")
        frames = max(1, round(self.frames * rate / self.sample_rate_hz))
        last = (frames - 1) * self.sample_rate_hz / (rate * (self.frames - 1))  # as a share of the way to the last fitted sample
        try:
            coords = GridCoords((frames,), LOW, LOW + (HIGH - LOW) * last)
            samples = np.empty((frames, self.channels), np.float32)
        except (MemoryError, ValueError, RuntimeError) as error:  # the last is torch's word for it
            raise UsageError(f"{frames} samples at {rate} Hz do not fit in memory; decode at a lower rate.") from error
        for start in range(0, frames, _BLOCK_POINTS):
            block = slice(start, min(start + _BLOCK_POINTS, frames))
            samples[block] = _waveform(predict(coords[block]))
        if np.isnan(samples).any():
            raise UsageError("The model predicts NaN, so there is no sound to decode.")
        return Audio(samples, rate, self.subtype)

    def write(self, decoded: Audio, path: Path) -> None:
        """Writes a sound in the format of the ending; see `nint.signals.audio_files.write_audio`."""
        write_audio(decoded, path)


class AudioSignal(Signal):
    """One sound to fit.

    Attributes:
        samples: The waveform, `[frames, channels]` float32 in [-1, 1].
        beyond: How many samples lay beyond [-1, 1] and were clipped to it.

    Args:
        samples: `[n]` or `[n, channels]`; floats in [-1, 1], or int16.
        sample_rate_hz: Samples a second.
        subtype: How a decoded file should store a sample; None is PCM_16 for int16 and FLOAT for floats.
        name: Where it came from.

    Raises:
        UsageError: for another shape or type, fewer than two samples, silence, NaN or infinity, or values beyond `PEAK_LIMIT`.
    """

    metrics: ClassVar[tuple[str, ...]] = ("si_snr", "stoi", "pesq", "psnr")
    defaults: ClassVar[KindDefaults] = KindDefaults(
        batch_share=0.2, omega_0=30.0, source="the settings of Table 6 of the paper, on the coordinates of COIN++"
    )
    layout: AudioLayout

    def __init__(self, samples: np.ndarray, sample_rate_hz: int, *, subtype: str | None = None, name: str = "array") -> None:
        samples = np.asarray(samples)
        rate = whole(sample_rate_hz, "sample_rate_hz")
        checked = _checked(samples, name)
        peak = float(np.abs(checked).max())
        self.beyond = int((np.abs(checked) > 1).sum()) if peak > 1 else 0
        self.samples: np.ndarray = np.clip(checked, -1, 1) if self.beyond else checked
        self.name = name
        subtype = subtype or ("FLOAT" if samples.dtype.kind == "f" else "PCM_16")
        self.layout = AudioLayout(*self.samples.shape, rate, subtype)
        if self.heard.size == 0:
            raise UsageError(f"'{name}' is silent: every sample has the same value, so there is nothing to learn.")

    @cached_property
    def _values(self) -> Tensor:
        return torch.from_numpy(self.samples) * 0.5 + 0.5

    @cached_property
    def heard(self) -> np.ndarray:
        """Channels that are not silent."""
        return np.flatnonzero((self.samples != self.samples[0]).any(axis=0))

    def pool(self, device: torch.device | str) -> Pool:
        """Every sample in order, the channels as outputs; the coordinates stay lazy beyond 2^22 samples."""
        return Pool(coords=self._coords(device), values=self._values.to(device), grid=(self.layout.frames,))

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """SI-SNR (dB), STOI and PESQ of the waveform, means over the channels that are not silent, and PSNR (dB) of the values (w + 1) / 2.

        A metric that is not defined here is absent; see `report`.

        Args:
            predict: Rows of coordinates (given on the CPU) -> values.
        """
        from nint.metrics.audio import pesq, si_snr, stoi
        from nint.metrics.image import psnr

        values = predict(self._coords("cpu")).detach().cpu()
        pair = _waveform(values)[:, self.heard], self.samples[:, self.heard]
        rate = self.layout.sample_rate_hz
        found: dict[str, float] = {}
        with contextlib.suppress(UsageError):
            found["si_snr"] = si_snr(*pair)
        for name, metric in (("stoi", stoi), ("pesq", pesq)):
            with contextlib.suppress(UsageError):
                found[name] = metric(*pair, rate)
        found["psnr"] = psnr(values, self._values)
        return found

    def remarks(self) -> tuple[str, ...]:
        """What is wrong with the sound, and which metrics are absent or computed at another rate."""
        from nint.signals.audio_report import faults, metric_notes

        return (*faults(self), *metric_notes(self.layout))

    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.samples.shape} {self.layout.sample_rate_hz} {self.layout.subtype} ".encode())
        digest.update(self.samples.data)
        return digest.hexdigest()[:16]

    def _coords(self, device: torch.device | str) -> Any:
        coords = GridCoords((self.layout.frames,), LOW, HIGH, device=device)
        return coords[:] if len(coords) <= MEASURE_UP_TO else coords


def load_audio(path: str | Path, *, start: float | None = None, duration: float | None = None, name: str | None = None) -> AudioSignal:
    """Loads a sound file; formats as in `nint.signals.audio_files.read_audio`.

    Args:
        path: The file.
        start: Seconds to leave out at the start.
        duration: Seconds to take; None takes the rest.
        name: Name for records; the file's own where None.

    Raises:
        UsageError: for a file that cannot be read, a part that does not lie in it, or a sound that cannot be fitted.
    """
    audio = read_audio(path, start=start, duration=duration)
    return AudioSignal(audio.samples, audio.sample_rate_hz, subtype=audio.subtype, name=name or Path(path).name)


def _checked(samples: np.ndarray, name: str) -> np.ndarray:
    """The samples as a contiguous float32 copy `[n, channels]`."""
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2 or samples.shape[1] == 0:
        raise UsageError(f"'{name}' has the shape {samples.shape}; audio is [n] or [n, channels].")
    if len(samples) < 2:
        raise UsageError(f"'{name}' has {'a single sample' if len(samples) else 'no samples'}; a sound needs at least two.")
    if samples.shape[1] > len(samples):
        raise UsageError(f"'{name}' has the shape {samples.shape}; channels seem to come first, and must come last.")
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / np.float32(2**15)
    if samples.dtype.kind != "f":
        raise UsageError(f"'{name}' holds {samples.dtype}; samples must be floats in [-1, 1] or int16.")
    if not np.isfinite(samples).all():
        raise UsageError(f"'{name}' holds NaN or infinity.")
    low, high = samples.min(), samples.max()
    if max(-low, high) > PEAK_LIMIT:
        raise UsageError(f"'{name}' holds samples from {low:g} to {high:g}; scale floats to [-1, 1].")
    return np.array(samples, dtype=np.float32, order="C")


def _waveform(values: Tensor) -> np.ndarray:
    """Values -> waveform in [-1, 1], float32; NaN stays."""
    return (values.detach().to("cpu", torch.float32).clamp(0, 1) * 2 - 1).numpy()
