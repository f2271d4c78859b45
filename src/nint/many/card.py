"""The card of a dataset: README.md in the Hub's format, so that the folder can be uploaded as it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from nint.files import write_text
from nint.many.statistics import spread
from nint.runs.contents import CARD
from nint.version import __version__

MARK = "<!-- Written by nint fit-all, and again at its next run; remove this line to keep a text of your own. -->"
LOADING = """\
import pyarrow.parquet as pq
from safetensors import safe_open

folder = "."
row = pq.read_table(f"{folder}/index.parquet").to_pylist()[0]  # id, source, shape, metrics, shard, row, ...
with safe_open(f"{folder}/{row['shard']}", framework="pt") as shard:
    weights = {name: shard.get_slice(name)[row["row"]] for name in shard.keys()}
"""
"""A field of a dataset without nint."""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10_000_000, "1M<n<10M"))


def write_card(folder: Path, rows: list[dict[str, Any]], failed: list[dict[str, str]], described: dict[str, Any]) -> None:
    """Writes the card, unless a person has made it their own.

    Args:
        folder: The dataset.
        rows: Of the index.
        failed: Signals without a field.
        described: How they were fitted.

    Raises:
        UsageError: where it cannot be written.
    """
    path = folder / CARD
    if is_generated(path):
        write_text(path, card(rows, failed, described))


def is_generated(path: Path) -> bool:
    """Whether a card may be written again: it is not there, or nobody has made it their own."""
    return not path.exists() or MARK in path.read_text(encoding="utf-8", errors="replace")


def card(rows: list[dict[str, Any]], failed: list[dict[str, str]], described: dict[str, Any]) -> str:
    """The text of a card; arguments as for `write_card`."""
    kinds = Counter(row["kind"] for row in rows)
    fields = Counter(row["field"] for row in rows)
    splits = Counter(row["split"] for row in rows)
    size = next((name for most, name in _SIZES if len(rows) < most), "n>10M")
    settings = {**described["settings"], **described["budget"], "one seed a signal": described["own_seeds"]}
    lines = [
        "---",
        "tags:",
        "- implicit-neural-representations",
        "- weight-space-learning",
        "- nint",
        "size_categories:",
        f"- {size}",
        "configs:",
        "- config_name: default",
        "  data_files: index.parquet",
        "---",
        "",
        MARK,
        "",
        "# A dataset of fields",
        "",
        f"{len(rows):,} implicit neural representations ({_counted(kinds)}), fitted by nint {__version__}: each is a small "
        "coordinate network that is a signal. `index.parquet` has a row for each; the weights lie in `shards/*.safetensors`, "
        f"each parameter stacked along a first axis of rows.{_failures(failed)}",
        "",
        "| | |",
        "|---|---|",
        *(f"| network | `{name}` ({count:,}) |" for name, count in fields.most_common(8)),
        f"| splits | {_counted(splits)} |",
        *(f"| {name} | `{value}` |" for name, value in settings.items() if name not in ("field",)),
        "",
        "| metric | lowest | 5 % | median | 95 % | highest |",
        "|---|---:|---:|---:|---:|---:|",
        *(f"| {name} | {' | '.join(f'{value:.4g}' for value in values)} |" for name, values in spread(rows).items()),
        "",
        "With nint:",
        "",
        "```python",
        "import nint",
        "",
        'dataset = nint.open_dataset(".")  # a torch.utils.data.Dataset of (parameters, index row)',
        "fit = dataset.fit(dataset.ids[0])  # callable at any coordinates; fit.write(...) decodes it",
        "```",
        "",
        "Without:",
        "",
        "```python",
        LOADING.rstrip(),
        "```",
        "",
    ]
    return "\n".join(lines)


def _failures(failed: list[dict[str, str]]) -> str:
    return f" {len(failed):,} signals could not be fitted (`failed.json`)." if failed else ""


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.most_common()) or "none"
