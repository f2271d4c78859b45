"""What came out, in a sentence or two: the first thing that a page says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from nint.bench.runs import RunSpec
from nint.metrics import LOWER_IS_BETTER
from nint.report import facts, stored
from nint.report.curves import clean_rows, metrics_of
from nint.report.words import duration, metric, metric_label

CLAIMS = "claims.md"
WORDS = ("holds", "in part", "does not hold", "cannot tell")
"""Verdicts on a claim of the paper, as claims.md has them."""

_GROUPS, _NAMED = 3, 3


def of_fit(record: dict[str, Any]) -> list[str]:
    """How good a fit became, with how much work, and why it stopped."""
    quality = [f"{metric_label(name)} {metric(name, value)}" for name, value in list(facts.metrics(record).items())[:1]]
    steps, seconds = facts.number(record, "steps"), facts.number(record, "training_seconds")
    effort = [f"{steps:,.0f} steps" if steps is not None else "", f"{duration(seconds)} of training" if seconds is not None else ""]
    after = " and ".join(filter(None, effort))
    said = f"{quality[0] if quality else 'No quality was measured'}{f' after {after}' if after else ''}"
    trained, points = facts.number(record, "points_trained"), facts.number(record, "points")  # those of scores are no training
    if trained is not None and points and steps:
        said += f", each step on {100 * trained / points / steps:.3g} % of the points on average"
    found = [f"{said}."]
    asked = facts.number(facts.part(record, "budget"), "psnr")
    reached = facts.number(record, "psnr")
    if asked is not None and reached is not None:
        found.append(f"The {asked:g} dB asked for were {'reached' if reached >= asked else 'not reached'}.")
    restarts = record.get("restarts")
    if isinstance(restarts, list) and restarts:
        found.append(f"It diverged {len(restarts)} time{'s' * (len(restarts) != 1)} and was started again at a lower learning rate.")
    if record.get("stopped") in ("interrupted", "not finished"):
        found.append("The run is not finished.")
    return found


def of_comparison(runs: Sequence[tuple[RunSpec, dict[str, Any]]]) -> list[str]:
    """For each network and budget, who ended where by the leading metric, mean over inputs and seeds."""
    groups: dict[str, list[tuple[RunSpec, dict[str, Any]]]] = {}
    for spec, record in runs:
        budget = f"{spec.seconds:g} s" if spec.seconds is not None else f"{spec.steps:,} steps"
        groups.setdefault(f"{spec.field or 'default network'}, {budget}", []).append((spec, record))
    found = []
    for title, together in list(groups.items())[:_GROUPS]:
        said = _ranking([spec for spec, _ in together], [record for _, record in together])
        if said:
            found.append(f"{title}: {said}")
    if len(groups) > _GROUPS:
        found.append(f"{len(groups) - _GROUPS} more networks or budgets are in the tables.")
    return found


def _ranking(specs: Sequence[RunSpec], records: Sequence[dict[str, Any]]) -> str:
    name = next((name for record in records for name in metrics_of(clean_rows(record.get("curve"))) if name != "loss"), None)
    if name is None:
        return ""
    names = stored.names_of(specs)
    values: dict[str, list[float]] = {}
    for spec, record in zip(specs, records, strict=True):
        last = next((row[name] for row in reversed(clean_rows(record.get("curve"))) if name in row), None)
        if last is not None:
            values.setdefault(names[spec.key], []).append(float(last))
    complete = {name: found for name, found in values.items() if len(found) == max(map(len, values.values()))}
    left_out = [name for name in values if name not in complete]
    values = complete
    means = sorted(((fmean(found), sampler) for sampler, found in values.items()), reverse=name not in LOWER_IS_BETTER)
    if not means:
        return ""
    best, *others = [f"{sampler} {metric(name, mean)}" for mean, sampler in means]
    behind = f", then {', '.join(others[: _NAMED - 1])}" if others else ""
    ending = f"; last is {others[-1]}" if len(others) > _NAMED - 1 else ""
    most = max(len(found) for found in values.values())
    mean = f"mean of {most} runs" if most > 1 else "one run each: a few tenths between neighbours mean nothing"
    fewer = f" Without {', '.join(left_out)}, which did not finish on every input." if left_out else ""
    return f"{metric_label(name)} at the end is best with {best}{behind}{ending} ({mean}).{fewer}"


def of_bench(folder: Path) -> tuple[list[str], list[tuple[str, str]]]:
    """How many of the paper's claims hold here, as a sentence and as tiles; empty without claims.md."""
    try:
        text = (folder / CLAIMS).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return [], []
    last = [row.rsplit(" | ", 1)[-1] for row in text.splitlines() if row.startswith("| ") and row.count(" | ") >= 3]
    found = [match[1] for cell in last if (match := re.match(r"\*\*([a-z ]+)\*\*", cell)) and match[1] in WORDS]
    if not found:
        return [], []
    counts = {word: found.count(word) for word in WORDS}
    said = ", ".join(f"{count} {word.replace('holds', 'hold').replace('does not', 'do not')}" for word, count in counts.items() if count)
    return [f"Of {len(found)} claims of the paper, measured here: {said}."], [(word, str(count)) for word, count in counts.items()]
