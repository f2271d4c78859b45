"""Audio: samples of a regular grid in time, coordinates in [-5, 5], values (w / gain + 1) / 2 of the waveform w, one output a channel."""

from __future__ import annotations

import contextlib
import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.settings import whole
from nint.signals.audio.files import read_audio
from nint.signals.audio.layout import HIGH, LOW, AudioLayout, waveform
from nint.signals.base import MEASURE_UP_TO, GridCoords, KindDefaults, Pool, Predict, Signal
from nint.signals.masks import unmasked

PEAK_LIMIT = 2.0
"""Beyond full scale (1), what lossy formats overshoot by; more is taken for another unit."""

QUIET = 0.25
"""Peak, of full scale 1, below which a sound is divided by its peak before training."""


class AudioSignal(Signal):
    """One sound to fit.

    Attributes:
        samples: The waveform at its own level, `[frames, channels]` float32 in [-1, 1].
        beyond: How many samples lay beyond [-1, 1] and were clipped to it.

    Args:
        samples: `[n]` or `[n, channels]`; floats in [-1, 1], or int16.
        sample_rate_hz: Samples a second.
        subtype: How a decoded file should store a sample; None is PCM_16 for int16 and FLOAT for floats.
        name: Where it came from.
        gain: Level by which the waveform is divided before training; None goes by its peak, see `gain_of`.
        channel_mask: Which loudspeaker each channel is for; 0 where that is not known.
        notes: Sentences on what its file holds that is not kept.

    Raises:
        UsageError: for another shape or type, fewer than two samples, silence, NaN or infinity, or values beyond `PEAK_LIMIT`.
    """

    metrics: ClassVar[tuple[str, ...]] = ("si_snr", "stoi", "pesq", "psnr")
    defaults: ClassVar[KindDefaults] = KindDefaults(
        batch_share=0.2, omega_0=30.0, half_side=HIGH, source="the settings of Table 6 of the paper, on the coordinates of COIN++"
    )
    layout: AudioLayout

    def __init__(
        self,
        samples: np.ndarray,
        sample_rate_hz: int,
        *,
        subtype: str | None = None,
        name: str = "array",
        gain: float | None = None,
        channel_mask: int = 0,
        notes: tuple[str, ...] = (),
    ) -> None:
        samples = np.asarray(unmasked(samples, name))
        rate = whole(sample_rate_hz, "sample_rate_hz")
        checked = _checked(samples, name)
        peak = float(np.abs(checked).max())
        self.beyond = int((np.abs(checked) > 1).sum()) if peak > 1 else 0
        self.samples: np.ndarray = np.clip(checked, -1, 1) if self.beyond else checked
        self.name = name
        subtype = subtype or ("FLOAT" if samples.dtype.kind == "f" else "PCM_16")
        frames, channels = self.samples.shape
        if gain is not None and gain < min(peak, 1):
            raise UsageError(f"gain={gain} is below the peak of '{name}', {min(peak, 1):g}, so its values would not fit between 0 and 1.")
        self.layout = AudioLayout(frames, channels, rate, subtype, gain_of(peak) if gain is None else gain, channel_mask)
        self._notes = notes
        if self.heard.size == 0:
            raise UsageError(f"'{name}' is silent: every sample has the same value, so there is nothing to learn.")

    @cached_property
    def _values(self) -> Tensor:
        return torch.from_numpy(self._levelled) * 0.5 + 0.5

    @property
    def _levelled(self) -> np.ndarray:
        """The waveform that the field is trained on."""
        if self.layout.gain == 1:
            return self.samples
        return (self.samples / np.float64(self.layout.gain)).astype(np.float32)

    @cached_property
    def heard(self) -> np.ndarray:
        """Channels that are not silent."""
        return np.flatnonzero((self.samples != self.samples[0]).any(axis=0))

    def pool(self, device: torch.device | str) -> Pool:
        """Every sample in order, the channels as outputs; the coordinates stay lazy beyond 2^22 samples."""
        return Pool(coords=self._coords(device), values=self._values.to(device), grid=(self.layout.frames,))

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """SI-SNR (dB), STOI and PESQ of the waveform, means over the channels that are not silent, and PSNR (dB) of the values.

        The PSNR is that of the values (w / gain + 1) / 2: relative to full scale, and of a quiet sound to its peak.

        A metric that is not defined here is absent; see `report`.

        Args:
            predict: Rows of coordinates (given on the CPU) -> values.
        """
        from nint.metrics.audio import pesq, si_snr, stoi
        from nint.metrics.image import psnr

        values = predict(self._coords("cpu")).detach().cpu()
        pair = waveform(values)[:, self.heard], self._levelled[:, self.heard]
        rate = self.layout.sample_rate_hz
        found: dict[str, float] = {}
        with contextlib.suppress(UsageError):
            found["si_snr"] = si_snr(*pair)
        for name, metric in (("stoi", stoi), ("pesq", pesq)):
            with contextlib.suppress(UsageError):
                found[name] = metric(pair[0][:, self._voiced], pair[1][:, self._voiced], rate)
        found["psnr"] = psnr(values, self._values)
        return found

    def remarks(self) -> tuple[str, ...]:
        """What is wrong with the sound, and which metrics are absent or computed at another rate."""
        from nint.signals.audio.remarks import faults, metric_notes, voice_notes

        without = [int(channel) + 1 for channel, there in zip(self.heard, self._voiced, strict=True) if not there]
        quiet = voice_notes(without, len(self.heard), self.layout, self.name)
        return (*faults(self.samples, self.layout, self.name, self.beyond), *self._notes, *metric_notes(self.layout), *quiet)

    @cached_property
    def _voiced(self) -> np.ndarray:
        """Of the channels that are not silent: whether each has voice enough for STOI and PESQ."""
        from nint.signals.audio.remarks import has_voice

        return np.array([has_voice(self.samples[:, channel], self.layout) for channel in self.heard], dtype=bool)

    def scaling(self) -> dict[str, Any]:
        """Waveforms that are 0 and 1 to the network, of full scale 1."""
        return {"low": -self.layout.gain, "high": self.layout.gain}

    def fingerprint(self) -> str:
        """Hash of the samples, rate, sample type and gain."""
        gain = "" if self.layout.gain == 1 else f"gain {self.layout.gain!r} "
        digest = hashlib.sha256(f"{self.samples.shape} {self.layout.sample_rate_hz} {self.layout.subtype} {gain}".encode())
        digest.update(self.samples.data)
        return digest.hexdigest()[:16]

    def _coords(self, device: torch.device | str) -> Any:
        coords = GridCoords((self.layout.frames,), LOW, HIGH, device=device)
        return coords[:] if len(coords) <= MEASURE_UP_TO else coords


