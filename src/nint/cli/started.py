"""When this process began, as nearly as its own code can tell: what a person asked for in seconds counts from there."""

from __future__ import annotations

import time

STARTED = time.perf_counter()


def elapsed_s() -> float:
    """Seconds since then."""
    return time.perf_counter() - STARTED
