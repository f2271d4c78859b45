"""The page of a dataset of fields: how well they fit, and a small gallery from the worst to the best."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import NintError, UsageError
from nint.files import read_json
from nint.many.opened import FieldDataset, open_dataset
from nint.many.statistics import LOWER_IS_BETTER, QUANTILES, spread
from nint.report.blocks import Block, Facts, Frames, Notes, Page, Panel, Section, Table
from nint.report.encode import Picture, picture
from nint.report.stills import viewer_for
from nint.report.words import duration, metric, metric_label
from nint.runs.contents import DATASET, FAILED

_NEIGHBOURS = 6
"""Pictures of each place in the gallery."""

_SIDE = 240
_MOST_POINTS = 2**20
_PLACES = (("worst", 0.0), ("5 %", 0.05), ("median", 0.5), ("95 %", 0.95), ("best", 1.0))
_LISTED = 100


def dataset_page(folder: Path) -> Page:
    """The page about a dataset.

    Raises:
        UsageError: where its index cannot be read.

    Cost: the decoding of some thirty fields.
    """
    dataset = open_dataset(folder)
    index = dataset.index
    seconds = float(sum(index.column("seconds").to_pylist()))
    shards = len(set(index.column("shard").to_pylist()))
    values = {name: [math.nan if one is None else one for one in index.column(name).to_pylist()] for name in dataset.metrics}
    rows = [{"metrics": {name: values[name][place] for name in values}} for place in range(len(dataset))]
    found = spread(rows)
    page = Page(f"Dataset {folder.resolve().name}", f"{len(dataset):,} fields in {shards:,} shards, {duration(seconds)} of training in all")
    middle = QUANTILES.index(0.5)
    page.tiles = [(f"median {metric_label(name)}", metric(name, numbers[middle])) for name, numbers in found.items()]
    leading = next(iter(found), None)
    if leading is not None:
        columns = ["metric", "lowest", "5 %", "median", "95 %", "highest"]
        table = Table("Distribution", columns, [[metric_label(name), *(metric(name, one) for one in n)] for name, n in found.items()])
        order = _ordered(values[leading], leading)
        listed = [[dataset.ids[place], *(metric(name, values[name][place]) for name in values)] for place in order[:_LISTED]]
        worst = Table(f"The {len(listed):,} worst by {metric_label(leading)}", ["id", *map(metric_label, values)], listed, folded=True)
        page.sections = [Section("Quality", [table, worst]), Section("Gallery", _gallery(dataset, order, values[leading], leading))]
    else:
        page.sections = [Section("Quality", [Notes(["No field has been measured yet."])])]
    page.sections += [*_failures(folder), *_settings(folder)]
    return page


def _ordered(values: list[float], name: str) -> list[int]:
    """Places of the measured fields, worst first."""
    known = [place for place, value in enumerate(values) if not math.isnan(value)]
    return sorted(known, key=lambda place: values[place], reverse=name in LOWER_IS_BETTER)


def _gallery(dataset: FieldDataset, order: list[int], values: list[float], name: str) -> list[Block]:
    """Decoded fields around five places of the distribution, under one slider."""
    shown: list[list[tuple[str, str, Picture]]] = []
    labels: list[str] = []
    for label, quantile in _PLACES:
        centre = round(quantile * (len(order) - 1))
        first = min(max(centre - _NEIGHBOURS // 2, 0), max(len(order) - _NEIGHBOURS, 0))
        drawn = [
            (dataset.ids[place], f"{metric_label(name)} {metric(name, values[place])}", drawing)
            for place in order[first : first + _NEIGHBOURS]
            if (drawing := _drawn(dataset, dataset.ids[place])) is not None
        ]
        if drawn:
            labels.append(label)
            shown.append(drawn)
    if not shown:
        return [Notes(["Fields of this kind have no pictures."])]
    count = min(map(len, shown))
    panels = [
        Panel(f"{number + 1}", {"field": [frame[number][2] for frame in shown]}, [": ".join(frame[number][:2]) for frame in shown])
        for number in range(count)
    ]
    return [Frames("Place in the distribution", labels, panels, "Decoded at their own size, from the worst to the best.", True, start=0)]


def _drawn(dataset: FieldDataset, id: str) -> Picture | None:
    """A field as a picture; None where it has none, is too large or cannot be decoded."""
    try:
        fit = dataset.fit(id)
        viewer = viewer_for(fit.layout)
        if viewer is None or int(np.prod(viewer.grid)) > _MOST_POINTS:
            return None
        values = viewer.unit(fit.decode())
    except (NintError, ValueError, OSError):
        return None
    return picture(viewer.picture(values, viewer.planes // 2), _SIDE)


def _failures(folder: Path) -> list[Section]:
    try:
        failed = read_json(folder / FAILED)["signals"] if (folder / FAILED).exists() else []
    except (UsageError, KeyError, TypeError):
        return []
    return [Section("Signals that failed", [Notes([f"{one['id']}: {one['error']}" for one in failed[:_LISTED]])])] if failed else []


def _settings(folder: Path) -> list[Section]:
    try:
        told: dict[str, Any] = read_json(folder / DATASET)
        order = told["order"]
        rows = {**order["settings"], **order["budget"], "own seeds": order["own_seeds"], "written by": f"nint {told['nint']}"}
    except (UsageError, KeyError, TypeError):
        return []
    return [Section("Settings and versions", [Facts("Of every signal", [(name, str(value)) for name, value in rows.items()])])]
