"""Pictures of a comparison: curves over steps and seconds, reconstructions with a zoomed crop, selected points over time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nint.bench.compare.folder import slug, slugs
from nint.bench.inputs import pixels_of
from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.bench.tables.base import Table
from nint.bench.tables.columns import metrics_of
from nint.plots.selection import Batch, write_selection
from nint.plots.trends import Cost, Trends, write_trends
from nint.plots.zoom import write_reconstructions
from nint.runs.snapshots import Snapshot, load_snapshots, spread_out
from nint.signals.image.layout import ImageLayout

_MOST_COLUMNS = 6
_COSTS = (Cost("step", "steps"), Cost("training_seconds", "training seconds"))


def write_pictures(table: Table, store: Store) -> list[Path]:
    """Writes what the runs of a comparison look like into the folder of its store.

    Returns:
        The files: curves-METRIC.png, and of images reconstructions-FIELD.png and selection-FIELD.png (seed 0) with the samplers beside
        each other; with one sampler and several networks reconstructions-SAMPLER.png and selection-SAMPLER.png with the networks beside
        each other. The input comes before that where there are several.
    """
    records = store.records()
    specs = [spec for spec in table.specs if not records.get(spec.key, {"error": "not run"}).get("error")]
    written = []
    for metric in metrics_of(table.columns):
        written += _curves(table, specs, records, metric, store.folder / f"curves-{metric}.png")
    one, each = _sides(table)
    files = slugs(table.inputs)
    together: dict[tuple[str, str], list[RunSpec]] = {}
    for spec in specs:
        if spec.keep:
            together.setdefault((spec.input, one(spec)), []).append(spec)
    for (_, same), kept in together.items():
        signal = kept[0].signal()
        series = {each(spec): found for spec in kept if (found := load_snapshots(store.place(spec.key)))}
        if not isinstance(signal.layout, ImageLayout) or not series:
            continue
        several = len(table.inputs) > 1
        ending = f"{files[kept[0].input_name]}-{slug(same)}" if several else slug(same)
        heading = f"{same} on {kept[0].input_name}" if several else same
        unit = signal.layout.as_unit
        last = {name: unit(found[-1].decoded) for name, found in series.items()}
        quality = {each(spec): records[spec.key].get("psnr") for spec in kept}
        path = store.folder / f"reconstructions-{ending}.png"
        written.append(write_reconstructions(unit(pixels_of(signal)), last, quality, heading, path))
        batches = {name: _batches(found, kept[0].seconds is not None, unit) for name, found in series.items()}
        title = f"Selected points (red, fraction of all) over the reconstruction, {heading}"
        written.append(write_selection(batches, title, store.folder / f"selection-{ending}.png"))
    return written


def _sides(table: Table) -> tuple[Callable[[RunSpec], str], Callable[[RunSpec], str]]:
    """What the runs of a picture have in common, and what they differ in: samplers on a network, or networks with the only sampler."""

    def sampler(spec: RunSpec) -> str:
        return spec.sampler

    def field(spec: RunSpec) -> str:
        return spec.field or ""

    samplers, fields = ({name(spec) for spec in table.specs} for name in (sampler, field))
    return (sampler, field) if len(samplers) == 1 < len(fields) else (field, sampler)


def _curves(table: Table, specs: list[RunSpec], records: dict[str, Any], metric: str, path: Path) -> list[Path]:
    rows = []
    one, each = _sides(table)
    for same in dict.fromkeys(one(spec) for spec in table.specs):
        runs: dict[str, list[Any]] = {}
        for spec in specs:
            curve = records[spec.key]["curve"]
            if one(spec) == same and any(row.get(metric) is not None for row in curve):
                runs.setdefault(each(spec), []).append(curve)
        if runs:
            rows.append(Trends(metric, runs, same))
    if not rows:
        return []
    counts = {"input": len(table.inputs), "seed": len(table.seeds)}
    over = " and ".join(f"{count} {word}s" for word, count in counts.items() if count > 1)
    title = f"{table.title}{f', mean of {over} ± one standard deviation' if over else ''}"
    return [write_trends(rows, _COSTS, title, path, spread=True)]


def _batches(series: list[Snapshot], in_seconds: bool, unit: Callable[[np.ndarray], np.ndarray]) -> list[Batch]:
    found = []
    for snapshot in spread_out(series, _MOST_COLUMNS):
        moment = f"{snapshot.training_seconds:.3g} s, " if in_seconds else ""
        found.append(Batch(f"{moment}step {snapshot.step:,}", unit(snapshot.decoded), snapshot.selected, snapshot.pool))
    return found
