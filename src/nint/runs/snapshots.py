"""Reads the files of `nint.monitors.snapshots`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        step: Finished steps.
        training_seconds: Seconds of training so far.
        selected: Points of the decoded grid that were in the last batch, `[b]`.
        decoded: The reconstruction, in the signal's own kind.
        pool: Points that could have been chosen.
    """

    step: int
    training_seconds: float
    selected: np.ndarray
    decoded: np.ndarray
    pool: int


def load_snapshots(folder: Path) -> list[Snapshot]:
    """The readable snapshots of a folder by step; a damaged file is left out."""
    found = [snapshot for path in folder.glob("step-*.npz") if (snapshot := load_snapshot(path)) is not None]
    return sorted(found, key=lambda snapshot: snapshot.step)


def load_snapshot(path: Path) -> Snapshot | None:
    """One snapshot; None where its file cannot be read."""
    try:
        with open(path, "rb") as handle, np.load(handle, allow_pickle=False) as file:
            selected, decoded = file["selected"], file["decoded"]
            if isinstance(selected, np.ndarray) and isinstance(decoded, np.ndarray):  # bytes where a header is damaged
                return Snapshot(int(file["step"]), float(file["training_seconds"]), selected, decoded, int(file["pool"]))
    except Exception:  # zipfile, zlib, NumPy and its tokenizer all have errors of their own for damaged files
        return None
    return None


def spread_out(snapshots: list[Snapshot], most: int) -> list[Snapshot]:
    """At most `most` of them, the first and the last included, evenly through the list."""
    if len(snapshots) <= most:
        return snapshots
    picks = np.linspace(0, len(snapshots) - 1, most).round().astype(int)
    return [snapshots[i] for i in picks]
