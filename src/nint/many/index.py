"""The index of a dataset: one Parquet file, a row a field. It says nothing that the shards do not say, so it can be made again."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import in_utf8, reason_of, write_atomically
from nint.many.arrow import arrow, parquet
from nint.runs.contents import INDEX

COLUMNS = {
    "id": "string",
    "source": "string",
    "kind": "string",
    "shape": "list<int64>",
    "field": "string",
    "split": "string",
    "seed": "int64",
    "steps": "int64",
    "seconds": "float64",
    "stopped": "string",
    "forward_equivalents": "float64",
    "restarts": "int64",
    "together": "int64",
    "in_features": "int64",
    "out_features": "int64",
    "settings": "string",
    "layout": "string",
    "shard": "string",
    "row": "int64",
}
"""Column -> its type; one column a metric comes after them, float64, null where it was not measured."""


def metric_names(rows: Iterable[dict[str, Any]]) -> list[str]:
    """The metrics of any of the rows, in the order in which they appear."""
    found: dict[str, None] = {}
    for row in rows:
        found |= dict.fromkeys(row["metrics"])
    return list(found)


def write_index(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Writes the index, atomically.

    Args:
        folder: The dataset.
        rows: With shard and row; "metrics" is a dictionary.

    Raises:
        UsageError: where it cannot be written.
    """
    table = table_of(rows)
    writer = parquet()
    write_atomically(folder / INDEX, lambda target: writer.write_table(table, str(target), compression="zstd"))


def table_of(rows: list[dict[str, Any]]) -> Any:
    """The rows as a table of pyarrow; texts as `in_utf8`, since sources need not be."""
    pa = arrow()
    types = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "list<int64>": pa.list_(pa.int64())}
    columns = {name: pa.array([_text(row.get(name)) for row in rows], types[kind]) for name, kind in COLUMNS.items()}
    for name in metric_names(rows):
        columns[name] = pa.array([_finite(row["metrics"].get(name)) for row in rows], pa.float64())
    return pa.table(columns)


def _text(value: Any) -> Any:
    return in_utf8(value) if isinstance(value, str) else value


def _finite(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def read_index(folder: Path) -> Any:
    """The index as a table of pyarrow.

    Raises:
        UsageError: where it is missing, cut short or damaged.
    """
    path = folder / INDEX
    if not path.is_file():
        raise UsageError(f"{folder} is not a dataset of fields: it has no {INDEX}.")
    try:
        table = parquet().read_table(str(path))
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"{path} is cut short or damaged ({reason_of(error)}); the same fit-all command with --resume makes it again."
        ) from error
    missing = [name for name in COLUMNS if name not in table.column_names]
    if missing:
        raise UsageError(f"{path} is not the index of a dataset of fields: it has no column {', '.join(missing)}.")
    return table


def metrics_of(table: Any) -> list[str]:
    """Names of the columns that hold metrics."""
    return [name for name in table.column_names if name not in COLUMNS]
