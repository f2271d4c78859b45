"""The content of a table: its cells, lines and the whole rectangle of them, whatever it is written as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nint.bench.statistics import Difference, Summary
from nint.bench.tables.base import Table
from nint.bench.tables.columns import Column
from nint.bench.tables.rows import PAPER, Row

Record = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One number.

    Attributes:
        ours: Mean and spread over the runs that have it; None where none has.
        values: Of each run of the row, in the table's order; None where it has none.
        missing: Why there is no mean, in a word or two: "not reached (27.3)", "not run", "failed", "not measured".
        difference: From the row of the baseline; None for that row, and where runs lack values or are too few.
        published: The paper's number; None where it prints none.
        ratio: Ours to that of full training with the same settings; None where that says nothing.
        published_ratio: Likewise of the paper's numbers.
        place: 1 best, 2 second best, 0 neither, or not told from the one behind it.
        published_place: Of the paper's numbers, as they are printed.
    """

    ours: Summary | None = None
    values: tuple[float | None, ...] = ()
    missing: str = ""
    difference: Difference | None = None
    published: float | None = None
    ratio: float | None = None
    published_ratio: float | None = None
    place: int = 0
    published_place: int = 0

    @property
    def wanted(self) -> int:
        """How many runs there should be."""
        return len(self.values)

    @property
    def numbers(self) -> list[float] | None:
        """The values of all runs; None unless every run has one. Only then is the cell ranked and compared."""
        found = [value for value in self.values if value is not None]
        return found if found and len(found) == len(self.values) else None

    @property
    def mean(self) -> float | None:
        """The mean over all runs; None unless every run has a value."""
        return self.ours.mean if self.ours is not None and self.numbers is not None else None


@dataclass(frozen=True)
class Line:
    """One row with a cell for each column."""

    row: Row
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class TableData:
    """A table with what its runs have given.

    Attributes:
        table: What was asked for.
        columns: Columns for which anything was measured.
        lines: Rows; each has a cell for every column.
        found: Row -> the record of each of its runs; None where there is none.
        absent: Columns of metrics that no run measured.
        problems: Sentences about lines of the records that could not be read.
        command: The exact command; "" leaves it to the records.
    """

    table: Table
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    found: Mapping[Row, Sequence[Record | None]]
    absent: tuple[Column, ...] = ()
    problems: tuple[str, ...] = ()
    command: str = ""

    @property
    def records(self) -> list[Record]:
        """Of all runs that were made, failed ones included."""
        return [record for records in self.found.values() for record in records if record is not None]

    def measured(self) -> dict[str, dict[str, float | None]]:
        """Our means under the names of the paper's own rows and columns, for the checks of its claims; None where a run lacks a value."""
        return {
            line.row.text: {column.paper: cell.mean for column, cell in zip(self.columns, line.cells, strict=True) if column.paper}
            for line in self.lines
            if line.row.block == PAPER and not line.row.printed_in
        }
