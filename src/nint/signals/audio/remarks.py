"""What a person should know of a sound before it is fitted."""

from __future__ import annotations

import numpy as np

from nint.metrics.audio import PESQ_LONGEST_S, PESQ_SHORTEST_S, SPEECH_RATES_HZ, STOI_SHORTEST_S, missing_package
from nint.signals.audio.files import PCM_BITS, SUBTYPES
from nint.signals.audio.layout import HIGH, LOW, AudioLayout

_RUN = 3
_STOI_FRAME_S, _STOI_FRAMES = 0.0256, 30


def faults(samples: np.ndarray, layout: AudioLayout, name: str, beyond: int) -> list[str]:
    """A sentence on each thing that is wrong with a sound.

    Args:
        samples: `[frames, channels]` in [-1, 1].
        layout: Its layout.
        name: What the sentences call it.
        beyond: How many samples lay beyond [-1, 1] and were clipped to it.
    """
    found = []
    size = samples.size
    if SUBTYPES[layout.subtype].startswith("8 bits"):
        found.append(f"'{name}' has 8 bits a sample; the noise of such coarse steps is fitted with the rest.")
    if beyond:
        found.append(f"{beyond} of the {size} samples of '{name}' lie beyond full scale and were clipped to it.")
    if layout.gain < 1:
        peak = float(np.abs(samples).max())
        found.append(
            f"'{name}' is quiet, with a peak of {peak:.3g} of full scale: it is amplified {1 / layout.gain:.4g} times for "
            "training and decoded at its own level, and PSNR is relative to its range, from minus its peak to its peak."
        )
    clipped = clipped_samples(samples, 1 - 2.0 ** (1 - PCM_BITS.get(layout.subtype, 64)))
    if clipped:
        found.append(f"'{name}' is clipped: {clipped} of its {size} samples lie at full scale, in runs of at least {_RUN}.")
    silent = [str(channel + 1) for channel in np.flatnonzero((samples == samples[0]).all(axis=0))]
    if silent:
        found.append(f"Channel {', '.join(silent)} of '{name}' is silent; SI-SNR, STOI and PESQ are means over the others.")
    if (HIGH - LOW) / (layout.frames - 1) < np.spacing(np.float32(HIGH)):
        found.append(
            f"'{name}' has {layout.frames} samples a channel, so close that float32 coordinates cannot tell all of them apart; "
            "fit parts of it with start and duration."
        )
    return found


def metric_notes(layout: AudioLayout) -> list[str]:
    """A sentence on each metric that is absent or not the usual one."""
    rate = layout.sample_rate_hz
    seconds = layout.frames / rate
    found = [f"{sentence} Until then it is left out." for metric in ("stoi", "pesq") if (sentence := missing_package(metric))]
    low, high = SPEECH_RATES_HZ
    if not low <= rate <= high:
        there = [label for label, metric in (("STOI", "stoi"), ("PESQ", "pesq")) if not missing_package(metric)]
        verb = "are" if len(there) > 1 else "is"
        return (
            [*found, f"{' and '.join(there)} {verb} left out at {rate} Hz: rates from {low} to {high} Hz are measured."] if there else found
        )
    if seconds < STOI_SHORTEST_S and not missing_package("stoi"):
        found.append(f"STOI is left out: it needs at least {STOI_SHORTEST_S:g} s of sound.")
    if missing_package("pesq"):
        return found
    if not PESQ_SHORTEST_S <= seconds <= PESQ_LONGEST_S:
        found.append(f"PESQ is left out: it needs {PESQ_SHORTEST_S:g} s to {PESQ_LONGEST_S:g} s of sound.")
    elif rate == 8000:
        found.append("PESQ is the narrow-band measure at 8000 Hz, which is not comparable with the wide-band one.")
    elif rate != 16_000:
        found.append(f"PESQ has no measure at {rate} Hz; it is computed after resampling to 16000 Hz.")
    return found


def has_voice(samples: np.ndarray, layout: AudioLayout) -> bool:
    """Whether a channel `[frames]` has the 30 frames within 40 dB of its loudest that STOI needs; PESQ then finds an utterance too.

    Source: Taal et al. 2011: frames of 25.6 ms, half a frame apart.
    """
    low, high = SPEECH_RATES_HZ
    if missing_package("stoi") or not low <= layout.sample_rate_hz <= high or layout.duration_s < STOI_SHORTEST_S:
        return True  # it is not measured, which another sentence says
    length = max(round(_STOI_FRAME_S * layout.sample_rate_hz), 2)
    sums = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - length + 1, length // 2)
    energies = sums[starts + length] - sums[starts]
    return int((energies > energies.max() * 1e-4).sum()) >= _STOI_FRAMES


def voice_notes(without: list[int], heard: int, layout: AudioLayout, name: str) -> list[str]:
    """A sentence on channels (from 1 on) without voice enough for STOI and PESQ, of so many that are not silent throughout."""
    if not without:
        return []
    where = f"Channel {', '.join(map(str, without))} of '{name}'" if layout.channels > 1 else f"'{name}'"
    rest = "they are means over the others" if len(without) < heard else "they are left out"
    return [f"{where} is silent but for less than {STOI_SHORTEST_S:g} s, too little for STOI and PESQ; {rest}."]


def clipped_samples(samples: np.ndarray, full_scale: float) -> int:
    """How many samples `[frames, channels]` lie at or beyond full scale, in runs of it; single peaks are no clipping."""
    full = np.abs(samples) >= full_scale
    run = full[:-2] & full[1:-1] & full[2:]
    marked = np.zeros_like(full)
    for shift in range(_RUN):
        marked[shift : shift + len(run)] |= run
    return int(marked.sum())
