"""What a table is: rows, inputs and columns; the runs that it needs, and its files out of those that a store holds."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale, Task
from nint.bench.tables.columns import Column, columns_of
from nint.bench.tables.rows import Row, network_size

if TYPE_CHECKING:
    from nint.bench.inputs import Inputs
    from nint.bench.store import Store
    from nint.bench.tables.data import TableData


@dataclass(frozen=True)
class Table:
    """One table of the paper, with our rows beside its own.

    Attributes:
        name: "table1" to "table10".
        caption: What it shows, in a sentence.
        task: Attribute of `Scale` with its sizes.
        inputs: What it runs on: data sets ("kodak", "div2k", "ffhq", "speech"), images ("image:div2k/07") or meshes ("mesh:armadillo").
        rows: Its rows.
        pairs: Whether best and second best are marked among the rows of a network instead of those of a block.
        runs_of: The table whose name its groups bear; tables with runs in common have the same, so that these take turns with the rest.
        remarks: What a reader must know, in sentences.
    """

    name: str
    caption: str
    task: str
    inputs: tuple[str, ...]
    rows: tuple[Row, ...]
    pairs: bool = False
    runs_of: str = ""
    remarks: tuple[str, ...] = ()

    def sizes(self, scale: Scale) -> Task:
        """Its sizes at a scale."""
        return getattr(scale, self.task)

    def columns(self, scale: Scale) -> tuple[Column, ...]:
        """Its columns at a scale."""
        return columns_of(self.name, self.sizes(scale))

    def sources(self, scale: Scale, inputs: Inputs) -> list[str]:
        """Paths or "sample:NAME", each once."""
        count = self.sizes(scale).inputs
        found: list[str] = []
        for wanted in self.inputs:
            kind, _, name = wanted.partition(":")
            if kind == "image":
                found.append(inputs.image(name))
            elif kind == "mesh":
                found.append(inputs.mesh(name))
            else:
                found += inputs.speech(count) if kind == "speech" else inputs.images(kind, count)
        return list(dict.fromkeys(found))

    def row_specs(self, scale: Scale, inputs: Inputs, seeds: int) -> dict[Row, list[RunSpec]]:
        """Row -> its runs, one on each input with each seed."""
        task, sources = self.sizes(scale), self.sources(scale, inputs)
        found: dict[Row, list[RunSpec]] = {row: [] for row in self.rows}
        for seed in range(seeds):
            for number, source in enumerate(sources):
                for row in self.rows:
                    group = f"{self.runs_of or self.name}/{number}/{row.field or 'all'}/{seed}"
                    found[row].append(row.spec(task, source, seed, group))
        return found

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Every run, once."""
        found: dict[str, RunSpec] = {}
        by_row = list(self.row_specs(scale, inputs, seeds).values())
        for runs in zip(*by_row, strict=True):  # input by input, so that an interrupted bench has whole inputs
            for spec in runs:
                found.setdefault(spec.key, spec)
        return list(found.values())

    def estimated_seconds(self, scale: Scale, inputs: Inputs, seeds: int) -> float:
        """About how long its runs take on the machine that the scale is for; 0 where nobody has measured it."""
        return estimate(scale, {self: self.row_specs(scale, inputs, seeds)})

    def data(self, store: Store, scale: Scale, inputs: Inputs, seeds: int, facts: Mapping[str, Any]) -> TableData:
        """The table out of a store alone; cells whose runs are not there say so.

        Args:
            store: Finished runs.
            scale: Sizes.
            inputs: Where the inputs lie; only their names are read.
            seeds: Number of seeds.
            facts: What the caller knows: `command`.
        """
        from nint.bench.tables.data import table_data

        own = copy.copy(inputs)
        own.remarks = []
        specs = self.row_specs(scale, own, seeds)
        return table_data(self, scale, specs, store.records(), [*own.remarks, *store.problems], facts)

    def write(self, store: Store, scale: Scale, inputs: Inputs, seeds: int, out: Path, facts: Mapping[str, Any]) -> list[Path]:
        """Writes NAME.md, .tex, .csv and .jsonl into a folder, atomically; returns their paths."""
        from nint.bench.tables.write import write_table

        return write_table(self.data(store, scale, inputs, seeds, facts), Path(out))


def estimate(scale: Scale, tables: Mapping[Table, Mapping[Row, list[RunSpec]]]) -> float:
    """Seconds that the runs of some tables take together, each run once."""
    seconds: dict[str, float] = {}
    for table, rows in tables.items():
        for row, specs in rows.items():
            for spec in specs:
                seconds[spec.key] = table.sizes(scale).run_seconds(chosen=not row.text.startswith("full"), size=network_size(spec.field))
    return sum(seconds.values())
