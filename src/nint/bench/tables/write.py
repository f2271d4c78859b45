"""A table as files and on the terminal: Markdown, LaTeX, CSV, one JSON object a cell, and rich tables."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

from nint.bench.tables.cells import Cell, TableData
from nint.bench.tables.latex import latex
from nint.bench.tables.notes import differences, notes
from nint.bench.tables.panels import Panel, panels
from nint.files import write_text

if TYPE_CHECKING:
    from rich.table import Table

_BLOCKS = {"paper": "paper's settings", "authors": "authors' own", "ours": "ours", "": ""}
_DIFFERENCE = ("difference", "difference_low", "difference_high", "difference_p")


def write_table(data: TableData, out: Path) -> list[Path]:
    """Writes NAME.md, .tex, .csv and .jsonl, each atomically; returns the paths."""
    paths = []
    for ending, make in ((".md", markdown), (".tex", latex), (".csv", to_csv), (".jsonl", to_jsonl)):
        paths.append(out / f"{data.table.name}{ending}")
        write_text(paths[-1], make(data))
    return paths


def write_markdown(data: TableData, out: Path) -> Path:
    """Writes NAME.md alone, atomically; returns its path."""
    path = out / f"{data.table.name}.md"
    write_text(path, markdown(data))
    return path


def markdown(data: TableData) -> str:
    """The whole table with its notes."""
    table, apart = data.table, differences(data)
    parts = [f"# {table.title}{f'. {table.caption}' if table.caption else ''}"]
    parts += [f"## {panel.title}\n\n{_markdown_panel(panel)}" for panel in panels(data)]
    if apart:
        parts.append("## Where it differs from the paper\n\n" + _list(apart))
    parts.append("## How it was made\n\n" + "\n\n".join(f"**{name}**\n\n{_list(sentences)}" for name, sentences in notes(data).items()))
    if table.published is not None:
        parts.append(f"Published numbers: {table.published.source}.")
    return "\n\n".join(parts) + "\n"


def to_csv(data: TableData) -> str:
    """One line a row; for each column mean, deviation, runs, published value, both ratios, and the difference. Missing is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fields = ("mean", "std", "n", "published", "ratio", "published_ratio", *_DIFFERENCE)
    writer.writerow(["block", "row", *(f"{column.key}:{field}" for column in data.columns for field in fields)])
    for line in data.lines:
        values: list[float | None] = []
        for cell in line.cells:
            values += [*(cell.ours or (None, None, 0)), cell.published, cell.ratio, cell.published_ratio, *_difference(cell).values()]
        writer.writerow([line.row.block, line.row.text, *("" if value is None else value for value in values)])
    return text.getvalue()


def to_jsonl(data: TableData) -> str:
    """One JSON object a cell."""
    lines = []
    for line in data.lines:
        for column, cell in zip(data.columns, line.cells, strict=True):
            mean, deviation, count = cell.ours or (None, None, 0)
            found = {
                "table": data.table.name,
                "block": line.row.block,
                "row": line.row.text,
                "column": column.key,
                "published_column": column.paper or None,
                "lower_is_better": column.lower_is_better,
                "mean": mean,
                "std": deviation,
                "n": count,
                "wanted": cell.wanted,
                "missing": cell.missing or None,
                "published": cell.published,
                "ratio": cell.ratio,
                "published_ratio": cell.published_ratio,
                "place": cell.place,
                "published_place": cell.published_place,
                **_difference(cell),
            }
            lines.append(json.dumps(found, allow_nan=False))
    return "\n".join(lines) + "\n"


def rich_tables(data: TableData) -> list[Table]:
    """The panels for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styles = {0: "", 1: "bold", 2: "underline"}
    found = []
    for panel in panels(data):
        title = f"{data.table.title}: {panel.title}" if data.table.caption else panel.title
        table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("row", no_wrap=True)
        for heading in panel.columns:
            table.add_column(heading, justify="right")
        before = ""
        for block, row, cells in panel.rows:
            if before not in ("", block):
                table.add_section()
            before = block
            table.add_row(Text(row), *(Text.assemble((shown.text, styles[shown.place])) for shown in cells))
        found.append(table)
    return found


def _markdown_panel(panel: Panel) -> str:
    blocks = any(block for block, _, _ in panel.rows)
    names = ["settings", "row"] if blocks else ["row"]
    lines = [f"| {' | '.join([*names, *panel.columns])} |", f"|{'---|' * len(names)}{'---:|' * len(panel.columns)}"]
    for block, row, cells in panel.rows:
        marked = [{0: "{}", 1: "**{}**", 2: "<u>{}</u>"}[shown.place].format(shown.text.replace("|", "\\|")) for shown in cells]
        lines.append(f"| {' | '.join([*([_BLOCKS[block]] if blocks else []), f'`{row}`', *marked])} |")
    return "\n".join(lines)


def _difference(cell: Cell) -> dict[str, float | None]:
    """The difference from the row of the baseline under the names that the files have for it."""
    found = cell.difference
    return dict.fromkeys(_DIFFERENCE) if found is None else dict(zip(_DIFFERENCE, found, strict=False))


def _list(sentences: list[str] | tuple[str, ...]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
