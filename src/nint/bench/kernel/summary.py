"""What the study says in few numbers: the difference that each score makes, and in how many settings it is told from none."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nint.bench.kernel.variants import NOTHING, VARIANTS
from nint.bench.tables.cells import TableData
from nint.bench.tables.columns import COST, VALUE, title_of


@dataclass(frozen=True)
class Effect:
    """The difference of a variant from the batch without a kernel.

    Attributes:
        case: Name of the table.
        title: What it was made on.
        field: Network.
        variant: Sampler, without its batch share.
        column: Which value: "PSNR @ 300".
        mean: Mean of the paired differences.
        low: Lower end of the interval.
        high: Upper end.
        pairs: How many pairs.
        work: What the run cost, in forward equivalents, over that of the baseline.
    """

    case: str
    title: str
    field: str
    variant: str
    column: str
    mean: float
    low: float
    high: float
    pairs: int
    work: float

    @property
    def verdict(self) -> str:
        """Whether the interval tells it from none: "better", "worse" or "no difference told"."""
        return "better" if self.low > 0 else "worse" if self.high < 0 else "no difference told"

    def to_json(self) -> dict[str, Any]:
        """Every field, and the verdict."""
        return {**dataclasses.asdict(self), "verdict": self.verdict}


def effects_of(data: TableData) -> list[Effect]:
    """The differences at every checkpoint of a table, where all pairs of runs are there."""
    work = next(number for number, column in enumerate(data.columns) if column.what == COST and column.metric == "forward_equivalents")
    base = {line.row.field: line.cells[work].mean for line in data.lines if line.row.sampler == NOTHING}
    found = []
    for line in data.lines:
        for column, cell in zip(data.columns, line.cells, strict=True):
            difference, spent, standard = cell.difference, line.cells[work].mean, base.get(line.row.field)
            if column.what != VALUE or difference is None:
                continue
            ratio = spent / standard if spent and standard else math.nan
            numbers = (difference.mean, difference.low, difference.high, difference.pairs)
            found.append(
                Effect(data.table.name, data.table.title, line.row.field or "", line.row.sampler, title_of(column), *numbers, ratio)
            )
    return found


def last_of(effects: Sequence[Effect]) -> list[Effect]:
    """Those at the last checkpoint of each table."""
    last = {effect.case: effect.column for effect in effects}
    return [effect for effect in effects if effect.column == last[effect.case]]


def summary_text(effects: Sequence[Effect], command: str) -> str:
    """A page: for each variant in how many settings it is better or worse than no kernel, then every difference at the end."""
    ends = last_of(effects)
    settings = len({(effect.case, effect.field) for effect in ends})
    lines = [
        "# What the kernel is worth",
        "",
        f"Differences from the same batch without a kernel (`{NOTHING}`), run by run, at the end of each run. A setting is a signal, a "
        f"network and a recipe; there are {settings}. *Better* and *worse* count those whose 95 % interval excludes 0.",
        "",
        f"`{command}`",
        "",
        "| NTK part | better | worse | not told | median difference, images only (dB) | work / without |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for variant in VARIANTS:
        own = [effect for effect in ends if effect.variant == variant.text]
        if not own:
            continue
        count = {verdict: sum(effect.verdict == verdict for effect in own) for verdict in ("better", "worse", "no difference told")}
        photos = [effect.mean for effect in own if "photo" in effect.case]
        middle = f"{statistics.median(photos):+.2f}" if photos else "–"
        known = [effect.work for effect in own if not math.isnan(effect.work)]
        work = statistics.median(known) if known else math.nan
        lines.append(f"| {variant.note} `{variant.text}` | {' | '.join(map(str, count.values()))} | {middle} | {work:.2f} |")
    lines += ["", "| signal, recipe | network | NTK part | difference | interval | |", "|---|---|---|---:|---|---|"]
    for effect in ends:
        interval = f"{effect.low:+.3f} to {effect.high:+.3f}"
        where, value = f"{effect.title} | {effect.field} | `{effect.variant}`", f"{effect.mean:+.3f} ({effect.column})"
        lines.append(f"| {where} | {value} | {interval} | {effect.verdict} |")
    return "\n".join(lines) + "\n"
