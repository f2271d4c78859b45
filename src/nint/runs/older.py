"""Records of earlier versions, brought to today's names when they are read."""

from __future__ import annotations

from typing import Any

_RENAMED = {"units": "forward_equivalents"}
"""Key up to version 0.1.0 -> key now, of records and of the rows of their curves."""


def with_current_names(record: dict[str, Any]) -> dict[str, Any]:
    """A record of a run, or a row of a curve, under today's keys; what has them already comes back equal.

    >>> with_current_names({"units": 3.0, "curve": [{"step": 1, "units": 3.0}]})
    {'forward_equivalents': 3.0, 'curve': [{'step': 1, 'forward_equivalents': 3.0}]}
    """
    found = {_RENAMED.get(key, key): value for key, value in record.items()}
    if isinstance(found.get("curve"), list):
        found["curve"] = [with_current_names(row) if isinstance(row, dict) else row for row in found["curve"]]
    return found
