"""One colour scale of errors for the pictures of a run and for its page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nint.report.stills import Viewer
from nint.runs.snapshots import Snapshot, spread_out

MAX_FRAMES = 12
"""Snapshots that are shown of a run."""

_LEAST = 1 / 255


def usable(snapshots: Sequence[Snapshot], viewer: Viewer, most: int = MAX_FRAMES) -> list[Snapshot]:
    """Snapshots whose size fits the layout, at most `most`, evenly spaced."""
    size = int(np.prod(viewer.grid))
    return spread_out([s for s in snapshots if s.decoded.size and s.decoded.size % size == 0], most)


def error_top(viewer: Viewer, decoded: Sequence[np.ndarray], original: np.ndarray, index: int) -> float:
    """Upper end of the colour scale of errors: the geometric mean of the largest errors of the first and the last reconstruction.

    "Largest" is the quantile 0.999, so that single pixels do not decide it.

    Args:
        viewer: How the layout is drawn.
        decoded: Reconstructions over the run, at least one.
        original: `[*grid, c]` in [0, 1].
        index: Index of the plane.
    """
    errors = [viewer.error(viewer.unit(values), original, index) for values in (decoded[0], decoded[-1])]
    tops = [max(float(np.nanquantile(error, 0.999)), _LEAST) for error in errors if np.isfinite(error).any()]
    return float(np.sqrt(tops[0] * tops[-1])) if tops else 1.0


def scale_of(viewer: Viewer, snapshots: Sequence[Snapshot], decoded: np.ndarray, original: np.ndarray) -> float:
    """The upper end that the page of a run uses, for its other pictures.

    Args:
        viewer: How the layout is drawn.
        snapshots: Of the run.
        decoded: The reconstruction at the end, which decides where there are no snapshots.
        original: `[*grid, c]` in [0, 1].
    """
    shown = [snapshot.decoded for snapshot in usable(snapshots, viewer)] or [decoded]
    return error_top(viewer, shown, original, viewer.planes // 2)
