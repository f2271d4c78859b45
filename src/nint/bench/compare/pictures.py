"""Pictures of a comparison: curves over steps and seconds, reconstructions with a zoomed crop, selected points over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nint.bench.compare import folder
from nint.bench.compare.run import Comparison
from nint.bench.records import RunResult
from nint.plots.style import (
    INK,
    LARGE,
    NORMAL,
    SMALL,
    Line,
    label_of,
    lines_for,
    new_figure,
    plain_axes,
    save,
    show_image,
    with_points,
    wrapped,
)
from nint.plots.zoom import write_reconstructions
from nint.runs.snapshots import Snapshot, load_snapshots, spread_out

_MOST_COLUMNS = 6
_GRID_POINTS = 200
_LETTER = 0.085  # inches, about, of a letter in the sizes used here


def write_pictures(comparison: Comparison, out: Path) -> list[Path]:
    """Writes curves-METRIC.png, and of images reconstructions-FIELD.png and selection-FIELD.png (seed 0); returns what was written."""
    written = []
    for metric in comparison.plan.signal.metrics:
        written += _curves(comparison, metric, out / f"curves-{metric}.png")
    if comparison.plan.signal.layout.kind != "image":
        return written
    for field in comparison.plan.fields:
        snapshots = _snapshots(comparison, out, field)
        if snapshots:
            last = {sampler: series[-1].decoded for sampler, series in snapshots.items()}
            quality = {s: next(r for r in comparison.of(field, s) if r.seed == 0).record.get("psnr") for s in snapshots}
            written.append(
                write_reconstructions(
                    getattr(comparison.plan.signal, "inner", comparison.plan.signal).array,
                    last,
                    quality,
                    field,
                    out / f"reconstructions-{folder.slug(field)}.png",
                )
            )
            written.append(_selection(comparison, field, snapshots, out / f"selection-{folder.slug(field)}.png"))
    return written


def _snapshots(comparison: Comparison, out: Path, field: str) -> dict[str, list[Snapshot]]:
    """Sampler -> its snapshots, of the runs with seed 0 that did not fail and whose files are there."""
    found = {}
    for sampler in comparison.plan.samplers:
        if any(result.seed == 0 for result in comparison.of(field, sampler)):
            series = load_snapshots(folder.snapshots(out, field, sampler))
            if series:
                found[sampler] = series
    return found


def _curves(comparison: Comparison, metric: str, path: Path) -> list[Path]:
    plan = comparison.plan
    fields = [f for f in plan.fields if any(_drawable(run, metric) for s in plan.samplers for run in comparison.of(f, s))]
    if not fields:
        return []
    lines = lines_for(list(plan.samplers))
    names = {sampler: wrapped(sampler, 40) for sampler in lines}
    longest = max(len(part) for name in names.values() for part in name.split("\n"))
    legend_columns = min(max(int(10.6 / (0.7 + _LETTER * longest)), 1), len(names))
    legend_rows = math.ceil(len(names) / legend_columns) * max(1 + name.count("\n") for name in names.values())
    figure = new_figure(11, 3.9 * len(fields) + 0.22 * legend_rows + 0.4)
    grid = figure.subplots(len(fields), 2, squeeze=False, sharey="row")
    for axes_pair, field in zip(grid, fields, strict=True):
        for axes, key, label in zip(axes_pair, ("step", "training_seconds"), ("steps", "training seconds"), strict=True):
            for sampler, line in lines.items():
                _draw(axes, [r for r in comparison.of(field, sampler) if _drawable(r, metric)], key, metric, line, names[sampler])
            plain_axes(axes, label)
        axes_pair[0].set_ylabel(label_of(metric), fontsize=NORMAL, color=INK)
        axes_pair[0].set_title(field, fontsize=NORMAL, color=INK, loc="left")
    seeds = f", mean of {plan.seeds} seeds ± one standard deviation" if plan.seeds > 1 else ""
    figure.suptitle(f"{plan.signal.name}{seeds}", fontsize=LARGE, color=INK, x=0.01, ha="left")
    handles = {text: handle for axes in grid.flat for handle, text in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=legend_columns, frameon=False, fontsize=NORMAL)
    return [save(figure, path)]


def _drawable(run: RunResult, metric: str) -> bool:
    return any(row.get(metric) is not None for row in run.curve)


def _draw(axes: Any, runs: Sequence[RunResult], key: str, metric: str, line: Line, label: str) -> None:
    series = [np.array([(row[key], row[metric]) for row in run.curve if row.get(metric) is not None]) for run in runs]
    if not series:
        return
    style = {"color": line.colour, "linestyle": line.dash, "linewidth": 1.7, "label": label}
    if len(series) == 1:
        axes.plot(series[0][:, 0], series[0][:, 1], marker="o" if len(series[0]) < 3 else None, **style)
        return
    # Seeds are evaluated at different seconds; for drawing (only) they are brought to common ones.
    x = np.linspace(max(s[0, 0] for s in series), min(s[-1, 0] for s in series), _GRID_POINTS)
    values = np.stack([np.interp(x, s[:, 0], s[:, 1]) for s in series])
    mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
    axes.plot(x, mean, **style)
    axes.fill_between(x, mean - spread, mean + spread, color=line.colour, alpha=0.15, linewidth=0)


def _selection(comparison: Comparison, field: str, snapshots: dict[str, list[Snapshot]], path: Path) -> Path:
    """Rows are samplers, columns moments: the last batch in red over the dimmed reconstruction."""
    layout, in_seconds = comparison.plan.signal.layout, comparison.plan.in_seconds
    chosen = {sampler: spread_out(series, _MOST_COLUMNS) for sampler, series in snapshots.items()}
    columns = max(len(series) for series in chosen.values())
    width = 2.1 * min(1.0, max(layout.width / layout.height, 0.5))
    height = width * layout.height / layout.width if layout.width >= layout.height / 2 else 2.1
    figure = new_figure(columns * (width + 0.06) + 0.45, len(chosen) * (height + 0.24) + 0.4)
    figure.suptitle(f"Selected points (red, share of all) over the reconstruction, {field}", fontsize=LARGE, color=INK, x=0.01, ha="left")
    grid = figure.subplots(len(chosen), columns, squeeze=False)
    for row, (sampler, series) in zip(grid, chosen.items(), strict=True):
        for axes, snapshot in zip(row, [*series, *[None] * (columns - len(series))], strict=True):
            if snapshot is None:
                axes.set_axis_off()
                continue
            show_image(axes, with_points(snapshot.decoded, snapshot.selected))
            moment = f"{snapshot.training_seconds:.3g} s, " if in_seconds else ""
            share = len(snapshot.selected) / snapshot.pool
            axes.set_title(f"{moment}step {snapshot.step:,}, {share:.0%}", fontsize=SMALL, color=INK)
        row[0].set_ylabel(wrapped(sampler, int(height / _LETTER)), fontsize=SMALL, color=INK)
    return save(figure, path)