def gain_of(peak: float) -> float:
    """The level by which a waveform of this peak is divided before training.

    From a quarter of full scale on it is 1, so that the usual sound is fitted as it is. Below, it is the peak itself, as in the loader of
    SIREN: the quality that a number of steps gives then no longer depends on how quiet the sound is.
    """
    return peak if 0 < peak < QUIET else 1.0


def load_audio(
    path: str | Path,
    *,
    start: float | None = None,
    duration: float | None = None,
    max_points: int | None = None,
    name: str | None = None,
) -> AudioSignal:
    """Loads a sound file; formats as in `nint.signals.audio.files.read_audio`.

    Args:
        path: The file.
        start: Seconds to leave out at the start.
        duration: Seconds to take; None takes the rest.
        max_points: Most samples to read, all channels together; 2^28 where None.
        name: Name for records; the file's own where None.

    Raises:
        UsageError: for a file that cannot be read, a part that does not lie in it, or a sound that cannot be fitted.
    """
    audio = read_audio(path, start=start, duration=duration, max_points=max_points)
    return AudioSignal(
        audio.samples,
        audio.sample_rate_hz,
        subtype=audio.subtype,
        name=name or Path(path).name,
        channel_mask=audio.channel_mask,
        notes=audio.notes,
    )


def _checked(samples: np.ndarray, name: str) -> np.ndarray:
    """The samples as a contiguous float32 copy `[n, channels]`.

    Raises:
        UsageError: as in `AudioSignal`.
    """
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
