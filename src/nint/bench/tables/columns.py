"""Columns of our tables: those of the paper at our own points, FLOPs beside every time, further targets, and what a run cost in all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nint.bench.published import published
from nint.bench.scales.sizes import Task
from nint.bench.statistics import best, effort, value_from
from nint.metrics import LOWER_IS_BETTER

VALUE, ITERATIONS, SECONDS, FLOPS, COST = "value", "iterations", "seconds", "flops", "cost"
EFFORTS = (ITERATIONS, SECONDS, FLOPS)

_COSTS = {"training_seconds": "training s", "selecting": "selecting %", "flops": "FLOPs"}
_UNITS = {"chamfer": 1000.0}
"""Metric -> factor to the unit that the paper prints."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        what: VALUE (a metric at a checkpoint), ITERATIONS, SECONDS or FLOPS (to a target), or COST (of the whole run).
        metric: The metric; of a cost "training_seconds", "selecting" or "flops".
        point: The checkpoint in steps or seconds, or the target.
        seconds: Of a value: whether the checkpoint is in seconds.
        paper: The paper's column that this one stands for; "" where it has none.
    """

    what: str
    metric: str
    point: float = 0.0
    seconds: bool = False
    paper: str = ""

    @property
    def key(self) -> str:
        """Its name in files, like those of the published columns: psnr@75, psnr@2s, iterations@25, flops@ssim0.9."""
        if self.what == COST:
            return self.metric
        if self.what == VALUE:
            return f"{self.metric}@{self.point:g}{'s' if self.seconds else ''}"
        return f"{self.what}@{'' if self.metric == 'psnr' else self.metric}{self.point:g}"

    @property
    def lower_is_better(self) -> bool:
        return self.what != VALUE or self.metric in LOWER_IS_BETTER

    @property
    def compared(self) -> bool:
        """Whether its ratio to full training says anything."""
        return self.metric != "selecting"

    def of(self, record: dict[str, Any]) -> float | None:
        """The column's value in a run that ended, in the unit that the paper prints; None where there is none."""
        curve = record["curve"]
        if self.what == COST:
            return _cost(record, self.metric)
        if self.what == VALUE:
            value = value_from(curve, self.metric, self.point, seconds=self.seconds)
            return None if value is None else value * _UNITS.get(self.metric, 1.0)
        found = effort(curve, self.metric, self.point)
        return None if found is None else getattr(found, self.what)

    def nearest(self, record: dict[str, Any]) -> float | None:
        """The best value that a run had, where it did not reach the target."""
        return best(record["curve"], self.metric)


def columns_of(table: str, task: Task) -> tuple[Column, ...]:
    """The columns of a table at a scale.

    The paper's k-th checkpoint is the task's k-th. Its targets are kept; those that the task adds for the same metric stand beside them.
    """
    names = published(table).columns
    values = [name for name in names if name.partition("@")[0] not in EFFORTS]
    points = list(dict.fromkeys(name.partition("@")[2] for name in values))
    found = [
        Column(VALUE, name.partition("@")[0], task.checkpoints[points.index(name.partition("@")[2])], task.seconds is not None, name)
        for name in values
    ]
    metrics = list(dict.fromkeys(_target(name)[0] for name in names if name not in values))
    for what in EFFORTS if metrics else ():
        for metric in metrics:
            printed = {point: name for name in names if name.startswith(f"{what}@") for of, point in [_target(name)] if of == metric}
            asked = {point for name in names if name not in values for of, point in [_target(name)] if of == metric}
            for point in sorted(asked | set(task.targets_of(metric)), reverse=metric in LOWER_IS_BETTER):
                found.append(Column(what, metric, point, paper=printed.get(point, "")))
    return (*found, *(Column(COST, name) for name in _COSTS))


def title_of(column: Column, factor: str = "") -> str:
    """A column's heading: "PSNR @ 75", "PSNR 25", "training s"."""
    if column.what == COST:
        return factor if column.metric == "flops" else _COSTS[column.metric]
    name = metric_title(column.metric)
    if column.what == VALUE:
        return f"{name} @ {column.point:,g}{' s' if column.seconds else ''}"
    return f"{name} {column.point:g}"


def metric_title(metric: str) -> str:
    """ "PSNR", "SI-SNR", "IoU", "Chamfer e-3"."""
    return {"iou": "IoU", "chamfer": "Chamfer e-3"}.get(metric, metric.upper().replace("_", "-"))


def metrics_of(columns: Sequence[Column]) -> list[str]:
    """The metrics that columns show, costs aside, in order."""
    return list(dict.fromkeys(column.metric for column in columns if column.what != COST))


def _target(name: str) -> tuple[str, float]:
    """ "seconds@ssim0.9" -> ("ssim", 0.9); a bare number is one of PSNR."""
    metric, point = re.fullmatch(r"\w+@([a-z_]*)([\d.]+)", name).groups()
    return metric or "psnr", float(point)


def _cost(record: dict[str, Any], name: str) -> float | None:
    row = record["curve"][-1] if record["curve"] else {}
    if name == "selecting":
        whole, part = row.get("training_seconds"), row.get("selection_seconds")
        return 100 * part / whole if whole and part is not None else None
    return row.get(name)
