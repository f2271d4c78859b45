"""How large a signal may be: what a file may claim to hold, and what may be decoded."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nint.errors import UsageError
from nint.settings import whole

MAX_POINTS = 2**28
"""Most points (pixels, voxels, instants, rows) that a file may claim to hold beyond what its length proves; `--max-points` raises it."""

MAX_DECODED = 2**31
"""Most points that a decoded signal may have: an hour and more of predictions on a CPU."""

MAX_AXIS = 2**28
"""Most points that one axis of a decoded signal may have: its coordinates are held in memory."""


def check_points(points: int, name: object, max_points: int | None = None) -> None:
    """Refuses a file by the size in its header, before anything is allocated for it.

    Args:
        points: How many the header claims.
        name: What the message calls the file.
        max_points: Most that it may hold; `MAX_POINTS` where None.

    Raises:
        UsageError: names the number and the limit.
    """
    limit = MAX_POINTS if max_points is None else whole(max_points, "max_points")
    if points > limit:
        raise UsageError(f"'{name}' claims to hold {points:,} points, more than the limit of {limit:,}; --max-points raises it.")


def check_decoded(shape: Sequence[int]) -> None:
    """Refuses a size that no one can wait for, before anything is allocated for it.

    Args:
        shape: Points an axis of what is to be decoded.

    Raises:
        UsageError: for more than `MAX_DECODED` points, or `MAX_AXIS` of an axis.
    """
    points = math.prod(shape)
    if max(shape) > MAX_AXIS:
        raise UsageError(f"A decoded axis has at most {MAX_AXIS:,} points, not {min(max(shape), 10**300):.4g}; ask for a smaller size.")
    if points > MAX_DECODED:
        size = "x".join(map(str, shape))
        raise UsageError(
            f"A decoded size of {size} has {points:.4g} points, more than the limit of {MAX_DECODED:,}; ask for a smaller one."
        )
