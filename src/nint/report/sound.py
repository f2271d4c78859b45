"""Sounds as blocks of a page: players and spectrograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from nint.plots.sound import FLOOR_DB, spectrogram
from nint.report.blocks import Block, Notes, Sound
from nint.report.encode import numbers
from nint.report.encode import sound as wav

MAX_BYTES = 1_500_000
"""Size of one sound; a longer one is cut."""

_COLUMNS, _ROWS = 360, 160


def sounds(pairs: list[tuple[str, np.ndarray]], sample_rate_hz: int) -> list[Block]:
    """Players with spectrograms on one scale.

    Args:
        pairs: Titles and samples `[n, channels]` in [-1, 1]; the first is the original where there is one.
        sample_rate_hz: Sample rate in Hz.
    """
    channels = pairs[0][1].shape[1]
    most = max(MAX_BYTES // (2 * channels), 2)
    loudest = max(float(_power(samples[:most], sample_rate_hz)[2].max()) for _, samples in pairs[:1]) or 1.0
    found: list[Block] = [
        Sound(title, wav(samples[:most], sample_rate_hz), _levels(samples[:most], sample_rate_hz, loudest)) for title, samples in pairs
    ]
    if len(pairs[0][1]) > most:
        found.append(Notes([f"The players hold the first {most / sample_rate_hz:.1f} s, to keep the page small."]))
    return found


def _power(samples: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return spectrogram(samples.mean(axis=1), sample_rate_hz)


def _levels(samples: np.ndarray, sample_rate_hz: int, loudest: float) -> dict[str, Any]:
    """Decibels relative to the loudest cell, with the power averaged down to the size of the plot."""
    frequencies, times, power = _power(samples, sample_rate_hz)
    power = _pooled(_pooled(power, 0, _ROWS), 1, _COLUMNS)
    decibels = 10 * np.log10(np.maximum(power / loudest, 10 ** (FLOOR_DB / 10)))
    return {
        "z": numbers(np.round(np.minimum(decibels, 0)).astype(np.int8)),
        "seconds": [float(times[0]), float(times[-1])],
        "khz": [float(frequencies[0]) / 1000, float(frequencies[-1]) / 1000],
        "columns": power.shape[1],
        "rows": power.shape[0],
        "floor": FLOOR_DB,
        "colours": _colours(),
    }


def _colours() -> list[list[int]]:
    """The colours from the floor to 0 dB, as bytes."""
    from matplotlib import colormaps

    found: list[list[int]] = np.round(255 * np.asarray(colormaps["magma"](np.linspace(0, 1, 64)))[:, :3]).astype(int).tolist()
    return found


def _pooled(values: np.ndarray, axis: int, most: int) -> np.ndarray:
    """Means of neighbours along an axis, reduced to at most `most` values."""
    length = values.shape[axis]
    if length <= most:
        return values
    starts = np.linspace(0, length, most, endpoint=False).astype(int)
    counts = np.diff([*starts, length])
    shape = [1, 1]
    shape[axis] = most
    return np.add.reduceat(values, starts, axis=axis) / counts.reshape(shape)
