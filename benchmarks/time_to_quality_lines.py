"""Lines of `results.jsonl` of `time_to_quality.py`: a finished lane each, appended as it ends, and what is read off their curves."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nint.bench.targets import time_to_target
from nint.runs.older import with_current_names

LINES = "results.jsonl"


def key_of(identity: dict[str, Any]) -> str:
    """16 hex digits that differ where the identity differs."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def crossing(curve: Sequence[dict[str, Any]], target: float) -> dict[str, float] | None:
    """Step, training seconds and forward equivalents at which the PSNR first crossed a target, on the line between two evaluations.

    Args:
        curve: Rows of a run, in the order of their steps.
        target: Decibels.

    Returns:
        None where no evaluation is at or above the target.

    >>> points = [(0, 5.0), (10, 20.0), (20, 30.0)]
    >>> rows = [dict(step=s, training_seconds=s / 10, forward_equivalents=3.0 * s, psnr=p) for s, p in points]
    >>> crossing(rows, 25)
    {'psnr': 25, 'step': 15.0, 'training_seconds': 1.5, 'forward_equivalents': 45.0}
    """
    reached = time_to_target(curve, "psnr", target)
    if reached is None:
        return None
    at = next(i for i, row in enumerate(curve) if row["step"] == reached.step)
    after, before = curve[at], curve[max(at - 1, 0)]
    gain = after["psnr"] - before["psnr"]
    part = (target - before["psnr"]) / gain if gain > 0 else 1.0
    names = ("step", "training_seconds", "forward_equivalents")
    return {"psnr": target, **{name: before[name] + part * (after[name] - before[name]) for name in names}}


def read_lines(out: Path) -> list[dict[str, Any]]:
    """The finished lanes, the last line of each key; lines that a kill has cut short are left out."""
    path, found = out / LINES, {}
    for text in path.read_bytes().splitlines() if path.exists() else ():
        try:
            line = with_current_names(json.loads(text))
            key = line["key"]
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        found.pop(key, None)
        found[key] = line
    return list(found.values())


def append_line(out: Path, line: dict[str, Any]) -> None:
    """Adds a line, on disk before this returns."""
    out.mkdir(parents=True, exist_ok=True)
    with open(out / LINES, "ab+") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(line, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
