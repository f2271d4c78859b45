"""The table and the plot of `time_to_quality.py`, from the lines of `results.jsonl` alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from time_to_quality_goals import Line, average, goals, latest, races, seconds_to, share_of

from nint.files import write_atomically
from nint.plots.style import FAINT, INK, NORMAL, SMALL, new_figure, save

TABLE, PLOT = "table.md", "curves.png"
COLOURS = {"default": "#0072b2", "full": "#000000", "nint": "#d55e00", "nint-fast": "#009e73", "uniform": "#8c8c8c"}


def write_report(lines: Sequence[Line], out: Path, dense: Path | None = None) -> list[Path]:
    """Writes the table and the plot, and returns their paths.

    Args:
        lines: Of `read_lines`.
        out: Folder.
        dense: results of `dense_step.py`, if they are there.
    """
    lines = latest(lines)
    steps = [json.loads(text) for text in dense.read_text(encoding="utf-8").splitlines()] if dense is not None and dense.exists() else []
    steps = list({(row["side"], row["size"], row["phase"]): row for row in steps}.values())
    text = "\n".join([*_head(lines, steps), *_pairings(lines), *_lanes(lines), *_settings(lines)]) + "\n"
    write_atomically(out / TABLE, lambda target: target.write_text(text, encoding="utf-8") and None)
    return [out / TABLE, draw(lines, out / PLOT)]


def _head(lines: Sequence[Line], dense: Sequence[dict[str, Any]]) -> list[str]:
    machines = dict.fromkeys(
        f"{m['processor']}, {m['cores']} cores, {m['threads']} threads, device {line['device']}, Python {m['python']}, torch {m['torch']}, "
        f"nint {m['nint']} (commit {line['commit'] or 'unknown'}), float32 products: {m['matmul']}"
        for line in lines
        for m in [line["machine"]]
    )
    commands = dict.fromkeys(line["command"] for line in lines)
    return [
        "# Time to quality",
        "",
        "| measured | goal | result | met |",
        "|---|---|---|---|",
        *(goal.row for goal in goals(lines, dense)),
        "",
        "Training seconds, selection included; set-up, evaluation and files not. The lanes of an image ran interleaved in one process, a",
        "block of training each in turn. A target's second is read off the straight line between two evaluations, which are 2 % of the",
        "lane's own seconds apart (or a step, if longer). `null`: not reached before the budget or the cap. `<`: the other lane",
        "did not get there, so the true ratio is smaller. `neither`: left out of the mean.",
        "",
        *(f"- Machine: {text}" for text in machines),
        *(f"- Command: `{text}`" for text in commands),
    ]


def _pairings(lines: Sequence[Line]) -> list[str]:
    rows = []
    for part, ours, theirs in (
        ("large", "default", "full"),
        ("large", "nint", "full"),
        ("small", "default", "full"),
        ("small", "nint", "full"),
        ("samplers", "nint-fast", "uniform"),
    ):
        found = races(lines, part, ours, theirs)
        rows += [
            f"| {part}: {ours} / {theirs} | {r.case} | {r.seed} | {r.target:g} dB | {_s(r.ours)} | {_s(r.theirs)} | {r.text} |"
            for r in found
        ]
        targets = dict.fromkeys(race.target for race in found)
        for target in targets if len(targets) > 1 else ():
            text = average([race for race in found if race.target == target])[0]
            rows.append(f"| {part}: {ours} / {theirs} | all | all | {target:g} dB | | | {text} |")
    if not rows:
        return []
    return [
        "",
        "## Ratios",
        "",
        "| pairing | image | seed | target | seconds | of the other | ratio |",
        "|---|---|---|---|---|---|---|",
        *rows,
    ]


def _s(seconds: float | None) -> str:
    return "null" if seconds is None else f"{seconds:.1f}"


def _lanes(lines: Sequence[Line]) -> list[str]:
    rows = []
    for line in lines:
        reached = ", ".join(f"{target:g} dB: {_s(seconds_to(line, target))}" for target in line["targets"]) or "–"
        end = f"{line['psnr']:.2f} (best {line['best_psnr']:.2f})"
        seconds = f"{line['setup_seconds']:.2f} | {line['training_seconds']:.1f}"
        spent = f"{seconds} | {line['steps']} | {line['forward_equivalents']:.0f} | {share_of(line):.1%}"
        ended = f"{line['error'] or line['stopped']}{_remark(line)}"
        rows.append(f"| {line['part']} | {line['case']} | {line['name']} | {line['seed']} | {reached} | {end} | {spent} | {ended} |")
    head = "| part | image | lane | seed | seconds to | last dB | set-up s | trained s | steps | forward equivalents | selection | ended |"
    return ["", "## Lanes", "", head, "|---|---|---|---|---|---|---|---|---|---|---|---|", *rows]


def _remark(line: Line) -> str:
    started = f" (started again {len(line['restarts'])} times)" if line["restarts"] else ""
    return started + (" (went on from a checkpoint)" if line["resumed"] else "")


def _settings(lines: Sequence[Line]) -> list[str]:
    found: dict[str, None] = {}
    for line in lines:
        hidden = ("input", "options", "content", "seed", "device")
        settings = ", ".join(f"{name} {value}" for name, value in line["settings"].items() if name not in hidden)
        budget = ", ".join(f"{value:g} {name}" for name, value in line["budget"].items()) or "none, trains to the target"
        said = "".join(f" {text}" for text in (*line["chosen"], line["note"]) if text)
        found[f"- {line['part']}, {line['name']}: budget {budget}; {settings}.{said}"] = None
    return ["", "## Settings", "", *found]


def draw(lines: Sequence[Line], path: Path) -> Path:
    """PSNR over training seconds (log axis): a picture for each part and image."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    panels = list(dict.fromkeys((line["part"], line["case"]) for line in lines))
    columns = min(len(panels), 4)
    rows = -(-len(panels) // columns)
    figure = new_figure(3.6 * columns + 0.6, 3.0 * rows + 0.3)
    for number, (part, case) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, number + 1)
        named: set[str] = set()
        for line in (line for line in lines if (line["part"], line["case"]) == (part, case)):
            curve = [row for row in line["curve"] if row["training_seconds"] > 0]
            label = None if line["name"] in named else line["name"]
            named.add(line["name"])
            colour = COLOURS.get(line["name"], "#aa4499")
            axes.plot([r["training_seconds"] for r in curve], [r["psnr"] for r in curve], color=colour, linewidth=1.4, label=label)
        for target in {target for line in lines if (line["part"], line["case"]) == (part, case) for target in line["targets"]}:
            axes.axhline(target, color=INK, linewidth=0.7, linestyle=(0, (4, 3)))
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _: f"{second:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(True, color=FAINT, linewidth=0.7)
        axes.set_title(f"{part}: {case}", fontsize=NORMAL, color=INK)
        axes.set_xlabel("training seconds", fontsize=SMALL, color=INK)
        axes.set_ylabel("PSNR (dB)", fontsize=SMALL, color=INK)
        axes.tick_params(labelsize=SMALL, colors=INK)
        axes.legend(fontsize=SMALL, frameon=False, loc="upper left")
    return save(figure, path)
