"""The newest reconstruction of a run and its last batch, as pictures for the page."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

from nint.live.state import WatchedRun
from nint.report.frames import RECONSTRUCTION, SELECTED, layers
from nint.report.stills import viewer_for
from nint.report.waves import wave_frames
from nint.runs.snapshots import Snapshot

LAYERS = (RECONSTRUCTION, SELECTED)
SIDE = 480


def pictures_of(run: WatchedRun) -> tuple[int, dict[str, tuple[str, bytes]]]:
    """Step of the newest snapshot, and layer -> (type, content) of its picture; step -1 and nothing where there is none."""
    snapshot, layout = run.newest(), run.layout()
    if snapshot is None or layout is None:
        return -1, {}
    drawn = _sound(snapshot, layout) if layout.kind == "audio" else _planes(snapshot, layout)
    found = {}
    for name in LAYERS:
        if name in drawn:
            head, _, content = drawn[name].partition(";base64,")
            found[name] = (head.removeprefix("data:"), base64.b64decode(content))
    return snapshot.step, found


def _planes(snapshot: Snapshot, layout: Any) -> dict[str, str]:
    viewer = viewer_for(layout)
    if viewer is None or not snapshot.decoded.size or snapshot.decoded.size % int(np.prod(viewer.grid)):
        return {}
    return {name: pictures[0].uri for name, pictures in layers(viewer, [snapshot], None, None, viewer.planes // 2, SIDE).items()}


def _sound(snapshot: Snapshot, layout: Any) -> dict[str, str]:
    frames = wave_frames([snapshot], layout.frames, None, [], None)
    return {} if frames is None else {panel.title: next(iter(panel.layers.values()))[0].uri for panel in frames.panels}
