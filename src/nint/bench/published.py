"""The numbers of the paper's ten tables, as printed, under names that our own tables use.

A row is named by the text form of its sampler, followed by `field=` and that of the network in the tables where it varies. A column is
`WHAT@WHERE`: `psnr@1000` after 1000 iterations, `psnr@20s` after 20 seconds; for what a target took, `iterations@30` or `seconds@30` to a
PSNR of 30 dB, `seconds@ssim0.9` and `iterations@lpips0.1` to the other metrics. None stands where the paper prints N/A.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from nint.errors import UsageError, nearest
from nint.metrics import LOWER_IS_BETTER

Row = Mapping[str, float | None]
"""Column -> value."""
Rows = Mapping[str, Row]
"""Text form of a row -> its values."""

STANDARD = "full"
"""Stand. of the paper."""

_STANDARD_ELSEWHERE = {"table5": "table8"}  # the same runs and columns; Table 5 leaves Stand. out


@dataclass(frozen=True)
class PublishedTable:
    """One table of the paper.

    Attributes:
        name: "table1" to "table10".
        caption: What it shows, in our words, with the unit where the numbers are printed in another than one.
        columns: Names of the columns, in the order of the paper.
        rows: Text form of the row -> column -> value.
        source: Where it is printed.
        standard: Text form of the network ("" where the table has one only) -> the row of full training.
    """

    name: str
    caption: str
    columns: tuple[str, ...]
    rows: dict[str, dict[str, float | None]]
    source: str
    standard: dict[str, dict[str, float | None]]

    def ratio_to_standard(self, row: str, column: str) -> float | None:
        """A value as a fraction of full training's with the same network; None where either is not printed.

        >>> round(published("table2").ratio_to_standard("nint:random_share=0.7", "seconds@30"), 4)
        0.5101
        """
        return ratio(self.rows[row][column], self.standard.get(row_parts(row)[1] or "", {}).get(column))


def published(table: str) -> PublishedTable:
    """The numbers of a table of the paper.

    Raises:
        UsageError: for a name other than table1 to table10.
    """
    tables = _data()["tables"]
    if table not in tables:
        raise UsageError(f"The paper has no '{table}'.{nearest(table, tables)}")
    entry = tables[table]
    columns = tuple(entry["columns"])
    rows = _rows(table)
    paper = _data()["paper"]
    return PublishedTable(
        name=table,
        caption=entry["caption"],
        columns=columns,
        rows=rows,
        source=f"{paper['authors']}: {paper['title']}, arXiv {paper['arxiv']}, Table {table.removeprefix('table')}",
        standard=standard_rows(_rows(_STANDARD_ELSEWHERE.get(table, table))),
    )


def published_tables() -> tuple[str, ...]:
    """The names of all tables, in the order of the paper."""
    return tuple(_data()["tables"])


def row_parts(text: str) -> tuple[str, str | None]:
    """The sampler and, where the row names one, the network, both as text forms.

    Raises:
        UsageError: for anything else in the row.

    >>> row_parts("nint field=siren:size=1x64")
    ('nint', 'siren:size=1x64')
    >>> row_parts("nint:random_share=0.5")
    ('nint:random_share=0.5', None)
    """
    sampler, *rest = text.split(" ")
    if not sampler or len(rest) > 1 or any(not token.startswith("field=") or token == "field=" for token in rest):
        raise UsageError(f"'{text}' is not the name of a row; write SAMPLER or SAMPLER field=FIELD.")
    return sampler, rest[0].removeprefix("field=") if rest else None


def standard_rows(rows: Rows) -> dict[str, dict[str, float | None]]:
    """Text form of the network ("" where the row names none) -> the row of full training with it."""
    return {field or "": dict(values) for text, values in rows.items() for name, field in [row_parts(text)] if name == STANDARD}


def ratio_to_standard(rows: Rows, row: str, column: str) -> float | None:
    """A value as a fraction of full training's in the same rows, published or our own; None where either is missing."""
    return ratio(rows[row].get(column), standard_rows(rows).get(row_parts(row)[1] or "", {}).get(column))


def ratio(value: float | None, standard: float | None) -> float | None:
    """Value / standard; None where either is missing, or the standard is not above 0 (a SI-SNR)."""
    return None if value is None or standard is None or standard <= 0 else value / standard


def lower_is_better(column: str) -> bool:
    """Whether a smaller value of a column is better: errors, and what reaching a target took."""
    what = column.partition("@")[0]
    return what in LOWER_IS_BETTER or what in ("iterations", "seconds")


def _rows(table: str) -> dict[str, dict[str, float | None]]:
    entry = _data()["tables"][table]
    return {text: dict(zip(entry["columns"], values, strict=True)) for text, values in entry["rows"].items()}


@cache
def _data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("nint.bench").joinpath("data/published.json").read_text(encoding="utf-8"))
    return found
