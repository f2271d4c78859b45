"""The numbers of a comparison as tables of marked cells: mean and standard deviation over seeds, best and second best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nint.bench.compare.run import Comparison
from nint.bench.records import RunResult
from nint.bench.targets import Reached, time_to_target, value_at
from nint.metrics import LOWER_IS_BETTER
from nint.plots.style import label_of

NOT_REACHED = "not reached"
MISSING = "–"
_STANDARD = "full"
_DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4, "iou": 4}


@dataclass
class Cell:
    """Attributes:
    text: What is shown.
    value: What ranks it, as shown; None takes no part.
    place: 1 best, 2 second best, 0 neither.
    """

    text: str
    value: float | None = None
    place: int = 0


@dataclass(frozen=True)
class TableData:
    """One table. Cells are marked within a field.

    Attributes:
        title: Heading.
        columns: Column names.
        words: How many columns, from the left, name the row.
        rows: Cells.
        breaks: Indices of rows that begin a new part.
    """

    title: str
    columns: list[str]
    words: int
    rows: list[list[Cell]]
    breaks: tuple[int, ...] = ()


Part = list[list[Cell]]
"""Rows of one field that belong together."""


def tables(comparison: Comparison) -> list[TableData]:
    """All tables of a comparison: quality at the checkpoints by metric, cost, and the targets."""
    plan = comparison.plan
    found = [_quality(comparison, metric) for metric in plan.signal.metrics if _has(comparison, metric)]
    found.append(_cost(comparison))
    if plan.targets:
        found.append(_targets(comparison))
    return found


def _has(comparison: Comparison, metric: str) -> bool:
    return any(row.get(metric) is not None for run in comparison.results if run.error is None for row in run.curve)


def _table(comparison: Comparison, title: str, columns: list[str], words: int, parts: Callable[[str], list[Part]]) -> TableData:
    """One table over all fields, which have a column where there are several."""
    fields = list(comparison.plan.fields)
    rows, breaks = [], []
    for field in fields:
        for part in parts(field):
            breaks.append(len(rows))
            rows += [[Cell(field), *row] for row in part]
    if len(fields) > 1:
        return TableData(title, ["field", *columns], words + 1, rows, tuple(breaks))
    return TableData(f"{title}, {fields[0]}", columns, words, [row[1:] for row in rows], tuple(breaks))


def _quality(comparison: Comparison, metric: str) -> TableData:
    plan = comparison.plan
    key, whole = ("seconds", plan.budget.seconds) if plan.in_seconds else ("step", plan.budget.steps)
    # The step that used up the seconds ended a little past them.
    ends = [math.inf if point == whole else point for point in plan.checkpoints]

    def part(field: str) -> list[Part]:
        rows = _rows(
            comparison, field, lambda run: [value_at(run.curve, metric, **{key: end}) for end in ends], [_DIGITS.get(metric, 3)] * len(ends)
        )
        for column in range(1, len(ends) + 1):
            _mark([row[column] for row in rows], larger=metric not in LOWER_IS_BETTER)
        return [rows]

    columns = [f"{point:g} s" if plan.in_seconds else f"step {point:,}" for point in plan.checkpoints]
    return _table(comparison, label_of(metric), ["sampler", *columns], 1, part)


def _cost(comparison: Comparison) -> TableData:
    against = _STANDARD in comparison.plan.samplers and not comparison.plan.in_seconds
    columns = ["sampler", "steps", "training s", *(["s / full"] if against else []), "ms / step", "selecting %", "units"]

    def part(field: str) -> list[Part]:
        standard = {run.seed: run.record["training_seconds"] for run in comparison.of(field, _STANDARD)}

        def values(run: RunResult) -> list[float | None]:
            steps, seconds, selecting = (run.record[name] for name in ("steps", "training_seconds", "selection_seconds"))
            full = standard.get(run.seed)
            ratio = [seconds / full if full else None] if against else []
            return [
                steps,
                seconds,
                *ratio,
                1000 * seconds / max(steps, 1),
                100 * selecting / seconds if seconds else None,
                run.record["units"],
            ]

        places = _places([run.record["training_seconds"] for run in comparison.results if run.error is None and run.field == field])
        return [_rows(comparison, field, values, [0, places, *([2] if against else []), 2, 1, 0])]

    return _table(comparison, "Cost of the whole run", columns, 1, part)


def _targets(comparison: Comparison) -> TableData:
    plan = comparison.plan
    unit = " dB" if plan.metric == "psnr" else ""

    def part(field: str) -> list[Part]:
        return [_target_rows(comparison, field, target, f"{target:g}{unit}") for target in plan.targets]

    name = "PSNR" if plan.metric == "psnr" else plan.metric
    return _table(comparison, f"First evaluation at or above a target {name}", ["target", "sampler", "steps", "seconds", "units"], 2, part)


def _target_rows(comparison: Comparison, field: str, target: float, label: str) -> Part:
    plan = comparison.plan
    found = {s: {r.seed: time_to_target(r.curve, plan.metric, target) for r in comparison.of(field, s)} for s in plan.samplers}
    if not any(any(hits.values()) for hits in found.values()):
        return [[Cell(label), Cell("every sampler"), *(Cell(NOT_REACHED) for _ in range(3))]]
    rows = []
    places = _places([hit.seconds for hits in found.values() for hit in hits.values() if hit])
    for sampler, hits in found.items():
        cells = _reached(hits, found.get(_STANDARD, {}), places) if hits else [Cell(_absent(comparison, field, sampler)) for _ in range(3)]
        rows.append([Cell(label), Cell(_label(comparison, field, sampler)), *cells])
    for column in (2, 3, 4):
        _mark([row[column] for row in rows], larger=False)
    return rows


def _reached(found: dict[int, Reached | None], standard: dict[int, Reached | None], places: int) -> list[Cell]:
    hits = {seed: hit for seed, hit in found.items() if hit is not None}
    if not hits:
        return [Cell(NOT_REACHED) for _ in range(3)]
    every = len(hits) == len(found)
    note = "" if every else f" ({len(hits)} of {len(found)} seeds)"
    cells = []
    for part, digits in (("step", 0), ("seconds", places), ("units", 0)):
        cell = _statistic([getattr(hit, part) for hit in hits.values()], digits)
        rivals = [standard.get(seed) for seed in hits]
        if part == "seconds" and every and all(rivals):
            ratio = _mean([hit.seconds / full.seconds for hit, full in zip(hits.values(), rivals, strict=True) if full])
            cell.text += f", {ratio:.2f}x full"
        cells.append(Cell(cell.text + note, cell.value if every else None))
    return cells


def _rows(comparison: Comparison, field: str, values: Callable[[RunResult], list[float | None]], digits: Sequence[int]) -> Part:
    rows = []
    for sampler in comparison.plan.samplers:
        runs = comparison.of(field, sampler)
        if runs:
            columns = zip(*(values(run) for run in runs), strict=True)
            cells = [_statistic(column, places) for column, places in zip(columns, digits, strict=True)]
        else:
            cells = [Cell(_absent(comparison, field, sampler)) for _ in digits]
        rows.append([Cell(_label(comparison, field, sampler)), *cells])
    return rows


def _absent(comparison: Comparison, field: str, sampler: str) -> str:
    """Why a pairing has no run to show."""
    return "failed" if any((r.field, r.sampler) == (field, sampler) for r in comparison.failed()) else MISSING


def _label(comparison: Comparison, field: str, sampler: str) -> str:
    count = len(comparison.of(field, sampler))
    return sampler if count in (0, comparison.plan.seeds) else f"{sampler} ({count} of {comparison.plan.seeds} seeds)"


def _statistic(values: Sequence[float | None], digits: int) -> Cell:
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return Cell(MISSING)
    mean = _mean(known)
    deviation = statistics.stdev(known) if len(known) > 1 else 0.0
    spread = f" ± {deviation:,.{digits}f}" if deviation > 0 else ""
    return Cell(f"{mean:,.{digits}f}{spread}", round(mean, digits))


def _places(seconds: Sequence[float]) -> int:
    """Decimals that show seconds of this size to about three figures."""
    return 2 if max(seconds, default=0) >= 1 else 3


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else 0.0


def _mark(cells: Sequence[Cell], larger: bool) -> None:
    """Marks the best and the second best as they are shown; where all show the same, nothing."""
    places = sorted({cell.value for cell in cells if cell.value is not None}, reverse=larger)
    if len(places) < 2:
        return
    for cell in cells:
        if cell.value in places[:2]:
            cell.place = places.index(cell.value) + 1
