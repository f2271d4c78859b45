"""A column of a table: what it reads from the record of a run, its heading, and how many decimals it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nint.bench.statistics import best, effort, value_from
from nint.metrics import LOWER_IS_BETTER

VALUE, ITERATIONS, SECONDS, FLOPS, WORK, COST = "value", "iterations", "seconds", "flops", "forward_equivalents", "cost"
EFFORTS = (ITERATIONS, SECONDS, FLOPS, WORK)
"""What a target took."""

_COSTS = {
    "steps": "steps",
    "training_seconds": "training s",
    "step_ms": "ms / step",
    "selecting": "selecting %",
    "flops": "FLOPs",
    "forward_equivalents": "forward equivalents",
}
_DIGITS = {"psnr": 2, "si_snr": 2, "ssim": 4, "lpips": 4, "iou": 4, "stoi": 3, "pesq": 3, "chamfer": 3}
_SHORT = {"psnr": 1, "ssim": 2, "lpips": 2}
_UNITS = {"chamfer": 1000.0}
"""Metric -> factor to the unit that the paper prints."""


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        what: VALUE (a metric at a checkpoint), ITERATIONS, SECONDS, FLOPS or WORK (to a target), or COST (of the whole run).
        metric: The metric; of a cost "steps", "training_seconds", "step_ms", "selecting", "flops" or "forward_equivalents".
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
        """Whether a smaller value is better: errors, and what anything took."""
        return self.what != VALUE or self.metric in LOWER_IS_BETTER

    @property
    def compared(self) -> bool:
        """Whether its ratio to full training says anything."""
        return self.metric not in ("selecting", "steps", "step_ms")

    def of(self, record: dict[str, Any]) -> float | None:
        """The column's value in a run that ended, in the unit that the paper prints; None where there is none."""
        curve = record["curve"]
        if self.what != VALUE and record.get("method"):  # which was not trained
            return None
        if self.what == COST:
            return _cost(record, self.metric)
        if self.what == VALUE:
            value = value_from(curve, self.metric, self.point, seconds=self.seconds)
            return None if value is None else value * _UNITS.get(self.metric, 1.0)
        found = effort(curve, self.metric, self.point)
        if found is None:
            return None
        values: dict[str, float | None] = found._asdict()
        return values[self.what]

    def nearest(self, record: dict[str, Any]) -> float | None:
        """The best value that a run had, where it did not reach the target."""
        return None if record.get("method") else best(record["curve"], self.metric)


def title_of(column: Column, factor: str = "") -> str:
    """A column's heading: "PSNR @ 75", "PSNR 25", "training s"."""
    if column.what == COST:
        return factor if column.metric == "flops" else _COSTS[column.metric]
    name = metric_title(column.metric)
    if column.what == VALUE:
        return f"{name} @ {column.point:,g}{' s' if column.seconds else ''}"
    return f"{name} {column.point:g}"


def metric_title(metric: str) -> str:
    """The name of a metric: "PSNR", "SI-SNR", "IoU", "Chamfer e-3"."""
    return {"iou": "IoU", "chamfer": "Chamfer e-3"}.get(metric, metric.upper().replace("_", "-"))


def metrics_of(columns: Sequence[Column]) -> list[str]:
    """The metrics that columns show, costs aside, in order."""
    return list(dict.fromkeys(column.metric for column in columns if column.what != COST))


def digits(metric: str, short: bool = False) -> int:
    """Decimals of a metric; fewer where it is only mentioned."""
    return _SHORT.get(metric, 3) if short else _DIGITS.get(metric, 3)


def decimals(column: Column, size: float) -> int:
    """Decimals of a column whose values are about of a size."""
    if column.what == VALUE:
        return digits(column.metric)
    if column.what in (ITERATIONS, WORK) or column.metric in ("steps", "forward_equivalents"):
        return 0
    if column.what == FLOPS or column.metric == "flops":
        return 1 if size >= 10 else 2
    return 1 if column.metric == "selecting" else 2 if size >= 1 else 3


def _cost(record: dict[str, Any], name: str) -> float | None:
    row = record["curve"][-1] if record["curve"] else {}
    seconds, steps = row.get("training_seconds"), row.get("step")
    if name == "steps":
        return steps
    if name == "step_ms":
        return 1000 * seconds / steps if seconds is not None and steps else None
    if name == "selecting":
        part = row.get("selection_seconds")
        return 100 * part / seconds if seconds and part is not None else None
    value: float | None = row.get(name)
    return value
