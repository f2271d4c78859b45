"""Seconds of the full-size rows: a few interleaved steps of each, alone on the machine, multiplied by the steps of the committed runs.

    python benchmarks/full_size_seconds.py measure [--input kodim04] [--turns 8] [--steps 2] [--threads 2]
    python benchmarks/full_size_seconds.py whole [--input kodim04] [--threads 2]
    python benchmarks/full_size_seconds.py table [--runs benchmarks/results/full-size]

The runs themselves shared the machine for hours, so their own seconds say nothing. A row has one or two kinds of steps, told apart by
their forward equivalents: nint's with and without a new K g, evos's with and without all points. Each turn builds every row anew and times
its first steps, the rows one after the other; the turn before the first is thrown away. A run of n steps and e forward equivalents then
takes the median seconds of each kind times how many of it there are. A ratio is the median over the turns, with the lowest and highest,
since speed drifts between turns. Evaluation is not in it. All pictures have one size, so the steps measured on one count for all. whole:
the default recipe, whose batches grow, is run once from beginning to end. All write into the folder of the runs: seconds.jsonl, where
`measure` and `whole` replace their own lines, and seconds.md, a table for each picture whose `full` row is there.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from machine import machine

STEPS, SIDE = 1000, 512
"""Of the runs of Tables 1 and 2, which are the ones with seconds."""
TARGETS = (25.0, 30.0)
DEFAULT = "default recipe"
SLACK = 0.02
"""Part of its steps by which a run may miss what its kinds of steps add up to: batches are whole points."""


def inputs_of(folder: Path) -> list[str]:
    """The pictures whose `full` row is finished, as "folder/name" without the ending, in the order of the runs."""
    from nint.bench.store import Store

    ended = [r["spec"] for r in Store(folder).records().values() if of_table_1(r)]
    return list(dict.fromkeys("/".join(Path(s["input"]).with_suffix("").parts[-2:]) for s in ended if s["sampler"] == "full"))


def of_table_1(record: dict[str, Any]) -> bool:
    """Whether a finished run is one of Tables 1 and 2: of the whole picture, with the network of these tables."""
    spec = record["spec"]
    ended = not record["error"] and record["steps"] == STEPS and not spec["method"]
    return ended and spec["field"] == "siren" and not spec["options"] and spec["square"] == SIDE


def rows_of(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    """Sampler -> record of its finished run of an input, `full` first; the default recipe last, under its own name.

    Raises:
        SystemExit: where there is none.
    """
    from nint.bench.store import Store

    records = Store(folder).records().values()
    ended = [r for r in records if name in r["spec"]["input"] and of_table_1(r)]
    mine = [r for r in ended if r["spec"]["recipe"] == "paper" and dict(r["spec"]["settings"]).get("lr") == 1e-4]
    recipes = [r for r in ended if r["spec"]["recipe"] == "default"]
    if not mine:
        raise SystemExit(f"There is no finished run of {name} in {folder}; nint bench table1 --scale full-size makes them.")
    return {r["spec"]["sampler"]: r for r in sorted(mine, key=lambda r: (r["spec"]["sampler"] != "full", r["spec"]["sampler"]))} | (
        {DEFAULT: recipes[0]} if recipes else {}
    )


def points_of(record: dict[str, Any]) -> list[tuple[int, float] | None]:
    """Steps and forward equivalents of a whole run and to each target; None where it was not reached."""
    hits = (next((row for row in record["curve"] if row["psnr"] >= target), None) for target in TARGETS)
    return [
        (record["steps"], record["forward_equivalents"]),
        *(None if hit is None else (hit["step"], hit["forward_equivalents"]) for hit in hits),
    ]


def whole(record: dict[str, Any], threads: int, name: str) -> dict[str, Any]:
    """Trains a run from beginning to end: the seconds at each of its `points_of`."""
    import torch

    from nint.bench.runs import RunSpec
    from nint.runs.build import build_run
    from nint.training.budgets import Budget
    from nint.training.engine import train_step

    torch.set_num_threads(threads)
    run = build_run(RunSpec.from_json(record["spec"]).job(), Budget(steps=record["steps"]))
    run.field.train()
    wanted, found, start = {point[0] for point in points_of(record) if point}, {}, time.perf_counter()
    for step in range(1, record["steps"] + 1):
        train_step(run)
        if step in wanted:
            found[str(step)] = time.perf_counter() - start
    return {"sampler": DEFAULT, "input": name, "seconds_at": found} | machine() | {"threads": threads, "load": os.getloadavg()[0]}


def measure(rows: dict[str, dict[str, Any]], turns: int, steps: int, threads: int) -> list[dict[str, Any]]:
    """One line per row and kind of step: its forward equivalents, and for each turn the seconds of each such step."""
    import torch

    from nint.bench.runs import RunSpec
    from nint.runs.build import build_run
    from nint.training.budgets import Budget
    from nint.training.engine import train_step

    torch.set_num_threads(threads)
    found: dict[tuple[str, float], list[list[float]]] = defaultdict(lambda: [[] for _ in range(turns)])
    for turn in range(turns + 1):
        for sampler, record in rows.items():
            if sampler == DEFAULT:
                continue
            run = build_run(RunSpec.from_json(record["spec"]).job(), Budget(steps=record["steps"]))
            run.field.train()
            spent = 0.0
            for _ in range(steps):
                start = time.perf_counter()
                train_step(run)
                seconds = time.perf_counter() - start
                total = (run.cost + run.teacher.cost).forward_equivalents(run.teacher.points)
                kind, spent = round(total - spent, 2), total
                if turn:
                    found[sampler, kind][turn - 1].append(seconds)
            print(f"turn {turn}, {sampler}: {seconds:.2f} s the last step", flush=True)
    facts = machine() | {"threads": threads, "load": os.getloadavg()[0]}
    return [{"sampler": s, "forward_equivalents": kind, "seconds": seconds} | facts for (s, kind), seconds in found.items()]


def seconds_of(kinds: dict[float, float], steps: int, equivalents: float) -> float:
    """Seconds of a run of so many steps and forward equivalents.

    Args:
        kinds: Forward equivalents of a step -> its seconds; one or two kinds.

    Raises:
        ValueError: where no numbers of steps of these kinds give that sum.
    """
    low, high = min(kinds), max(kinds)
    if len(kinds) > 2:
        raise ValueError(f"Steps of more than two kinds: {sorted(kinds)}.")
    others = (equivalents - low * steps) / (high - low) if high > low else 0.0
    missed = abs(equivalents - low * steps) if high == low else max(-others, others - steps)
    if missed > SLACK * steps:
        raise ValueError(f"{steps} steps of {sorted(kinds)} forward equivalents are not {equivalents:g} together.")
    return kinds[low] * (steps - others) + kinds[high] * others


def medians(lines: list[dict[str, Any]], turn: int | None = None) -> dict[float, float]:
    """Forward equivalents of a row's steps -> median seconds, of a turn or of all."""
    turns = {line["forward_equivalents"]: line["seconds"] if turn is None else [line["seconds"][turn]] for line in lines}
    return {kind: statistics.median(seconds for of_turn in found for seconds in of_turn) for kind, found in turns.items()}


