"""The tables of a comparison on the terminal and as Markdown, with what a reader must know to trust them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nint.bench.compare.numbers import Cell, TableData, tables
from nint.bench.compare.run import Comparison
from nint.bench.interleaved import BLOCK_STEPS
from nint.files import write_atomically

if TYPE_CHECKING:
    from rich.table import Table


def markdown(comparison: Comparison) -> str:
    """The whole report."""
    plan = comparison.plan
    parts = [f"# {plan.signal.name}, {plan.signal.layout.describe()}"]
    for table in tables(comparison):
        parts.append(f"## {table.title}\n\n{_markdown_table(table)}")
    if comparison.failed():
        parts.append("## Failed runs\n\n" + "\n".join(f"- {line}" for line in failures(comparison)))
    parts.append("## How it was measured\n\n" + "\n".join(f"- {line}" for line in notes(comparison)))
    return "\n\n".join(parts) + "\n"


def write_markdown(comparison: Comparison, path: Path) -> Path:
    """Writes the report, atomically; returns the path."""
    text = markdown(comparison)
    write_atomically(path, lambda target: target.write_text(text, encoding="utf-8") and None)
    return path


def rich_tables(comparison: Comparison) -> list[Table]:
    """The tables for a terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    styles = {0: "", 1: "bold", 2: "underline"}
    found = []
    for data in tables(comparison):
        table = Table(title=data.title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(data.columns):
            table.add_column(column, justify="left" if number < data.words else "right", no_wrap=number < data.words)
        for number, row in enumerate(data.rows):
            if number in data.breaks and number > 0:
                table.add_section()
            table.add_row(*(Text.assemble((cell.text, styles[cell.place])) for cell in row))
        found.append(table)
    return found


def failures(comparison: Comparison) -> list[str]:
    """A line for each run that failed."""
    return [f"{r.sampler} on {r.field}, seed {r.seed}: {r.error}" for r in comparison.failed()]


def notes(comparison: Comparison) -> list[str]:
    """What a reader must know to trust the tables."""
    plan, good = comparison.plan, [result for result in comparison.results if result.error is None]
    seeds = "1 seed" if plan.seeds == 1 else f"{plan.seeds} seeds, mean ± sample standard deviation"
    budget = f"{plan.budget.seconds:g} training seconds" if plan.in_seconds else f"{plan.budget.steps:,} steps"
    found = [
        f"Budget {budget}; {seeds}; all samplers of a field and seed start from the same weights. "
        f"Schedules read {plan.total_steps:,} total steps.",
        f"Learning rate, {plan.lr_schedule}: " + "; ".join(_rates(comparison)) + ".",
        "Bold is best and underlined second best of a field's samplers; the marks do not ask whether a difference exceeds the spread "
        "over seeds.",
        f"Quality is that of the parameters after the update, {_evaluations(comparison)}; nothing is interpolated, so a target is found "
        "late by at most that much.",
        "Training seconds include selection and exclude evaluation, pictures and setting up; the samplers of a field and seed run in "
        f"turn, {BLOCK_STEPS} steps at a time, after a warm-up that is thrown away.",
        "Units are forwards over all points, selection included; a backward counts 2, a forward-mode pass 3. Selecting is the share of "
        "training seconds spent on choosing points.",
    ]
    if "ssim" in plan.signal.metrics:
        found.append("SSIM has scikit-image's default 7x7 uniform window.")
    if any("lpips" in result.record for result in good):
        found.append("LPIPS is version 0.1 on AlexNet, of values mapped to [-1, 1]; smaller is better.")
    launches = {result.record.get("launch") for result in good}
    if len(launches) > 1:
        found.append(f"The runs come from {len(launches)} launches, whose seconds need not be comparable.")
    for line in sorted({_place(result.record) for result in good}):
        found.append(f"Measured on {line}.")
    for command in sorted({result.record.get("command") for result in good if result.record.get("command")}):
        found.append(f"Command: `{command}`")
    return [*found, *comparison.problems]


def _rates(comparison: Comparison) -> list[str]:
    plan = comparison.plan
    if plan.lr is not None:
        return [f"{plan.lr:g} for every field"]
    return [f"{text} {rate}" for text, rate in plan.rates().items()]


def _evaluations(comparison: Comparison) -> str:
    plan = comparison.plan
    return (
        f"every {plan.every_seconds:g} training seconds"
        if plan.every is None
        else f"every {plan.every:,} steps"
        if plan.every > 1
        else "every step"
    )


def _place(record: dict) -> str:
    machine, versions, threads = record["machine"], record["versions"], record["threads"]
    return (
        f"{machine['name']} ({machine['device']}), {machine['system']}, {threads} thread{'s' if threads > 1 else ''}, chunks of "
        f"{record['chunk_size']:,} points, nint {versions['nint']}, torch {versions['torch']}, Python {versions['python']}"
    )


def _markdown_table(table: TableData) -> str:
    lines = [
        "| " + " | ".join(table.columns) + " |",
        "|" + "".join("---|" if i < table.words else "---:|" for i in range(len(table.columns))),
    ]
    lines += ["| " + " | ".join(_markdown_cell(cell) for cell in row) + " |" for row in table.rows]
    return "\n".join(lines)


def _markdown_cell(cell: Cell) -> str:
    text = cell.text.replace("|", "\\|")
    return {0: text, 1: f"**{text}**", 2: f"<u>{text}</u>"}[cell.place]
