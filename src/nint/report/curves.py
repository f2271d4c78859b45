"""The curves of runs as data for the page's plot: every metric over steps, training seconds, forward equivalents and FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nint.monitors.evaluate import NOT_METRICS
from nint.plots.style import label_of, lines_for
from nint.report.encode import short
from nint.runs.older import with_current_names

AXES = {
    "step": "steps",
    "training_seconds": "training seconds (evaluation not counted)",
    "forward_equivalents": "forward equivalents (1 = a forward over all points; a backward counts 2)",
    "flops": "FLOPs",
}
"""Column of a curve -> label of its axis."""

LOSS = "loss of the last batch"
MAX_ROWS = 120

_DARK_GROUND = (0x17, 0x19, 0x1C)
_CONTRAST = 4.5


@dataclass(frozen=True)
class Course:
    """The curve of one run.

    Attributes:
        name: Entry of the legend; runs of one name share it.
        sampler: Text form, which decides the colour.
        seed: Shown in the hover text.
        rows: Rows of the curve.
    """

    name: str
    sampler: str
    seed: Any
    rows: Sequence[dict[str, Any]]


def group(name: str, courses: Sequence[Course]) -> dict[str, Any] | None:
    """The data of one plot, as `Curves.groups` holds them; None where no run has a curve.

    Args:
        name: Label of the plot where a page has several.
        courses: The runs.
    """
    kept = [(course, clean_rows(course.rows)) for course in courses]
    kept = [(course, rows) for course, rows in kept if rows]
    if not kept:
        return None
    metrics = metrics_of([row for _, rows in kept for row in rows])
    axes = [axis for axis in AXES if all(axis in row for _, rows in kept for row in rows)]
    if not metrics or not axes:
        return None
    looks = _looks({course.name: course.sampler for course, _ in kept})
    series, named = [], set()
    for course, rows in kept:
        rows = thinned(rows)
        light, dark, dash = looks[course.name]
        columns = {column: [row.get(column) for row in rows] for column in (*axes, *metrics)}
        first = course.name not in named
        named.add(course.name)
        series.append(
            {"name": course.name, "seed": course.seed, "first": first, "light": light, "dark": dark, "dash": dash, "columns": columns}
        )
    labels = {metric: LOSS if metric == "loss" else label_of(metric) for metric in metrics}
    return {"name": name, "axes": {axis: AXES[axis] for axis in axes}, "metrics": labels, "series": series}


def clean_rows(rows: Any) -> list[dict[str, float | int]]:
    """The rows of a curve, reduced to their finite numbers; entries that are not rows are dropped."""
    found = []
    for row in rows if isinstance(rows, list) else []:
        named = with_current_names(row) if isinstance(row, dict) else {}
        numbers = {str(key): number for key, value in named.items() if (number := short(value)) is not None}
        if "step" in numbers:
            found.append(numbers)
    return found


def thinned(rows: list[dict[str, Any]], most: int = MAX_ROWS) -> list[dict[str, Any]]:
    """At most `most` evenly spaced rows, including the first and the last."""
    if len(rows) <= most:
        return rows
    last = len(rows) - 1
    return [rows[round(i * last / (most - 1))] for i in range(most)]


def metrics_of(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the metrics in rows, in the order of their first appearance, the loss last."""
    names = dict.fromkeys(name for row in rows for name in row if name not in NOT_METRICS)
    return [*names, *(["loss"] if any("loss" in row for row in rows) else [])]


def _looks(samplers: dict[str, str]) -> dict[str, tuple[str, str, str]]:
    """Name -> colour on light, colour on dark, dash, as in the pictures; names of one sampler differ in their dashes."""
    labels = {name: name if sampler and name.startswith(sampler) else f"{sampler}, {name}" for name, sampler in samplers.items()}
    lines = lines_for(list(labels.values()))
    return {name: (line.colour, on_dark(line.colour), line.dash_name) for name, label in labels.items() for line in [lines[label]]}


def on_dark(colour: str) -> str:
    """A colour "#rrggbb", lightened until its contrast with the dark page is at least 4.5; greys are inverted first."""
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    if len(set(parts)) == 1:
        parts = [255 - part for part in parts]
    for percent in range(0, 101, 5):
        mixed = tuple(round(part + (255 - part) * percent / 100) for part in parts)
        if contrast(mixed, _DARK_GROUND) >= _CONTRAST:
            break
    return "#{:02x}{:02x}{:02x}".format(*mixed)


def contrast(one: Sequence[int], other: Sequence[int]) -> float:
    """Contrast ratio of two colours `[3]` in 0 to 255; a number from 1 to 21.

    Source: WCAG 2.2, contrast ratio and relative luminance.
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Sequence[int]) -> float:
    encoded = [part / 255 for part in colour]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in encoded]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
