"""Snapshots of a sound as pictures: waveform, error, and the density of the selected samples over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nint.plots.style import RED
from nint.report.blocks import Frames, Panel
from nint.report.encode import Picture, picture
from nint.report.error_scale import MAX_FRAMES
from nint.report.frames import RECONSTRUCTION, SELECTED, captions
from nint.runs.snapshots import Snapshot, spread_out

_HEIGHT, _WIDTH = 120, 480
_INK = np.array([0.12, 0.36, 0.62], np.float32)
_ERROR_INK = np.array([0.75, 0.28, 0.05], np.float32)


def wave_frames(
    snapshots: Sequence[Snapshot], frames: int, original: np.ndarray | None, rows: Sequence[dict[str, Any]], metric: str | None
) -> Frames | None:
    """The slider of a fitted sound; None without snapshots.

    Args:
        snapshots: Snapshots by step.
        frames: Number of samples per channel.
        original: `[frames, channels]`; None leaves out the error.
        rows: Rows of the curve.
        metric: Name of the metric in the captions.
    """
    chosen = spread_out([s for s in snapshots if s.decoded.size and s.decoded.size % frames == 0], MAX_FRAMES)
    if not chosen:
        return None
    sounds = [snapshot.decoded.reshape(frames, -1) for snapshot in chosen]
    top = max(float(np.abs(original if original is not None else sounds[-1]).max()), 1e-6)
    found: dict[str, list[Picture]] = {RECONSTRUCTION: [_drawn(sound.mean(axis=1), top, _INK) for sound in sounds]}
    if original is not None:
        found["Error"] = [_drawn((sound - original).mean(axis=1), top, _ERROR_INK) for sound in sounds]
    found[SELECTED] = [_density(snapshot, frames) for snapshot in chosen]
    said = captions(chosen, rows, metric)
    panels = [Panel(name, {name: pictures}, [""] * len(chosen)) for name, pictures in found.items()]
    note = f"Waveforms from {-top:.2g} to {top:.2g}, over the whole sound. Red: the fraction of samples selected at that time."
    return Frames("Step", said, panels, note)


def _drawn(samples: np.ndarray, top: float, ink: np.ndarray) -> Picture:
    """The lowest to the highest sample of each column."""
    starts = _starts(len(samples))
    low, high = np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)
    heights = np.linspace(1.02 * top, -1.02 * top, _HEIGHT)[:, None]
    half = 1.02 * top / _HEIGHT  # half a row, so that a flat line is visible
    filled = (heights <= high + half) & (heights >= low - half)
    return picture(np.where(filled[..., None], ink, np.float32(1)), _WIDTH)


def _density(snapshot: Snapshot, frames: int) -> Picture:
    """White where no sample of a column was selected, red where all were."""
    starts = _starts(frames)
    mask = np.zeros(frames)
    mask[snapshot.selected[(snapshot.selected >= 0) & (snapshot.selected < frames)]] = 1
    fraction = np.add.reduceat(mask, starts) / np.diff([*starts, frames])
    row = 1 - fraction[:, None] * (1 - np.asarray(RED, np.float32))
    return picture(np.repeat(row[None], _HEIGHT, axis=0), _WIDTH)


def _starts(length: int) -> np.ndarray:
    return np.unique(np.linspace(0, length, min(_WIDTH, length), endpoint=False).astype(int))
