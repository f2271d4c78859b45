"""Snapshots as pictures behind a slider: reconstruction, error and selected points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nint.report.blocks import Frames, Panel
from nint.report.encode import Picture, picture
from nint.report.error_scale import error_top, usable
from nint.report.stills import Viewer, heat
from nint.runs.snapshots import Snapshot

RECONSTRUCTION, ERROR, SELECTED = "Reconstruction", "Absolute error", "Selected points"
MAX_PLANES = 24
PIXELATED_SIDE = 200
"""Pictures whose longest side is shorter are enlarged without smoothing."""


def layers(
    viewer: Viewer, snapshots: Sequence[Snapshot], original: np.ndarray | None, top: float | None, index: int, most: int
) -> dict[str, list[Picture]]:
    """Name of a layer -> a picture of each snapshot.

    Args:
        viewer: How the layout is drawn.
        snapshots: Snapshots by step.
        original: `[*grid, c]` in [0, 1]; None leaves out the error.
        top: Upper end of the colour scale of errors.
        index: Index of the plane.
        most: Longest side of a picture in pixels.
    """
    found: dict[str, list[Picture]] = {}
    for snapshot in snapshots:
        values = viewer.unit(snapshot.decoded)
        found.setdefault(RECONSTRUCTION, []).append(picture(viewer.picture(values, index), most))
        if original is not None and top is not None:
            found.setdefault(ERROR, []).append(picture(heat(viewer.error(values, original, index), top), most))
        found.setdefault(SELECTED, []).append(picture(viewer.selected(values, snapshot.selected, index), most))
    return found


def captions(snapshots: Sequence[Snapshot], rows: Sequence[dict[str, Any]], metric: str | None) -> list[str]:
    """A caption for each snapshot, as in "step 60, 0.97 s, 20.0 % of the points, 18.09 dB"."""
    from nint.report.words import metric as metric_text

    quality = {row["step"]: row.get(metric) for row in rows if metric is not None}
    found = []
    for snapshot in snapshots:
        value = quality.get(snapshot.step)
        fraction = len(snapshot.selected) / max(snapshot.pool, 1)
        words = [f"step {snapshot.step:,}", f"{snapshot.training_seconds:.3g} s", f"{fraction:.1%} of the points"]
        found.append(", ".join([*words, *([metric_text(metric, value)] if metric and value is not None else [])]))
    return found


def note(viewer: Viewer, index: int, top: float | None) -> str:
    """The explanation below the pictures."""
    parts = [f"Shown is {viewer.plane_name} {index}."] if viewer.axis is not None else []
    if top is not None:
        parts.append(
            f"Absolute error: mean over channels; black is 0, yellow is {top:.2g} or more of the signal's range, on a square-root scale."
        )
    parts.append("Red marks the points of the batch of that step.")
    return " ".join(parts)


def step_frames(
    viewer: Viewer,
    snapshots: Sequence[Snapshot],
    original: np.ndarray | None,
    rows: Sequence[dict[str, Any]],
    metric: str | None,
    most: int,
) -> Frames | None:
    """The slider of one run with a panel for each layer; None without snapshots."""
    chosen = usable(snapshots, viewer)
    if not chosen:
        return None
    index = viewer.planes // 2
    top = None if original is None else error_top(viewer, [s.decoded for s in chosen], original, index)
    found = layers(viewer, chosen, original, top, index, most)
    said = captions(chosen, rows, metric)
    panels = [Panel(name, {name: pictures}, [""] * len(chosen)) for name, pictures in found.items()]
    return Frames("Step", said, panels, note(viewer, index, top), _small(panels))


def plane_frames(viewer: Viewer, values: np.ndarray, original: np.ndarray | None, most: int) -> Frames | None:
    """A slider through the frames of a video or the planes of a volume; None for a signal that is one plane."""
    if viewer.planes < 2:
        return None
    indices = np.unique(np.linspace(0, viewer.planes - 1, min(viewer.planes, MAX_PLANES)).round().astype(int))
    sources = {"Original": original, RECONSTRUCTION: values}
    panels = [
        Panel(name, {name: [picture(viewer.picture(source, int(i)), most) for i in indices]}, [""] * len(indices))
        for name, source in sources.items()
        if source is not None
    ]
    name = viewer.plane_name
    return Frames(
        name[0].upper() + name[1:], [f"{name} {i} of {viewer.planes}" for i in indices], panels, "", _small(panels), len(indices) // 2
    )


def _small(panels: Sequence[Panel]) -> bool:
    first = next(iter(panels[0].layers.values()))[0]
    return max(first.width, first.height) < PIXELATED_SIDE
