"""The reconstruction of a fit as pictures, sounds or meshes, beside the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from nint.errors import NintError
from nint.mesh import Mesh
from nint.report.blocks import Block, Notes, Section, Split, Still
from nint.report.encode import picture
from nint.report.frames import PIXELATED_SIDE, plane_frames
from nint.report.meshes import RESOLUTIONS, turnable
from nint.report.stills import Viewer, original_values, viewer_for
from nint.runs.model import Fit
from nint.runs.snapshots import Snapshot
from nint.signals.base import MEASURE_UP_TO, Layout, Signal

PANEL = 420
"""Longest side in pixels of a picture that stands beside others."""

_LARGE = 960


@dataclass(frozen=True)
class Found:
    """The contents of the folder of a fit; None for what is missing."""

    record: dict[str, Any]
    layout: Layout | None
    fit: Fit | None
    snapshots: list[Snapshot]
    signal: Signal | None


def result(found: Found, missing: list[str]) -> Section:
    """The section about the reconstruction.

    Args:
        found: The contents of the folder.
        missing: Sentences about what is missing.
    """
    layout = found.layout
    blocks: list[Block] = []
    if layout is not None:
        viewer = viewer_for(layout)
        if layout.kind == "audio":
            blocks = _sounds(found, layout)
        elif layout.kind == "shape":
            blocks = _meshes(found)
        elif viewer is not None:
            blocks = _pictures(found, viewer)
        else:
            missing = [*missing, f"Signals of kind {layout.kind} with {layout.in_features} coordinates have no picture here."]
    said = [*missing, *(found.signal.report() if found.signal is not None else ())]
    return Section("Result", [*blocks, *([Notes(said)] if said else [])])


def _decoded(found: Found, layout: Layout) -> Any:
    """The reconstruction at the end: the last snapshot, or the output of the model; None where there is neither."""
    last = found.snapshots[-1] if found.snapshots else None
    if last is not None and last.step == found.record.get("steps", last.step):
        return last.decoded
    if found.fit is None or (layout.samples or 0) > MEASURE_UP_TO:
        return None if last is None else last.decoded
    try:
        return np.asarray(found.fit.decode())
    except NintError:
        return None


def _pictures(found: Found, viewer: Viewer) -> list[Block]:
    decoded = _decoded(found, viewer.layout)
    if decoded is None or decoded.size % int(np.prod(viewer.grid)):
        return [Notes([f"With more than {MEASURE_UP_TO:,} points the reconstruction is too large for this page; use nint decode."])]
    values = viewer.unit(decoded)
    original = None if found.signal is None else original_values(found.signal, viewer)
    planes = plane_frames(viewer, values, original, PANEL)
    if planes is not None:
        return [planes]
    here = picture(viewer.picture(values, 0), _LARGE)
    small = max(here.width, here.height) < PIXELATED_SIDE
    if original is None:
        return [Still(here, "The reconstruction at the end.", "Reconstruction", small)]
    there = picture(viewer.picture(np.nan_to_num(original, nan=0.5), 0), _LARGE)
    return [Split(there, here, "Original", "Reconstruction", small)]


def _sounds(found: Found, layout: Any) -> list[Block]:
    from nint.report.sound import sounds

    decoded = _decoded(found, layout)
    if decoded is None:
        return [Notes(["The reconstruction is too long for this page; use nint decode."])]
    whole: Any = getattr(found.signal, "inner", found.signal)
    pairs = [] if whole is None else [("Original", whole.samples)]
    return sounds([*pairs, ("Reconstruction", decoded.reshape(-1, layout.channels))], layout.sample_rate_hz)


def _meshes(found: Found) -> list[Block]:
    blocks: list[Block] = []
    problem = "Without its model a shape cannot be shown."
    if found.fit is not None:
        for resolution in RESOLUTIONS:
            try:
                mesh = found.fit.decode(resolution=resolution)
            except NintError as error:
                problem = str(error)
                continue
            block = turnable("Reconstruction", mesh, f"Decoded on a grid of {resolution} points per axis.")
            if block is not None:
                blocks.append(block)
                break
    original = getattr(getattr(found.signal, "inner", found.signal), "placed", None)
    if isinstance(original, Mesh) and (block := turnable("Original", original)) is not None:
        blocks.insert(0, block)
    return blocks if blocks else [Notes([problem])]
