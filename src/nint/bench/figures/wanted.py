"""Which runs a figure wants: with a budget of seconds of its own, or those that a table has anyway."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence

from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale, Task
from nint.bench.tables.rows import PAPER_LR, Row, canonical

STRATEGIES = ("full", "uniform", "egra", "soft-mining", "int", "evos", "expansive", "nint", "nint-fast")
"""Text forms of what the figures of images compare: the paper's, and our own fast one."""


def paper_seconds(scale: Scale, seconds: float) -> float:
    """Training seconds that stand for seconds of the paper."""
    return round(seconds * scale.minute_s / 60, 6)


def timed(
    scale: Scale,
    source: str,
    row: str,
    *,
    group: str,
    seconds: float = 60.0,
    moments: tuple[float, ...] = (),
    task: Task | None = None,
) -> RunSpec:
    """A kept run with seed 0 on an image of a scale, with the settings of the tables but a budget of time.

    Args:
        scale: Sizes.
        source: The image.
        row: A sampler, and a network where it is not the task's, as rows of tables name them.
        group: Runs that are interleaved.
        seconds: Budget, in seconds of the paper.
        moments: When snapshots are kept besides the end, in seconds of the paper.
        task: Side and network; None is that of the tables on images.
    """
    budget = paper_seconds(scale, seconds)
    at = tuple(sorted({*(paper_seconds(scale, moment) for moment in moments), budget}))
    spec = Row(row).spec(task or scale.images, source, 0, group)
    return dataclasses.replace(spec, steps=None, seconds=budget, evaluate_at=at, keep=True)


def of_table(name: str, samplers: Sequence[str], scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
    """The runs of a table in which samplers have the paper's settings; running them here or there is the same.

    Args:
        name: "table1" to "table10".
        samplers: Text forms.
        scale: Sizes.
        inputs: Where the inputs lie.
        seeds: Number of seeds.
    """
    table = importlib.import_module(f"nint.bench.tables.{name}").TABLE
    wanted = [canonical(sampler) for sampler in samplers]
    found = [spec for spec in table.specs(scale, inputs, seeds) if spec.sampler in wanted and _as_in_the_paper(spec)]
    return sorted(found, key=lambda spec: wanted.index(spec.sampler))


def _as_in_the_paper(spec: RunSpec) -> bool:
    settings = {name: value for name, value in spec.settings if name != "total_steps"}
    return spec.recipe == "paper" and settings == {"lr": PAPER_LR}


def kept(specs: Sequence[RunSpec], most_inputs: int) -> list[RunSpec]:
    """Those on the first few inputs, with their models kept."""
    inputs = list(dict.fromkeys(spec.input for spec in specs))[:most_inputs]
    return [dataclasses.replace(spec, keep=True) for spec in specs if spec.input in inputs]
