"""Rows of tables, named like those of the paper: the text form of a sampler, then settings of the run, such as field=..."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nint.bench.published import published
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Task
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.samplers import SAMPLERS
from nint.settings import split_text

PAPER_LR = 1e-4
"""Learning rate of every network and sampler in the paper."""

PAPER, AUTHORS, OURS = "paper", "authors", "ours"
"""Blocks: rows as the paper has them, rivals with their own authors' settings, and what the paper does not have. Elsewhere ""."""

_SETTINGS = {"lr": float, "lr_schedule": str, "optimizer": str, "loss": str}


@dataclass(frozen=True)
class Row:
    """One row, which is one run on each input with each seed.

    Attributes:
        text: A sampler (none: the recipe's), then, separated by spaces, `field=`, `recipe=`, `lr=`, `lr_schedule=` or others.
        block: PAPER, AUTHORS or OURS; "" in a table that has no blocks.
        note: What a reader must know of it, as a sentence.
        options: Further options of the input's kind, as (name, value) pairs.
        printed_in: The table of the paper that has the row, where that is not the table itself.
        method: What stands in the place of training (`nint.bench.classical`); `text` is then only a name.
    """

    text: str
    block: str = PAPER
    note: str = ""
    options: tuple[tuple[str, Any], ...] = ()
    printed_in: str = ""
    method: str = ""

    @property
    def tokens(self) -> dict[str, str]:
        """The settings of the run, as text."""
        return dict(token.split("=", 1) for token in self.text.split(" ") if token.partition("=")[0] in _KNOWN)

    @property
    def sampler(self) -> str:
        """The sampler's text form; empty where the recipe chooses.

        Raises:
            UsageError: for two of them.
        """
        found = [token for token in self.text.split(" ") if token.partition("=")[0] not in _KNOWN]
        if len(found) > 1:
            raise UsageError(f"'{self.text}' is not a row; write one sampler, then settings such as field=siren.")
        return found[0] if found else ""

    @property
    def field(self) -> str | None:
        """The network that the row names; None where the table has one for all."""
        return self.tokens.get("field")

    @property
    def recipe(self) -> str:
        """The recipe that the row names, else the paper's."""
        return self.tokens.get("recipe", "paper")

    @property
    def full(self) -> str:
        """The row of full training that this one is measured by: with the same settings of the run."""
        return self.beside("full")

    def beside(self, sampler: str) -> str:
        """The row of another sampler with the same settings of the run."""
        return " ".join([sampler, *(f"{key}={value}" for key, value in self.tokens.items() if key != "recipe")])

    def spec(self, task: Task, source: str, seed: int, group: str) -> RunSpec:
        """The run on one input with one seed.

        Args:
            task: Sizes.
            source: A path or "sample:NAME".
            seed: Seed.
            group: Runs of a group take turns.
        """
        if self.method or self.recipe != "paper":  # a method has no settings, and a recipe chooses all of them for the budget
            settings: dict[str, Any] = {}
        else:
            settings = {"lr": PAPER_LR, "total_steps": task.total_steps}
        settings |= {key: _SETTINGS[key](value) for key, value in self.tokens.items() if key in _SETTINGS}
        return RunSpec(
            input=source,
            field=sized(self.field or "siren", task.size),
            sampler="" if self.method else canonical(self.sampler),
            recipe=self.recipe,
            seed=seed,
            steps=task.steps,
            seconds=task.seconds,
            evaluate_at=task.evaluate_at,
            square=task.side,
            options=tuple(sorted((dict(task.options) | dict(self.options)).items())),
            settings=tuple(sorted(settings.items())),
            group=group,
            method=self.method,
        )


_KNOWN = {"field", "recipe", *_SETTINGS}


def canonical(sampler: str) -> str:
    """The shortest text form, so that `nint:random_share=0.7` and `nint` are one run; empty stays empty.

    A batch share is kept where it is named: a kind of signal may have another default than the sampler.
    """
    if not sampler or "batch_share" in split_text(sampler)[1]:
        return sampler
    return SAMPLERS.text(SAMPLERS.parse(sampler))


def sized(field: str, size: str) -> str:
    """The shortest text form of a network at a task's size; one that names its size keeps it."""
    spec = FIELDS.parse(field)
    return FIELDS.text(spec if "size" in split_text(field)[1] else dataclasses.replace(spec, size=size))


def network_size(field: str) -> str:
    """The size of a network, "5x64"."""
    size: str = FIELDS.parse(field).size
    return size


def paper_rows(table: str, notes: dict[str, str] | None = None, options: dict[str, dict[str, Any]] | None = None) -> tuple[Row, ...]:
    """The rows of a table of the paper, in its order.

    Args:
        table: "table1" to "table10".
        notes: Row -> what a reader must know of it.
        options: Row -> further options of the input's kind.
    """
    notes, options = notes or {}, options or {}
    return tuple(Row(text, PAPER, notes.get(text, ""), tuple(options.get(text, {}).items())) for text in published(table).rows)


def ours(without: Sequence[str] = ()) -> tuple[Row, ...]:
    """What the paper does not have: our fast sampler at the paper's rate, and our default recipe with the same network and budget."""
    rows = (
        Row("nint-fast", OURS, "ours, at the paper's learning rate and batch share."),
        Row("recipe=default", OURS, "our default recipe: it chooses sampler, initial scale, optimizer, rate and its decay for the budget."),
    )
    return tuple(row for row in rows if row.text not in without)


JPEG = Row("JPEG", OURS, "no network: JPEG of at most as many bytes as the network's weights in float32.", method="jpeg")
INTERPOLATED = (
    Row("bicubic", OURS, "no network: bicubic interpolation (a = -0.5), pixel centres aligned.", method="bicubic"),
    Row(
        "bicubic (networks' grid)",
        OURS,
        "no network: bicubic on the grid that networks see, outermost pixels aligned.",
        method="bicubic-corners",
    ),
    Row("Lanczos", OURS, "no network: Lanczos interpolation, three lobes, pixel centres aligned.", method="lanczos"),
)


AUTHORS_OWN = (
    Row("full lr=0.001 lr_schedule=cosine", AUTHORS, "full training at the rate of INT's authors, what the next row is measured by."),
    Row(
        "int:schedule=step,interval=incremental lr=0.001 lr_schedule=cosine",
        AUTHORS,
        "INT's own recipe: a growing batch, ever fewer scorings, and SIREN at 1e-3 with cosine decay.",
    ),
    Row("evos:batch_share=0.5", AUTHORS, "EVOS as published: half of the points in a batch, at 1e-4."),
    Row("evos:schedule=step", AUTHORS, "EVOS's other published setting: a batch share of 0.2 that grows in ten stages."),
    Row(
        "soft-mining:longest_step=none",
        AUTHORS,
        "Soft Mining by its paper's rule: no limit on a walker's step (the limit is ours; the code takes the slope per pixel).",
    ),
    Row("nint-reference", AUTHORS, "NINT as its authors' released code has it, which ranks by the squared prediction."),
    Row("nint-reference:score=kernel", AUTHORS, "the same code with the one line put right that keeps it from ranking by the kernel."),
)
"""Rivals, and NINT, with the settings that their own authors use. Expansive's own (xi = 0.5) and EGRA's are rows of the paper already."""
