"""Pictures of a fitted sound, video or volume: waveform and spectrogram, a strip of frames, three slices."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import NintError
from nint.plots.sound import Sound, write_sounds
from nint.plots.strips import Errors, write_strip
from nint.report.error_scale import scale_of
from nint.report.stills import Viewer, original_values, viewer_for
from nint.report.words import metric, metric_label
from nint.runs.contents import FRAMES, SLICES, SOUND
from nint.runs.model import Fit
from nint.runs.snapshots import Snapshot
from nint.signals.base import MEASURE_UP_TO, Signal

_MOST_FRAMES = 6


def kind_pictures(folder: Path, signal: Signal, fit: Fit, snapshots: Sequence[Snapshot]) -> list[Path]:
    """Writes the picture of a kind other than image; none for kinds without one, or with more than `MEASURE_UP_TO` points.

    A sound gives sound.png, a video frames.png, a volume or another regular grid of two or three axes slices.png.

    Args:
        folder: Of the run.
        signal: What was fitted.
        fit: The result.
        snapshots: Of the run, for the scale of errors.

    Cost: one forward over all points, where the last snapshot is not of the finished run.
    """
    layout: Any = signal.layout
    if layout.kind not in ("audio", "video", "volume", "array") or (layout.samples or 0) > MEASURE_UP_TO:
        return []
    viewer = None if layout.kind == "audio" else viewer_for(layout)
    if layout.kind != "audio" and viewer is None:
        return []
    try:
        decoded = decoded_of(snapshots, fit)
    except NintError:
        return []
    if viewer is None:
        return [_sound(folder / SOUND, signal, fit, decoded)]
    if layout.kind == "video":
        return [_frames(folder / FRAMES, signal, fit, snapshots, decoded, viewer)]
    return [_slices(folder / SLICES, signal, fit, snapshots, decoded, viewer)]


def decoded_of(snapshots: Sequence[Snapshot], fit: Fit) -> np.ndarray:
    """The reconstruction: that of the last snapshot, where it is of the weights that were kept."""
    if snapshots and snapshots[-1].step == fit.record.get("steps") and not fit.record.get("half"):
        return snapshots[-1].decoded
    return np.asarray(fit.decode())


def _sound(path: Path, signal: Any, fit: Fit, decoded: np.ndarray) -> Path:
    whole = getattr(signal, "inner", signal)  # held-out samples wrap the sound
    original = np.asarray(whole.samples, np.float64).mean(axis=1)
    sampler = str(fit.record.get("settings", {}).get("sampler", ""))
    sounds = [
        Sound("original", original, caption=f"{len(original) / signal.layout.sample_rate_hz:.3g} s"),
        Sound("reconstruction", np.asarray(decoded, np.float64).reshape(len(original), -1).mean(axis=1), sampler, _quality(signal, fit)),
    ]
    return write_sounds(sounds[0], sounds[1:], signal.layout.sample_rate_hz, _title(signal, "mean of the channels"), path)


def _frames(path: Path, signal: Any, fit: Fit, snapshots: Sequence[Snapshot], decoded: np.ndarray, viewer: Viewer) -> Path:
    count = viewer.planes
    indices = [int(i) for i in np.unique(np.linspace(0, count - 1, min(count, _MOST_FRAMES)).round())]
    places = [(viewer, index, f"frame {index} of {count}") for index in indices]
    return _strip(path, signal, fit, snapshots, decoded, viewer, places)


def _slices(path: Path, signal: Any, fit: Fit, snapshots: Sequence[Snapshot], decoded: np.ndarray, viewer: Viewer) -> Path:
    axes = [None] if viewer.axis is None else range(len(viewer.grid))
    places = []
    for axis in axes:
        along = dataclasses.replace(viewer, axis=axis)
        index = along.planes // 2
        places.append((along, index, "" if axis is None else f"{along.plane_name}, {index} of {along.planes}"))
    return _strip(path, signal, fit, snapshots, decoded, viewer, places, corners=True)


def _strip(
    path: Path,
    signal: Any,
    fit: Fit,
    snapshots: Sequence[Snapshot],
    decoded: np.ndarray,
    viewer: Viewer,
    places: Sequence[tuple[Viewer, int, str]],
    corners: bool = False,
) -> Path:
    values, original = viewer.unit(decoded), original_values(signal, viewer)
    rows = {"reconstruction": [along.picture(values, index) for along, index, _ in places]}
    errors = None
    if original is not None:
        seen = np.nan_to_num(original, nan=0.5)
        rows = {"original": [along.picture(seen, index) for along, index, _ in places]} | rows
        top = scale_of(viewer, snapshots, decoded, original)
        errors = Errors([along.error(values, original, index) for along, index, _ in places], top)
    return write_strip(_title(signal, _quality(signal, fit)), [heading for *_, heading in places], rows, errors, path, corners)


def _title(signal: Any, more: str) -> str:
    return ", ".join(filter(None, [str(signal.name), more]))


def _quality(signal: Any, fit: Fit) -> str:
    name = next((name for name in signal.metrics if fit.metrics.get(name) is not None), None)
    return "" if name is None else f"{metric_label(name)} {metric(name, fit.metrics[name])}"
