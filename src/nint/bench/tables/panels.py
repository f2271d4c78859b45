"""A table as panels of text: ours by kind of column, the published numbers, and ratios; Markdown, LaTeX and terminal show the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nint.bench.tables.columns import COST, FLOPS, ITERATIONS, SECONDS, VALUE, Column, title_of
from nint.bench.tables.data import Cell, TableData
from nint.bench.tables.notes import decimals

MISSING = "–"
_TITLES = {
    VALUE: "Quality",
    ITERATIONS: "Iterations to a target",
    SECONDS: "Training seconds to a target",
    FLOPS: "{} to a target",
    COST: "Cost of the whole run",
}
_PREFIXES = ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"))


@dataclass(frozen=True)
class Shown:
    """A cell's text and its place: 1 best, 2 second best, 0 neither."""

    text: str
    place: int = 0


@dataclass(frozen=True)
class Panel:
    """A part of a table.

    Attributes:
        title: Its heading.
        columns: Headings of the columns, those of the block and the row left out.
        rows: (block, name of the row, cells).
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Shown, ...]], ...]


def panels(data: TableData) -> list[Panel]:
    """All panels. Columns that say nothing are left out: targets that no run reached but in iterations, and what was not published."""
    found = []
    for what in _TITLES:
        at = [n for n, column in enumerate(data.columns) if column.what == what and (what in (VALUE, ITERATIONS) or _any(data, n))]
        if not at:
            continue
        unit, factor = _unit(data, at)
        headings = tuple(title_of(data.columns[n], unit) for n in at)
        found.append(_panel(data, _TITLES[what].format(unit), at, headings, lambda column, cell, f=factor: ours(column, cell, f)))
    printed = [n for n, column in enumerate(data.columns) if any(line.cells[n].published is not None for line in data.lines)]
    if printed:
        headings = tuple(_full_title(data.columns[n], data.columns[n].paper) for n in printed)
        found.append(_panel(data, "Published", printed, headings, _published))
    ratios = [n for n, column in enumerate(data.columns) if any(_compared(line.cells[n]) for line in data.lines)]
    if ratios:
        headings = tuple(_full_title(data.columns[n]) for n in ratios)
        found.append(_panel(data, "Ratio to full training: here / published", ratios, headings, _ratios))
    return found


def ours(column: Column, cell: Cell, factor: float = 1.0) -> Shown:
    """Our number as text: mean ± deviation, and how many runs have it where not all do."""
    if cell.ours is None:
        return Shown(cell.missing or MISSING)
    scale = factor if column.what == FLOPS or column.metric == "flops" else 1.0
    mean = cell.ours.mean / scale
    places = decimals(column, mean)
    text = f"{mean:,.{places}f}"
    if cell.ours.deviation is not None:
        text += f" ± {cell.ours.deviation / scale:,.{places}f}"
    if not cell.complete:
        text += f" ({cell.ours.count} of {cell.wanted})"
    return Shown(text, cell.place)


def _published(column: Column, cell: Cell) -> Shown:
    return Shown(MISSING if cell.published is None else f"{cell.published:,g}", cell.published_place)


def _ratios(column: Column, cell: Cell) -> Shown:
    if not _compared(cell):
        return Shown(MISSING)
    return Shown(" / ".join(MISSING if value is None else f"{value:.3f}" for value in (cell.ratio, cell.published_ratio)))


def _panel(data: TableData, title: str, at: Sequence[int], headings: tuple[str, ...], show: Callable[[Column, Cell], Shown]) -> Panel:
    rows = [(line.row.block, line.row.text, tuple(show(data.columns[n], line.cells[n]) for n in at)) for line in data.lines]
    if title == "Published":
        rows = [row for row in rows if any(shown.text != MISSING for shown in row[2])]
    return Panel(title, headings, tuple(rows))


def _compared(cell: Cell) -> bool:
    return cell.ratio is not None or cell.published_ratio is not None


def _any(data: TableData, n: int) -> bool:
    return any(line.cells[n].ours is not None for line in data.lines)


def _unit(data: TableData, at: Sequence[int]) -> tuple[str, float]:
    """The unit of the FLOPs in some columns, and its size."""
    sizes = [
        line.cells[n].ours.mean
        for n in at
        if data.columns[n].what == FLOPS or data.columns[n].metric == "flops"
        for line in data.lines
        if line.cells[n].ours is not None
    ]
    largest = max(sizes, default=0.0)
    for size, name in _PREFIXES:
        if largest >= size:
            return name, size
    return "FLOP", 1.0


def _full_title(column: Column, paper: str = "") -> str:
    """A heading that also says what the column counts; of the paper's own, its own checkpoint."""
    if paper and column.what == VALUE:
        metric, _, point = paper.partition("@")
        return f"{title_of(column).partition(' @ ')[0]} @ {point.replace('s', ' s')}" if metric else paper
    words = {VALUE: "", ITERATIONS: "iterations, ", SECONDS: "s, ", FLOPS: "FLOPs, ", COST: ""}
    return words[column.what] + title_of(column, "FLOPs of the run")
