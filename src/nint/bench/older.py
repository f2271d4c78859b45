"""Lines that `nint compare` wrote up to version 0.1.0, as records of today: {field, sampler, seed, error, record}."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from typing import Any

from nint.bench.runs import RunSpec

PLACE = "kept_in"
"""Key of a record: where below `runs/` its snapshots lie, where that is not its own key."""


def is_older(line: dict[str, Any]) -> bool:
    """Whether a line is of that form."""
    return "record" in line and "spec" not in line


def as_record(line: dict[str, Any]) -> dict[str, Any]:
    """The line as a record with a key and a spec; what its settings do not tell stays at its default.

    Raises:
        TypeError: where the line is damaged; likewise KeyError and others of what it may lack.
    """
    field, sampler, seed, record = str(line["field"]), str(line["sampler"]), int(line["seed"]), dict(line["record"])
    identity, settings = record["identity"], record.get("settings") or {}
    budget = record.get("budget") or identity
    steps, seconds = budget.get("steps"), budget.get("seconds")
    spec = RunSpec(
        input=str(settings.get("input", "")),
        field=field,
        sampler=sampler,
        recipe=str(settings.get("recipe", "paper")),
        seed=seed,
        steps=None if seconds is not None else steps or max([1, *(row["step"] for row in record.get("curve", []))]),
        seconds=seconds,
        options=tuple((settings.get("options") or {}).items()),
    )
    text = json.dumps([field, sampler, seed, identity], sort_keys=True)
    return {
        **record,
        "key": hashlib.sha256(text.encode()).hexdigest()[:16],
        "spec": spec.to_json(),
        "error": line["error"],
        "experiment": "compare",
        "curve": record.get("curve", []),
        PLACE: f"{_slug(field)}/{_slug(sampler)}" if seed == 0 else "none",
    }


def _slug(text: str) -> str:
    """A text form as a file name; a long one was cut and made unique by a checksum.

    Raises:
        ValueError: for one that names no folder of its own.
    """
    name = re.sub(r"[^A-Za-z0-9.=_-]+", "_", text)
    if not name.strip("."):
        raise ValueError(f"'{text}' names nothing")
    return name if len(name) <= 80 else f"{name[:70]}-{zlib.crc32(text.encode()):08x}"
