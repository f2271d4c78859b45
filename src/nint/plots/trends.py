"""Curves of several runs over measures of cost, mean over inputs and seeds, in the style of the paper's Fig. 4."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nint.plots.style import INK, LARGE, NORMAL, label_of, lines_for, new_figure, plain_axes, save, wrapped

_GRID_POINTS = 200
_LETTER = 0.085  # approximate width in inches


def write_trends(
    runs: dict[str, Sequence[Sequence[dict[str, Any]]]],
    metrics: Sequence[str],
    costs: dict[str, tuple[str, float, float | None]],
    title: str,
    path: Path,
) -> Path:
    """Writes one panel for each metric (rows) and cost (columns).

    Args:
        runs: Text form of a sampler -> the curves of its runs.
        metrics: Names of the metrics in the rows of the curves.
        costs: Key of a curve's rows -> (label of the axis, divisor, largest value of the axis or None). The axis ends where the shortest
            curve does, so that all samplers are compared over the same cost.
        title: Heading.
        path: File to write.
    """
    lines = lines_for(list(runs))
    names = {sampler: wrapped(sampler, 40) for sampler in lines}
    columns = max(min(int(10.6 / (0.7 + _LETTER * max(len(part) for n in names.values() for part in n.split("\n")))), len(names)), 1)
    legend_rows = math.ceil(len(names) / columns)
    figure = new_figure(11, 3.3 * len(metrics) + 0.22 * legend_rows + 0.5)
    figure.suptitle(title, fontsize=LARGE, color=INK, x=0.01, ha="left")
    grid = figure.subplots(len(metrics), len(costs), squeeze=False, sharey="row", sharex="col")
    for row, metric in zip(grid, metrics, strict=True):
        for axes, (key, (label, unit, end)) in zip(row, costs.items(), strict=True):
            ends = [] if end is None else [end / unit]
            for sampler, line in lines.items():
                x, mean = mean_curve(runs[sampler], key, metric)
                if not len(x):
                    continue
                ends.append(x[-1] / unit)
                axes.plot(x / unit, mean, color=line.colour, linestyle=line.dash, linewidth=1.7, label=names[sampler])
            plain_axes(axes, label if metric == metrics[-1] else "")
            if ends:
                axes.set_xlim(right=min(ends))
        row[0].set_ylabel(label_of(metric), fontsize=NORMAL, color=INK)
    handles = {text: handle for axes in grid.flat for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=columns, frameon=False, fontsize=NORMAL)
    return save(figure, path)


def mean_curve(curves: Sequence[Sequence[dict[str, Any]]], key: str, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean of several curves over a cost, interpolated to common values of the cost, for drawing only.

    Args:
        curves: Rows of each curve.
        key: Key of the cost.
        metric: Key of the metric.

    Returns:
        Costs `[m]` and means `[m]`, over the range that all curves cover; empty where no row holds both.
    """
    series = []
    for curve in curves:
        points = [(row[key], row[metric]) for row in curve if row.get(key) is not None and row.get(metric) is not None]
        if points:
            series.append(np.array(points, float))
    if not series:
        return np.empty(0), np.empty(0)
    if len(series) == 1:
        return series[0][:, 0], series[0][:, 1]
    x = np.linspace(max(s[0, 0] for s in series), min(s[-1, 0] for s in series), _GRID_POINTS)
    return x, np.mean([np.interp(x, s[:, 0], s[:, 1]) for s in series], axis=0)
