"""A table of the paper, with our rows beside its own: which rows, on which inputs, with which columns, at a scale."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nint.bench.inputs import Inputs
from nint.bench.published import published
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale, Task
from nint.bench.tables.base import Table, in_turn
from nint.bench.tables.columns import COST, EFFORTS, FLOPS, ITERATIONS, SECONDS, VALUE, Column
from nint.bench.tables.rows import PAPER_LR, Row, network_size
from nint.metrics import LOWER_IS_BETTER

_EFFORTS = (ITERATIONS, SECONDS, FLOPS)
_COSTS = ("training_seconds", "selecting", "flops")


@dataclass(frozen=True)
class PaperTable:
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
        task: Task = getattr(scale, self.task)
        return task

    def columns(self, scale: Scale) -> tuple[Column, ...]:
        """Its columns at a scale."""
        return columns_of(self.name, self.sizes(scale))

    def sources(self, scale: Scale, inputs: Inputs) -> list[str]:
        """Paths or "sample:NAME", each once."""
        sizes = self.sizes(scale)
        return inputs.named(sizes.sources or self.inputs, sizes.inputs)

    def row_specs(self, scale: Scale, inputs: Inputs, seeds: int) -> dict[Row, tuple[RunSpec, ...]]:
        """Row -> its runs, one on each input with each seed."""
        task, sources = self.sizes(scale), self.sources(scale, inputs)
        places = [(seed, number, source) for seed in range(seeds) for number, source in enumerate(sources)]
        shared = self.runs_of or self.name
        return {
            row: tuple(row.spec(task, source, seed, f"{shared}/{number}/{row.field or 'all'}/{seed}") for seed, number, source in places)
            for row in self.rows
        }

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Every run once, input by input, so that an interrupted bench has whole inputs."""
        return in_turn(self.row_specs(scale, inputs, seeds).values())

    def at(self, scale: Scale, inputs: Inputs, seeds: int) -> Table:
        """The table at a scale.

        Args:
            scale: Sizes.
            inputs: Where the inputs lie; only their names are read.
            seeds: Number of seeds.
        """
        own = copy.copy(inputs)
        own.remarks = []
        runs = self.row_specs(scale, own, seeds)
        return Table(
            name=self.name,
            title=f"Table {self.name.removeprefix('table')}",
            caption=self.caption,
            columns=self.columns(scale),
            runs=runs,
            by_field=self.pairs,
            published=published(self.name),
            about=((f"Scale: {scale.name}", scale.about),),
            remarks=tuple(own.remarks),
            protocol=(*_protocol(self.sizes(scale)), *self.remarks),
        )

    def estimated_seconds(self, scale: Scale, inputs: Inputs, seeds: int) -> float:
        """About how long its runs take on the machine that the scale is for; 0 where it was not measured."""
        return estimate(scale, {self: self.row_specs(scale, inputs, seeds)})


def _protocol(task: Task) -> tuple[str, ...]:
    budget = f"{task.steps:,} steps" if task.steps is not None else f"{task.seconds:g} training seconds"
    return (
        f"Every run has {budget} and Adam at {PAPER_LR:g}, constant, where its row says nothing else. Evaluations lie ever farther apart.",
        "The paper's clock counts evaluation too, ours does not, so that of times only ratios to `full` (its Stand.) compare.",
    )


def estimate(scale: Scale, tables: Mapping[PaperTable, Mapping[Row, Iterable[RunSpec]]]) -> float:
    """Seconds that the runs of some tables take together, each run once."""
    seconds: dict[str, float] = {}
    for table, rows in tables.items():
        for row, specs in rows.items():
            for spec in specs:
                if not spec.method:
                    seconds[spec.key] = table.sizes(scale).run_seconds(
                        chosen=not row.text.startswith("full"), size=network_size(spec.field)
                    )
    return sum(seconds.values())


def columns_of(table: str, task: Task) -> tuple[Column, ...]:
    """The columns of a table at a scale: the paper's at our own points, FLOPs beside every time, further targets, and what a run cost.

    The paper's k-th checkpoint is the task's k-th; those that the task lacks are left out, and so are seconds where it is not timed. Its
    targets are kept; those that the task adds for the same metric stand beside them.
    """
    names = published(table).columns
    values = [name for name in names if name.partition("@")[0] not in EFFORTS]
    points = list(dict.fromkeys(name.partition("@")[2] for name in values))
    at = dict(zip(points, task.checkpoints, strict=False))  # the task may lack the paper's last ones
    found = [
        Column(VALUE, name.partition("@")[0], at[name.partition("@")[2]], task.seconds is not None, name)
        for name in values
        if name.partition("@")[2] in at
    ]
    metrics = list(dict.fromkeys(_target(name)[0] for name in names if name not in values))
    untimed = () if task.timed else (SECONDS, "training_seconds")
    for what in [effort for effort in _EFFORTS if effort not in untimed] if metrics else ():
        for metric in metrics:
            printed = {point: name for name in names if name.startswith(f"{what}@") for of, point in [_target(name)] if of == metric}
            asked = {point for name in names if name not in values for of, point in [_target(name)] if of == metric}
            for point in sorted(asked | set(task.targets_of(metric)), reverse=metric in LOWER_IS_BETTER):
                found.append(Column(what, metric, point, paper=printed.get(point, "")))
    return (*found, *(Column(COST, name) for name in _COSTS if name not in untimed))


def _target(name: str) -> tuple[str, float]:
    """The metric and value of a target: "seconds@ssim0.9" -> ("ssim", 0.9); a bare number is one of PSNR.

    Raises:
        ValueError: for the name of another kind of column.
    """
    match = re.fullmatch(r"\w+@([a-z_]*)([\d.]+)", name)
    if match is None:
        raise ValueError(f"'{name}' is not the name of a column.")
    return match[1] or "psnr", float(match[2])
