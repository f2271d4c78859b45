"""The contents of a run's record as labels and values for a reader."""

from __future__ import annotations

import math
from typing import Any

from nint.plots.style import LABELS
from nint.report.curves import clean_rows, metrics_of
from nint.report.words import duration, memory, metric, metric_label


def part(record: Any, name: str) -> dict[str, Any]:
    """An entry of a record that should be a dictionary; empty where it is missing or something else."""
    found = record.get(name) if isinstance(record, dict) else None
    return found if isinstance(found, dict) else {}


def number(record: Any, name: str) -> float | None:
    """An entry of a record that should be a finite number; None where it is missing or something else."""
    found = record.get(name) if isinstance(record, dict) else None
    good = isinstance(found, (int, float)) and not isinstance(found, bool) and math.isfinite(found)
    return found if good else None


def metrics(record: dict[str, Any]) -> dict[str, float]:
    """The metrics at the end of a run, by name."""
    names = [name for name in metrics_of(clean_rows(record.get("curve"))) if name != "loss"] or LABELS
    return {name: found for name in names if (found := number(record, name)) is not None}


def tiles(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The most important numbers of a run, as (label, value)."""
    found = [(metric_label(name), metric(name, value)) for name, value in metrics(record).items()]
    steps, seconds, forwards = (number(record, name) for name in ("steps", "training_seconds", "forward_equivalents"))
    if steps is not None:
        found.append(("steps", f"{steps:,.0f}"))
    if seconds is not None:
        found.append(("training", duration(seconds)))
    if forwards is not None:
        found.append(("forward equivalents", f"{forwards:,.0f}"))
    return found


def settings(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The settings of a run, as (label, value)."""
    asked = {name: value for name, value in part(record, "settings").items() if name != "content"}
    budget = {f"budget, {name}": value for name, value in part(record, "budget").items()}
    rest = {name: record.get(name) for name in ("recipe", "init", "half", "command") if name not in asked}
    return _rows(asked | budget | rest)


def outcome(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Time, work and memory of a run, as (label, value)."""
    seconds, selecting = number(record, "training_seconds"), number(record, "selection_seconds")
    rows = _rows({"stopped": record.get("stopped"), **{name: _grouped(record, name) for name in ("points", "parameters", "steps")}})
    if seconds is not None:
        fraction = f", of which {selecting / seconds:.0%} for selecting points" if selecting is not None and seconds else ""
        rows.append(("training", f"{duration(seconds)}{fraction}"))
    if (forwards := number(record, "forward_equivalents")) is not None:
        rows.append(("forward equivalents", f"{forwards:,.1f} (1 = a forward over all points; a backward counts 2)"))
    counts = {
        "points in forward passes": "points_forwarded",
        "points in backward passes": "points_backwarded",
        "points in forward-mode passes": "points_in_jvps",
    }
    rows += _rows({label: _grouped(record, name) for label, name in counts.items()})
    if (peak := number(record, "peak_memory_bytes")) is not None:
        rows.append(("peak memory", memory(peak)))
    return rows


def place(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Machine and versions, as (label, value)."""
    machine = {f"machine, {name}": value for name, value in part(record, "machine").items()}
    versions = {f"version of {name}": value for name, value in part(record, "versions").items()}
    rest = {"threads": record.get("threads"), "chunks, points": _grouped(record, "chunk_size"), "matrix products": record.get("matmul")}
    return _rows(machine | rest | versions)


def _grouped(record: dict[str, Any], name: str) -> str | None:
    value = number(record, name)
    return None if value is None else f"{value:,.0f}"


def _rows(values: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    for name, value in values.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key}={item}" for key, item in value.items())
        if isinstance(value, bool):
            value = "yes" if value else "no"
        if value not in (None, "", []):
            found.append((str(name).replace("_", " "), f"{value:g}" if isinstance(value, float) else str(value)))
    return found
