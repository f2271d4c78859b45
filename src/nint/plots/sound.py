"""A sound and its reconstructions: waveform, error and spectrogram below each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nint.plots.style import INK, NORMAL, SMALL, head, lines_for, new_figure, save

FLOOR_DB = -80.0
"""Lowest level of the spectrograms in dB, relative to the loudest cell of the original."""


@dataclass(frozen=True)
class Sound:
    """One sound.

    Attributes:
        title: Heading.
        samples: `[n]` in [-1, 1].
        sampler: Text form, which decides the colour; empty for the original.
        caption: Text below the title, for example the SI-SNR.
    """

    title: str
    samples: np.ndarray
    sampler: str = ""
    caption: str = ""


def spectrogram(samples: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Power spectral density over short windows (Hann, 32 ms, hop a quarter of a window).

    Args:
        samples: `[n]`.
        sample_rate_hz: Sample rate in Hz.

    Returns:
        Frequencies `[f]` in Hz, times `[t]` in seconds, power `[f, t]`.
    """
    from scipy.signal import spectrogram as short_time

    width = max(min(int(0.032 * sample_rate_hz), len(samples)), 2)
    frequencies, times, power = short_time(samples, sample_rate_hz, window="hann", nperseg=width, noverlap=3 * width // 4, mode="psd")
    return frequencies, times, power


def write_sounds(original: Sound, others: Sequence[Sound], sample_rate_hz: int, title: str, path: Path) -> Path:
    """Writes the original and each reconstruction side by side; errors share one axis, spectrograms one scale."""
    sounds = [original, *others]
    lines = lines_for([sound.sampler for sound in others])
    seconds = np.arange(len(original.samples)) / sample_rate_hz
    errors = [sound.samples - original.samples for sound in others]
    most = max((float(np.abs(error).max()) for error in errors), default=1.0) or 1.0
    loudest = float(spectrogram(original.samples, sample_rate_hz)[2].max()) or 1.0
    figure = new_figure(3.5 * len(sounds) + 0.6, 6.6)
    head(figure, title)
    grid = figure.subplots(3, len(sounds), squeeze=False, sharex=True, sharey="row")
    top = 1.05 * max(float(np.abs(sound.samples).max()) for sound in sounds)
    for column, sound in enumerate(sounds):
        wave, error, levels = grid[:, column]
        colour = lines[sound.sampler].colour if sound.sampler else INK
        wave.plot(seconds, sound.samples, color=colour, linewidth=0.5)
        wave.set_ylim(-top, top)
        wave.set_title(f"{sound.title}\n{sound.caption}", fontsize=NORMAL, color=INK)
        if column:
            error.plot(seconds, errors[column - 1], color=colour, linewidth=0.5)
        error.axhline(0, color=INK, linewidth=0.6)
        error.set_ylim(-1.05 * most, 1.05 * most)
        frequencies, times, power = spectrogram(sound.samples, sample_rate_hz)
        decibels = 10 * np.log10(np.maximum(power / loudest, 10 ** (FLOOR_DB / 10)))
        shown = levels.pcolormesh(times, frequencies / 1000, decibels, vmin=FLOOR_DB, vmax=0, cmap="magma", shading="nearest")
        levels.set_xlabel("seconds", fontsize=NORMAL, color=INK)
        for axes in (wave, error, levels):
            axes.tick_params(labelsize=SMALL, colors=INK)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    for axes, label in zip(grid[:, 0], ("waveform", "error", "kHz"), strict=True):
        axes.set_ylabel(label, fontsize=NORMAL, color=INK)
    grid[0, 0].set_xlim(0, float(seconds[-1]))
    bar = figure.colorbar(shown, ax=list(grid[2]), fraction=0.03, pad=0.01)
    bar.set_label("dB of the loudest", fontsize=SMALL, color=INK)
    bar.ax.tick_params(labelsize=SMALL, colors=INK)
    bar.outline.set_visible(False)
    return save(figure, path)
