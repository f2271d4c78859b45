"""Several runs of one input beside each other: the same slider moves the pictures of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.report.blocks import Frames, Panel
from nint.report.curves import clean_rows
from nint.report.error_scale import error_top, usable
from nint.report.frames import PIXELATED_SIDE, captions, layers, note
from nint.report.stills import original_values, viewer_for
from nint.runs.snapshots import Snapshot, load_snapshots
from nint.signals.base import Signal

MOST_RUNS, MOST_STEPS, SIDE = 10, 6, 288


@dataclass(frozen=True)
class RunPictures:
    """Where the pictures of a run are.

    Attributes:
        title: Which run.
        place: Folder of its snapshots.
        record: Its record.
    """

    title: str
    place: Path
    record: dict[str, Any]


def interleaved_frames(runs: Sequence[RunPictures], signal: Signal, metric: str | None, heading: str = "") -> Frames | None:
    """The slider through the snapshots of runs of one input; None where no run has pictures.

    Args:
        runs: The runs; the first `MOST_RUNS` with snapshots are shown.
        signal: What was fitted, which tells how to look at the snapshots.
        metric: Quality for the captions.
        heading: What the runs have in common.
    """
    viewer = viewer_for(signal.layout)
    if viewer is None:
        return None
    every = [(run, usable(load_snapshots(run.place), viewer, MOST_STEPS)) for run in runs]
    found = [(run, snapshots) for run, snapshots in every if snapshots][:MOST_RUNS]
    if not found:
        return None
    index = viewer.planes // 2
    original = original_values(signal, viewer)
    # One scale for all runs, or their errors could not be compared by eye.
    top = None if original is None else max(error_top(viewer, [s.decoded for s in snapshots], original, index) for _, snapshots in found)
    panels = [
        Panel(
            run.title,
            layers(viewer, snapshots, original, top, index, SIDE),
            captions(snapshots, clean_rows(run.record.get("curve")), metric),
        )
        for run, snapshots in found
    ]
    first = next(iter(panels[0].layers.values()))[0]
    small = max(first.width, first.height) < PIXELATED_SIDE
    return Frames("Checkpoint", _labels([snapshots for _, snapshots in found]), panels, note(viewer, index, top), small, heading=heading)


def _labels(runs: Sequence[Sequence[Snapshot]]) -> list[str]:
    """What all runs have in common at a frame: the step, or else about the seconds."""
    count = max(map(len, runs))
    labels = []
    for frame in range(count):
        at = [run[min(frame, len(run) - 1)] for run in runs]
        steps = {snapshot.step for snapshot in at}
        seconds = max(snapshot.training_seconds for snapshot in at)
        labels.append(f"step {at[0].step:,}" if len(steps) == 1 else f"{frame + 1} of {count}, about {seconds:.2g} s")
    return labels
