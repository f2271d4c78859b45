"""Curves of several runs over measures of cost, mean over inputs and seeds, in the style of the paper's Fig. 4."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.plots.style import INK, LETTER, NORMAL, Line, head, label_of, lines_for, new_figure, plain_axes, save, wrapped

_GRID_POINTS = 200
_FEW = 3
"""Fewer evaluations than these are drawn as dots."""

Curve = Sequence[Mapping[str, Any]]
"""Rows of a run, in the order of their steps."""


@dataclass(frozen=True)
class Trends:
    """A row of panels.

    Attributes:
        metric: Key of the metric on the vertical axis.
        runs: Text form of a sampler -> the curves of its runs.
        title: Heading of the row; "" for none.
    """

    metric: str
    runs: Mapping[str, Sequence[Curve]]
    title: str = ""


@dataclass(frozen=True)
class Cost:
    """A horizontal axis.

    Attributes:
        key: Key of the cost in the rows of a curve.
        label: Label of the axis.
        unit: Divisor of the values.
        end: Largest value of the axis in the unit of the rows; the axis ends earlier where the shortest sampler does, so that all are
            compared over the same cost. None draws every curve to its end.
    """

    key: str
    label: str
    unit: float = 1.0
    end: float | None = None


def write_trends(rows: Sequence[Trends], costs: Sequence[Cost], title: str, path: Path, *, spread: bool = False) -> Path:
    """Writes one panel for each row and cost.

    Args:
        rows: Rows of panels, at least one.
        costs: Columns of panels.
        title: Heading.
        path: File to write.
        spread: Whether to draw a band of one sample standard deviation around the mean of several runs.
    """
    lines = lines_for(list(dict.fromkeys(sampler for row in rows for sampler in row.runs)))
    names = {sampler: wrapped(sampler, 40) for sampler in lines}
    longest = max((len(part) for name in names.values() for part in name.split("\n")), default=1)
    columns = max(min(int(10.6 / (0.7 + LETTER * longest)), len(names)), 1)
    legend_rows = math.ceil(len(names) / columns) * max((1 + name.count("\n") for name in names.values()), default=1)
    figure = new_figure(11, 3.5 * len(rows) + 0.22 * legend_rows + 0.5)
    head(figure, title)
    grid = figure.subplots(len(rows), len(costs), squeeze=False, sharey="row", sharex="col")
    for axes_row, row in zip(grid, rows, strict=True):
        for axes, cost in zip(axes_row, costs, strict=True):
            _panel(axes, row, cost, lines, names, spread)
            plain_axes(axes, cost.label if row is rows[-1] else "")
        axes_row[0].set_ylabel(label_of(row.metric), fontsize=NORMAL, color=INK)
        if row.title:
            axes_row[0].set_title(row.title, fontsize=NORMAL, color=INK, loc="left")
    for column, cost in enumerate(costs):
        end = _end(rows, cost)
        if end is not None:
            grid[0, column].set_xlim(right=end)
    handles = {text: handle for axes in grid.flat for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False, fontsize=NORMAL)
    return save(figure, path)


def _panel(axes: Any, row: Trends, cost: Cost, lines: Mapping[str, Line], names: Mapping[str, str], spread: bool) -> None:
    for sampler, line in lines.items():
        x, mean, deviation = mean_curve(row.runs.get(sampler, ()), cost.key, row.metric)
        if not len(x):
            continue
        x = x / cost.unit
        marker = "o" if len(x) < _FEW else None
        axes.plot(x, mean, color=line.colour, linestyle=line.dash, linewidth=1.7, marker=marker, label=names[sampler])
        if spread and deviation.any():
            axes.fill_between(x, mean - deviation, mean + deviation, color=line.colour, alpha=0.15, linewidth=0)


def _end(rows: Sequence[Trends], cost: Cost) -> float | None:
    """Largest value of an axis; None where it is as long as its curves."""
    if cost.end is None:
        return None
    ends = [x[-1] for row in rows for runs in row.runs.values() for x, *_ in [mean_curve(runs, cost.key, row.metric)] if len(x)]
    return float(min([cost.end, *ends])) / cost.unit


def mean_curve(curves: Sequence[Curve], key: str, metric: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of several curves over a cost, interpolated to common values of the cost, for drawing only.

    A run that has ended keeps its last value, so that the mean extends to the end of the slowest run and ends with the mean of the last
    values.

    Args:
        curves: Rows of each curve.
        key: Key of the cost.
        metric: Key of the metric.

    Returns:
        Costs `[m]`, means `[m]` and sample standard deviations `[m]` (0 of a single curve), from the last start to the last end of the
        curves; empty where no row holds both.
    """
    series = []
    for curve in curves:
        points = [(row[key], row[metric]) for row in curve if row.get(key) is not None and row.get(metric) is not None]
        if points:
            series.append(np.array(points, float))
    if not series:
        return np.empty(0), np.empty(0), np.empty(0)
    if len(series) == 1:
        return series[0][:, 0], series[0][:, 1], np.zeros(len(series[0]))
    x = np.linspace(max(s[0, 0] for s in series), max(s[-1, 0] for s in series), _GRID_POINTS)
    values = np.stack([np.interp(x, s[:, 0], s[:, 1]) for s in series])
    return x, values.mean(axis=0), values.std(axis=0, ddof=1)
