"""The study: its runs, its tables, and the picture and the summary that are made from them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.inputs import Inputs
from nint.bench.kernel.picture import draw
from nint.bench.kernel.summary import Effect, effects_of, summary_text
from nint.bench.kernel.variants import BATCH_SHARE, CASES, NOTHING, SIZES, VARIANTS, Case, Sizes
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.bench.store import Store
from nint.bench.tables.base import Table, in_turn
from nint.bench.tables.columns import COST, VALUE, Column
from nint.bench.tables.data import table_data
from nint.bench.tables.rows import Row, sized
from nint.bench.tables.write import write_table
from nint.files import write_json, write_text
from nint.settings import split_text

_METRICS = {"sound": "si_snr", "shape": "iou"}
_COSTS = ("forward_equivalents", "training_seconds", "selecting")


@dataclass(frozen=True)
class KernelStudy:
    """What fills the NTK part of a batch, all else equal.

    Attributes:
        name: "kernel".
        caption: What it shows, in a sentence.
    """

    name: str
    caption: str

    def tables(self, scale: Scale, inputs: Inputs, seeds: int) -> list[Table]:
        """One table for each case.

        Args:
            scale: Its name chooses the sizes.
            inputs: Where the inputs lie; only their names are read.
            seeds: Number of seeds.
        """
        own = copy.copy(inputs)
        own.remarks = []
        return [_table(case, SIZES[scale.name], own, seeds) for case in CASES]

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Every run once, case by case."""
        return [spec for table in self.tables(scale, inputs, seeds) for spec in in_turn(table.runs.values())]

    def write(self, store: Store, scale: Scale, inputs: Inputs, seeds: int, out: Path, facts: dict[str, Any] | None = None) -> list[Path]:
        """Writes the tables, kernel.md, kernel.png and kernel.json, all from what the store holds.

        Args:
            store: Finished runs.
            scale: Sizes.
            inputs: Where the inputs lie.
            seeds: As in `specs`.
            out: Folder.
            facts: "command": the exact one.

        Returns:
            The files written.
        """
        command, written, effects = str((facts or {}).get("command", "")), [], list[Effect]()
        for table in self.tables(scale, inputs, seeds):
            data = table_data(table, store.records(), store.problems, command)
            if data.records:
                written += write_table(data, out)
                effects += effects_of(data)
        if not effects:
            return written
        write_text(out / "kernel.md", summary_text(effects, command))
        write_json(out / "kernel.json", {"effects": [effect.to_json() for effect in effects], "command": command})
        return [*written, out / "kernel.md", out / "kernel.json", draw(effects, out / "kernel.png")]


def _table(case: Case, sizes: Sizes, inputs: Inputs, seeds: int) -> Table:
    sources = inputs.named(case.inputs, 1)
    runs: dict[Row, tuple[RunSpec, ...]] = {}
    for field in case.fields:
        for variant in VARIANTS:
            row = Row(f"{variant.text} field={field}", "", variant.note)
            runs[row] = tuple(
                _spec(case, sizes, variant, field, source, seed, f"{case.name}/{number}/{field}/{seed}")
                for seed in range(seeds)
                for number, source in enumerate(sources)
            )
    metric = next((found for name, found in _METRICS.items() if case.name.startswith(f"kernel-{name}")), "psnr")
    return Table(
        name=case.name,
        title=case.title,
        caption="What fills the NTK part of a batch, all else equal.",
        columns=(*(Column(VALUE, metric, point) for point in _checkpoints(case, sizes)), *(Column(COST, name) for name in _COSTS)),
        runs=runs,
        baseline=NOTHING,
        by_field=True,
        remarks=tuple(inputs.remarks),
        protocol=(
            f"Every run has {sizes.steps:,} steps, to which schedules are laid out, and a batch of {BATCH_SHARE:.0%} of the points; all "
            f"networks but `grid` have {sizes.size}. Differences are from the row without a kernel, `{NOTHING}`, run by run.",
        ),
    )


def _checkpoints(case: Case, sizes: Sizes) -> tuple[int, ...]:
    """Only the last where measuring takes longer than training."""
    return sizes.checkpoints[-1:] if case.name.startswith("kernel-shape") else sizes.checkpoints


def _side(case: Case, sizes: Sizes) -> int:
    """Of a square, and of a cube of about as many points."""
    return round(sizes.side ** (2 / 3)) if case.name.startswith("kernel-volume") else sizes.side


def _spec(case: Case, sizes: Sizes, variant: Row, field: str, source: str, seed: int, group: str) -> RunSpec:
    named = f"{variant.text}{',' if split_text(variant.text)[1] else ':'}batch_share={BATCH_SHARE}"
    settings: dict[str, Any] = {"lr": 1e-4, "total_steps": sizes.steps} if case.recipe == "paper" else {}
    return RunSpec(
        input=source,
        field=field if field == "grid" else sized(field, sizes.size),
        sampler=variant.text if variant.text == "full" else named,
        recipe=case.recipe,
        seed=seed,
        steps=sizes.steps,
        evaluate_at=tuple(float(point) for point in _checkpoints(case, sizes)),
        square=_side(case, sizes) if case.square else None,
        options=case.options,
        settings=tuple(sorted(settings.items())),
        group=group,
    )


STUDY = KernelStudy("kernel", "What the tangent kernel is worth for choosing points: what fills the NTK part, all else equal.")
