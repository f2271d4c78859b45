"""What every table is, the paper's and one that `nint compare` makes on the fly: rows of runs, and the columns that are read from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nint.bench.published import PublishedTable
from nint.bench.runs import RunSpec, merged
from nint.bench.tables.columns import Column
from nint.bench.tables.rows import Row

STANDARD = "full"
"""The sampler that ratios are taken to: full training."""


@dataclass(frozen=True)
class Table:
    """Rows of runs, and the columns that are read from them.

    Attributes:
        name: Its files are called so.
        title: Its heading: "Table 1", or what a comparison was made on.
        caption: What it shows, in a sentence; "" where the title says it.
        columns: Its columns.
        runs: Row -> its runs, each once: an input that is given twice counts once. Those at one place of all rows have the same input
            and seed, and so are paired.
        baseline: Sampler of the row from which the differences of the others are taken, among rows with the same settings of the run.
        by_field: Whether rows are ranked among those of a network instead of those of a block.
        by_metric: Whether each metric has a panel of its own.
        published: The paper's numbers; None where the table is not one of the paper's.
        about: (heading, sentences) each: what a reader must know of it before all else.
        remarks: Sentences about what stands in for what among the inputs.
        protocol: How its runs are made, in sentences.

    Raises:
        UsageError: for runs of different files that would be taken for each other.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    runs: dict[Row, tuple[RunSpec, ...]]
    baseline: str = STANDARD
    by_field: bool = False
    by_metric: bool = False
    published: PublishedTable | None = None
    about: tuple[tuple[str, tuple[str, ...]], ...] = ()
    remarks: tuple[str, ...] = ()
    protocol: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", {row: tuple(merged(runs)) for row, runs in self.runs.items()})

    @property
    def specs(self) -> list[RunSpec]:
        """Every run once, input by input, so that an interrupted launch leaves whole inputs."""
        return in_turn(self.runs.values())

    @property
    def inputs(self) -> list[str]:
        """The names of what it is made on."""
        return list(dict.fromkeys(spec.input_name for spec in self.specs))

    @property
    def seeds(self) -> list[int]:
        """The seeds."""
        return list(dict.fromkeys(spec.seed for spec in self.specs))

    @property
    def runs_a_row(self) -> int:
        """How many runs each row has."""
        return max(map(len, self.runs.values()), default=0)


def in_turn(rows: Iterable[Sequence[RunSpec]]) -> list[RunSpec]:
    """The first run of every row, then the second of every row, and so on; each run once.

    Raises:
        UsageError: as `nint.bench.runs.merged`.
    """
    return merged(spec for runs in zip(*rows, strict=True) for spec in runs)
