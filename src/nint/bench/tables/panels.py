"""A table as panels of text: ours by kind of column, differences, the published numbers, and ratios; every format shows the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from nint.bench.statistics import CONFIDENCE
from nint.bench.tables.cells import Cell, TableData
from nint.bench.tables.columns import (
    COST,
    FLOPS,
    ITERATIONS,
    SECONDS,
    VALUE,
    WORK,
    Column,
    decimals,
    metric_title,
    metrics_of,
    title_of,
)

MISSING = "–"
_TITLES = {
    VALUE: "Quality",
    ITERATIONS: "Iterations to a target",
    SECONDS: "Training seconds to a target",
    FLOPS: "{} to a target",
    WORK: "Forward equivalents to a target",
    COST: "Cost of the whole run",
}
_PREFIXES = ((1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"))
_PUBLISHED = "Published"

Show = Callable[[Column, Cell], "Shown"]


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
    for what, name in _TITLES.items():
        for title, at in _parts(data, what, name):
            unit, factor = _unit(data, at)
            headings = tuple(title_of(data.columns[n], unit) for n in at)
            found.append(_panel(data, title.format(unit), at, headings, functools.partial(ours, factor=factor)))
    for what, name in _TITLES.items():
        for title, at in _parts(data, what, name):
            at = [n for n in at if any(line.cells[n].difference is not None for line in data.lines)]
            if at:
                unit, factor = _unit(data, at)
                headings = tuple(title_of(data.columns[n], unit) for n in at)
                title = f"{title.format(unit)}: difference from {data.table.baseline}, mean [{CONFIDENCE:.0%} interval] p"
                found.append(_panel(data, title, at, headings, functools.partial(_difference, factor=factor)))
    printed = _where(data, lambda cell: cell.published is not None)
    if printed:
        headings = tuple(_full_title(data.columns[n], data.columns[n].paper) for n in printed)
        found.append(_panel(data, _PUBLISHED, printed, headings, _published))
    ratios = _where(data, _compared)
    if ratios:
        headings = tuple(_full_title(data.columns[n]) for n in ratios)
        both = data.table.published is not None
        title = "Ratio to full training: here / published" if both else "Ratio to full training"
        found.append(_panel(data, title, ratios, headings, _ratios if both else _ratio))
    return found


def _parts(data: TableData, what: str, name: str) -> Iterator[tuple[str, list[int]]]:
    """The panels of a kind of column.

    Yields:
        A heading and the numbers of its columns.
    """
    at = [n for n, column in enumerate(data.columns) if column.what == what and (what in (VALUE, ITERATIONS) or _any(data, n))]
    if what == VALUE and data.table.by_metric:
        for metric in metrics_of([data.columns[n] for n in at]):
            yield f"{name}, {metric_title(metric)}", [n for n in at if data.columns[n].metric == metric]
    elif at:
        yield name, at


def ours(column: Column, cell: Cell, factor: float = 1.0) -> Shown:
    """Our number as text: mean ± deviation, and how many runs have it where not all do."""
    if cell.ours is None:
        return Shown(cell.missing or MISSING)
    scale = _scale(column, factor)
    mean = cell.ours.mean / scale
    places = decimals(column, mean)
    text = f"{mean:,.{places}f}"
    deviation = (cell.ours.deviation or 0.0) / scale
    if deviation > 1e-12 * abs(mean) and (places or round(deviation)):  # what every run shares, as a count of steps, has none
        text += f" ± {deviation:,.{places}f}"
    if cell.numbers is None:
        text += f" ({cell.ours.size} of {cell.wanted})"
    return Shown(text, cell.place)


def _difference(column: Column, cell: Cell, factor: float = 1.0) -> Shown:
    found = cell.difference
    if found is None or cell.mean is None:
        return Shown(MISSING)
    scale = _scale(column, factor)
    places = decimals(column, cell.mean / scale)
    mean, low, high = (f"{value / scale:+,.{places}f}" for value in (found.mean, found.low, found.high))
    return Shown(f"{mean} [{low}, {high}]" + ("" if found.p is None else f" p={found.p:.2g}"))


def _published(column: Column, cell: Cell) -> Shown:
    return Shown(MISSING if cell.published is None else f"{cell.published:,g}", cell.published_place)


def _ratios(column: Column, cell: Cell) -> Shown:
    if not _compared(cell):
        return Shown(MISSING)
    return Shown(" / ".join(MISSING if value is None else f"{value:.3f}" for value in (cell.ratio, cell.published_ratio)))


def _ratio(column: Column, cell: Cell) -> Shown:
    return Shown(MISSING if cell.ratio is None else f"{cell.ratio:.3f}")


def _panel(data: TableData, title: str, at: Sequence[int], headings: tuple[str, ...], show: Show) -> Panel:
    rows = [(line.row.block, line.row.text, tuple(show(data.columns[n], line.cells[n]) for n in at)) for line in data.lines]
    if title == _PUBLISHED:
        rows = [row for row in rows if any(shown.text != MISSING for shown in row[2])]
    return Panel(title, headings, tuple(rows))


def _where(data: TableData, says: Callable[[Cell], bool]) -> list[int]:
    """The columns in which any cell says something."""
    return [n for n in range(len(data.columns)) if any(says(line.cells[n]) for line in data.lines)]


def _compared(cell: Cell) -> bool:
    return cell.ratio is not None or cell.published_ratio is not None


def _any(data: TableData, n: int) -> bool:
    return any(line.cells[n].ours is not None for line in data.lines)


def _scale(column: Column, factor: float) -> float:
    return factor if column.what == FLOPS or column.metric == "flops" else 1.0


def _unit(data: TableData, at: Sequence[int]) -> tuple[str, float]:
    """The unit of the FLOPs in some columns, and its size."""
    sizes = [
        cell.ours.mean
        for n in at
        if data.columns[n].what == FLOPS or data.columns[n].metric == "flops"
        for cell in (line.cells[n] for line in data.lines)
        if cell.ours is not None
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
    words = {VALUE: "", ITERATIONS: "iterations, ", SECONDS: "s, ", FLOPS: "FLOPs, ", WORK: "forward equivalents, ", COST: ""}
    return words[column.what] + title_of(column, "FLOPs of the run")
