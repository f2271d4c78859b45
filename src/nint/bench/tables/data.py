"""A table out of records alone: means, ratios to full training, paired differences to the baseline, and the marks."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

from nint.bench.published import published
from nint.bench.statistics import paired_difference, summary
from nint.bench.tables.base import STANDARD, Table
from nint.bench.tables.cells import Cell, Line, Record, TableData
from nint.bench.tables.columns import COST, EFFORTS, VALUE, Column, digits
from nint.bench.tables.rows import PAPER, Row

_DIFFERENCES = (VALUE, *EFFORTS)
"""Columns in which rows are compared run by run."""


def table_data(table: Table, records: Mapping[str, Record], problems: Sequence[str] = (), command: str = "") -> TableData:
    """Puts a table together from records alone; cells whose runs are not there say so.

    Args:
        table: Which.
        records: Key of a run -> its record.
        problems: Sentences about lines of the records that could not be read.
        command: The exact command; "" leaves it to the records.
    """
    found = {row: [records.get(spec.key) for spec in runs] for row, runs in table.runs.items()}
    good = [record for runs in found.values() for record in runs if record is not None and _ended(record)]
    measured = {name for record in good for row in record["curve"] for name, value in row.items() if value is not None}
    absent = tuple(column for column in table.columns if good and column.what != COST and column.metric not in measured)
    columns = tuple(column for column in table.columns if column not in absent)
    lines = [Line(row, tuple(_cell(table, row, column, runs) for column in columns)) for row, runs in found.items()]
    lines = _marked(table, columns, _differing(table, columns, _compared(table, columns, lines)))
    return TableData(table, columns, tuple(lines), found, absent, tuple(problems), command)


def _ended(record: Record) -> bool:
    return record.get("error") is None and bool(record["curve"])


def _cell(table: Table, row: Row, column: Column, runs: Sequence[Record | None]) -> Cell:
    values = tuple(column.of(record) if record is not None and _ended(record) else None for record in runs)
    known = [value for value in values if value is not None]
    return Cell(summary(known), values, "" if known else _reason(column, runs), published=_printed(table, row, column))


def _reason(column: Column, runs: Sequence[Record | None]) -> str:
    good = [record for record in runs if record is not None and _ended(record)]
    if good and column.what in EFFORTS:
        nearest = summary(value for record in good if (value := column.nearest(record)) is not None)
        if nearest is not None:
            return f"not reached ({nearest.mean:.{digits(column.metric, short=True)}f})"
    if good:
        return "not measured"
    return "failed" if any(record is not None for record in runs) else "not run"


def _printed(table: Table, row: Row, column: Column) -> float | None:
    if table.published is None or row.block != PAPER or not column.paper:
        return None
    return published(row.printed_in or table.name).rows.get(row.text, {}).get(column.paper)


def _compared(table: Table, columns: Sequence[Column], lines: Sequence[Line]) -> list[Line]:
    """The lines with both ratios to full training: with the same settings of the run, else with the table's own."""
    by_text = {line.row.text: line for line in lines}
    found = []
    for line in lines:
        standard = by_text.get(line.row.full) or by_text.get(STANDARD)
        cells = []
        for number, (column, cell) in enumerate(zip(columns, line.cells, strict=True)):
            # Beside the paper's numbers a ratio of quality places ours; alone it says less than the difference does.
            says = column.compared and (table.published is not None or column.what != VALUE)
            ratio = _ratio(cell.mean, standard.cells[number].mean) if says and standard is not None else None
            cells.append(replace(cell, ratio=ratio, published_ratio=_published_ratio(table, line.row, column, cell)))
        found.append(replace(line, cells=tuple(cells)))
    return found


def _published_ratio(table: Table, row: Row, column: Column, cell: Cell) -> float | None:
    if table.published is None or cell.published is None:
        return None
    return _ratio(cell.published, table.published.standard.get(row.field or "", {}).get(column.paper))


def _ratio(value: float | None, standard: float | None) -> float | None:
    """None also where either is not above 0, as a SI-SNR may be: such a ratio orders nothing."""
    return value / standard if value is not None and standard is not None and standard > 0 and value > 0 else None


def _differing(table: Table, columns: Sequence[Column], lines: Sequence[Line]) -> list[Line]:
    """The lines with their paired differences from the row of the baseline with the same settings of the run, else with the table's own."""
    by_text = {line.row.text: line for line in lines}
    found = []
    for line in lines:
        base = by_text.get(line.row.beside(table.baseline)) or by_text.get(table.baseline)
        if base is None or base.row == line.row:
            found.append(line)
            continue
        cells = []
        for column, cell, other in zip(columns, line.cells, base.cells, strict=True):
            ours, others = cell.numbers, other.numbers
            paired = column.what in _DIFFERENCES and ours is not None and others is not None
            cells.append(replace(cell, difference=paired_difference(ours or (), others or ())) if paired else cell)
        found.append(replace(line, cells=tuple(cells)))
    return found


def _marked(table: Table, columns: Sequence[Column], lines: Sequence[Line]) -> list[Line]:
    """The lines with best and second best marked among rows that are comparable; of two only the best."""
    groups: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        groups.setdefault(f"{line.row.block} {line.row.field if table.by_field else ''}", []).append(number)
    cells = [list(line.cells) for line in lines]
    for numbers in groups.values():
        for at, column in enumerate(columns):
            if column.what == COST:
                continue
            places = _places({n: values for n in numbers if (values := cells[n][at].numbers) is not None}, column)
            printed = {n: value for n in numbers if (value := cells[n][at].published) is not None}
            printed_places = _printed_places(printed, column)
            for n in numbers:
                cells[n][at] = replace(cells[n][at], place=places.get(n, 0), published_place=printed_places.get(n, 0))
    return [replace(line, cells=tuple(row)) for line, row in zip(lines, cells, strict=True)]


def _places(values: Mapping[int, Sequence[float]], column: Column) -> dict[int, int]:
    """Row -> 1 or 2, as far as the interval of the difference to the row behind it excludes 0."""
    sign = 1 if column.lower_is_better else -1
    order = sorted(values, key=lambda n: sign * sum(values[n]))
    found: dict[int, int] = {}
    for place, (n, behind) in enumerate(itertools.pairwise(order), 1):
        difference = paired_difference(values[n], values[behind])
        if place > 2 or difference is None or not difference.excludes_zero:
            break
        found[n] = place
    return found


def _printed_places(values: Mapping[int, float], column: Column) -> dict[int, int]:
    """Row -> 1 or 2 of single numbers; equal ones share a place, and where all are equal there is none."""
    order = sorted(set(values.values()), reverse=not column.lower_is_better)
    if len(order) < 2:
        return {}
    kept = order[: 2 if len(values) > 2 else 1]
    return {n: kept.index(value) + 1 for n, value in values.items() if value in kept}