def seconds_to(rows: dict[str, dict[str, Any]], lines: list[dict[str, Any]], row: str, name: str) -> list[float | None]:
    """Seconds of a row at each of its `points_of`; empty where its steps were not timed."""
    points = points_of(rows[row])
    for line in lines:
        if "seconds_at" in line and line["sampler"] == row and line["input"] in name:
            return [line["seconds_at"][str(point[0])] if point else None for point in points]
    timed = [line for line in lines if "seconds_at" not in line and line["sampler"] == row]
    kinds = medians(timed)
    return [seconds_of(kinds, *point) if point else None for point in points] if timed else []


HEAD = """Seconds of the rows of Table 1 at full size: median seconds of the steps in `seconds.jsonl` ({threads} threads, the rows in turn,
nothing else on the machine, one picture: all have the same size), multiplied by the steps of `runs.jsonl`. Evaluation is not in it.
Ratios: median of the turns (lowest to highest). Made by `python benchmarks/full_size_seconds.py`.
"""


def table(rows: dict[str, dict[str, Any]], lines: list[dict[str, Any]], name: str) -> str:
    """Markdown of what the runs of a picture take."""
    stepwise: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if "seconds_at" not in line:
            stepwise[line["sampler"]].append(line)
    out = [
        f"## {name}",
        "",
        "| row | seconds a step (forward equivalents) | 1000 steps | to 25 dB | to 30 dB | of `full`: 1000 steps | to 25 dB | to 30 dB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    turns = len(stepwise["full"][0]["seconds"]) if stepwise["full"] else 0
    for sampler, record in rows.items():
        points, ratios = points_of(record), list[str]()
        found, whole_run = seconds_to(rows, lines, sampler, name), not stepwise[sampler]
        if not found:
            continue
        kinds = sorted(medians(stepwise[sampler]).items())
        each = "run from beginning to end" if whole_run else ", ".join(f"{seconds:.2f} ({kind:g})" for kind, seconds in kinds)
        for point, value, base in zip(points, found, points_of(rows["full"]), strict=True):
            if point is None or base is None or value is None:
                ratios.append("")
                continue
            of = [seconds_of(medians(stepwise["full"], turn), *base) for turn in range(turns)]
            by_turn = [value if whole_run else seconds_of(medians(stepwise[sampler], turn), *point) for turn in range(turns)]
            parts = sorted(mine / full for mine, full in zip(by_turn, of, strict=True))
            ratios.append(f"{statistics.median(parts):.2f} ({parts[0]:.2f} to {parts[-1]:.2f})")
        totals = [f"{value:,.0f}" if value is not None else "" for value in found]
        out.append(f"| `{sampler}` | {each} | {' | '.join(totals)} | {' | '.join(ratios)} |")
    return "\n".join(out) + "\n"


def page(folder: Path, lines: list[dict[str, Any]]) -> str:
    """The file seconds.md: `table` of each picture of the runs in a folder."""
    tables = [table(rows_of(folder, name), lines, name) for name in inputs_of(folder)]
    return "\n".join([HEAD.format(threads=lines[0]["threads"]), *tables])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "whole", "table"))
    parser.add_argument("--runs", type=Path, default=Path("benchmarks/results/full-size"))
    parser.add_argument("--input", default="kodim04")
    parser.add_argument("--turns", type=int, default=8)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    rows, kept = rows_of(asked.runs, asked.input), asked.runs / "seconds.jsonl"
    lines = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    if asked.what == "measure":
        lines = [line for line in lines if "seconds_at" in line]
        lines = [*measure(rows, asked.turns, asked.steps, asked.threads), *lines]
    elif asked.what == "whole":
        lines = [line for line in lines if line.get("input") != asked.input] + [whole(rows[DEFAULT], asked.threads, asked.input)]
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
    (asked.runs / "seconds.md").write_text(page(asked.runs, lines))


if __name__ == "__main__":
    main()
