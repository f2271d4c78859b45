"""A table of the paper as one rectangle of cells: ours, the published value, both ratios to full training, and the marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nint.bench.published import published
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.bench.statistics import Summary, summary
from nint.bench.tables import notes as bench_notes
from nint.bench.tables.base import Table
from nint.bench.tables.columns import COST, EFFORTS, Column, metrics_of
from nint.bench.tables.rows import PAPER, Row

STANDARD = "full"


@dataclass(frozen=True)
class Cell:
    """One number.

    Attributes:
        ours: Mean and spread over the runs that have it; None where none has.
        wanted: How many runs there should be.
        missing: Why there is no mean, in a word or two: "not reached (27.3)", "not run", "failed", "not measured".
        published: The paper's number; None where it prints none.
        ratio: Ours to that of full training with the same settings; None where that says nothing.
        published_ratio: Likewise of the paper's numbers.
        place: 1 best, 2 second best, 0 neither.
        published_place: Likewise of the paper's numbers.
    """

    ours: Summary | None = None
    wanted: int = 1
    missing: str = ""
    published: float | None = None
    ratio: float | None = None
    published_ratio: float | None = None
    place: int = 0
    published_place: int = 0

    @property
    def complete(self) -> bool:
        """Whether every run has a value; only then is it ranked and compared."""
        return self.ours is not None and self.ours.count == self.wanted


@dataclass(frozen=True)
class Line:
    """One row: its name, its block (rows of a block are comparable) and a cell for each column."""

    row: Row
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TableData:
    """A whole table.

    Attributes:
        name: "table1" to "table10".
        caption: What it shows.
        columns: Columns for which anything was measured.
        lines: Rows; each has a cell for every column.
        differences: A sentence for each row in which ours and the paper's stand on different sides of full training.
        notes: Heading -> sentences: how it was measured.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    differences: tuple[str, ...]
    notes: dict[str, list[str]]

    def measured(self) -> dict[str, dict[str, float | None]]:
        """Our means under the names of the paper's own rows and columns, for the checks of its claims; None where a run lacks a value."""
        return {
            line.row.text: {
                column.paper: cell.ours.mean if cell.complete else None
                for column, cell in zip(self.columns, line.cells, strict=True)
                if column.paper
            }
            for line in self.lines
            if line.row.block == PAPER and not line.row.printed_in
        }


def table_data(
    table: Table,
    scale: Scale,
    specs: Mapping[Row, Sequence[RunSpec]],
    records: Mapping[str, dict[str, Any]],
    problems: Sequence[str],
    facts: Mapping[str, Any],
) -> TableData:
    """Puts a table together from records alone.

    Args:
        table: Which.
        scale: Sizes.
        specs: Row -> its runs.
        records: Key -> record.
        problems: Sentences about the inputs and unreadable lines.
        facts: What the caller knows: `command`.
    """
    found = {row: [records.get(spec.key) for spec in runs] for row, runs in specs.items()}
    good = [record for runs in found.values() for record in runs if _ended(record)]
    measured = {name for record in good for row in record["curve"] for name, value in row.items() if value is not None}
    columns, absent = [], []
    for column in table.columns(scale):
        if good and column.what != COST and column.metric not in measured:
            absent.append(column)
        else:
            columns.append(column)
    rows = [Line(row, tuple(_cell(table, row, column, runs) for column in columns)) for row, runs in found.items()]
    lines = _marked(table, columns, _compared(table, columns, rows))
    notes = bench_notes.notes(table, scale, specs, found, metrics_of(columns), metrics_of(absent), problems, facts)
    return TableData(table.name, table.caption, tuple(columns), tuple(lines), tuple(bench_notes.differences(columns, lines)), notes)


def _ended(record: dict[str, Any] | None) -> bool:
    return record is not None and record.get("error") is None and bool(record["curve"])


def _cell(table: Table, row: Row, column: Column, runs: Sequence[dict[str, Any] | None]) -> Cell:
    good = [record for record in runs if _ended(record)]
    values = [value for record in good if (value := column.of(record)) is not None]
    missing = ""
    if not values:
        missing = _reason(column, runs, good)
    return Cell(summary(values), len(runs), missing, _printed(table, row, column))


def _reason(column: Column, runs: Sequence[dict[str, Any] | None], good: Sequence[dict[str, Any]]) -> str:
    if good and column.what in EFFORTS:
        nearest = summary(value for record in good if (value := column.nearest(record)) is not None)
        if nearest is not None:
            return f"not reached ({nearest.mean:.{bench_notes.digits(column.metric, short=True)}f})"
    if good:
        return "not measured"
    return "failed" if any(record is not None for record in runs) else "not run"


def _printed(table: Table, row: Row, column: Column) -> float | None:
    if row.block != PAPER or not column.paper:
        return None
    return published(row.printed_in or table.name).rows.get(row.text, {}).get(column.paper)


def _compared(table: Table, columns: Sequence[Column], lines: Sequence[Line]) -> list[Line]:
    """The lines with both ratios to full training: with the same settings of the run, else with the table's own."""
    by_text = {line.row.text: line for line in lines}
    printed = published(table.name)
    found = []
    for line in lines:
        standard = by_text.get(line.row.full) or by_text.get(STANDARD)
        cells = []
        for number, (column, cell) in enumerate(zip(columns, line.cells, strict=True)):
            other = standard.cells[number] if standard is not None else None
            ours = theirs = None
            if column.compared and other is not None and cell.complete and other.complete:
                ours = _ratio(cell.ours.mean, other.ours.mean)
            if cell.published is not None:
                theirs = _ratio(cell.published, printed.standard.get(line.row.field or "", {}).get(column.paper))
            cells.append(replace(cell, ratio=ours, published_ratio=theirs))
        found.append(replace(line, cells=tuple(cells)))
    return found


def _ratio(value: float, standard: float | None) -> float | None:
    """None also where either is not above 0, as a SI-SNR may be: such a ratio orders nothing."""
    return value / standard if standard is not None and standard > 0 and value > 0 else None


def _marked(table: Table, columns: Sequence[Column], lines: Sequence[Line]) -> list[Line]:
    """The lines with best and second best marked as they are shown, among rows that are comparable; of two only the best."""
    groups: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        groups.setdefault(f"{line.row.block} {line.row.field if table.pairs else ''}", []).append(number)
    cells = [list(line.cells) for line in lines]
    for numbers in groups.values():
        for at, column in enumerate(columns):
            if column.what == COST:
                continue
            shown = {n: bench_notes.as_shown(column, cells[n][at].ours.mean) for n in numbers if cells[n][at].complete}
            printed = {n: cells[n][at].published for n in numbers if cells[n][at].published is not None}
            ours, theirs = _places(shown, column), _places(printed, column)
            for n in numbers:
                cells[n][at] = replace(cells[n][at], place=ours.get(n, 0), published_place=theirs.get(n, 0))
    return [replace(line, cells=tuple(row)) for line, row in zip(lines, cells, strict=True)]


def _places(values: Mapping[int, float], column: Column) -> dict[int, int]:
    """Row -> 1 or 2; equal values share a place, and where all are equal there is none."""
    order = sorted(set(values.values()), reverse=not column.lower_is_better)
    if len(order) < 2:
        return {}
    kept = order[: 2 if len(values) > 2 else 1]
    return {n: kept.index(value) + 1 for n, value in values.items() if value in kept}
