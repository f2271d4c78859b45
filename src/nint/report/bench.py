"""The page of a benchmark: its tables and figures as they were written, and the curves of every run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import NintError
from nint.report import facts, markdown
from nint.report.blocks import Block, Curves, Facts, Notes, Page, Prose, Section, Still
from nint.report.curves import Course, clean_rows, group, metrics_of
from nint.report.encode import picture_file
from nint.report.interleaved import LanePictures, lane_frames

MOST_COURSES = 600
MOST_PICTURED = 3

_NAME = re.compile(r"(table|fig)(\d+)\.(md|png|json)")
_FIGURE_SIDE = 1600

Runs = list[tuple[RunSpec, dict[str, Any]]]


def bench_page(folder: Path) -> Page:
    """The page about the folder of a benchmark.

    Raises:
        UsageError: where its records cannot be read.
    """
    store = Store(folder)
    records = list(store.records().values())
    runs, odd = _specified(records)
    good = [(spec, record) for spec, record in runs if not record.get("error")]
    failed = [(spec, record) for spec, record in runs if record.get("error")]
    names = experiments(folder)
    page = Page(f"Benchmark {folder.resolve().name}", f"{len(names)} tables and figures, {len(good)} runs")
    if failed:
        page.lead += f", {len(failed)} of them failed" if not good else f", and {len(failed)} that failed"
    page.sections = [_experiment(folder, name) for name in names]
    if not names:
        page.sections.append(Section("Tables and figures", [Notes(["No table or figure has been written into this folder yet."])]))
    page.sections += [_curves(good), *_pictures(store, good)]
    said = [*store.problems, *odd, *(f"{_describe(spec)}, seed {spec.seed}, failed: {record['error']}" for spec, record in failed)]
    if said:
        page.sections.append(Section("Runs that failed, lines that cannot be read", [Notes(said)]))
    if good and (rows := facts.place(good[0][1])):
        page.sections.append(Section("Machine and versions", [Facts("Of the first run", rows)]))
    return page


def experiments(folder: Path) -> list[str]:
    """Names of the tables and figures in a folder, in the order of the paper: table1, ..., fig1, ..."""
    found = {match[1] + match[2] for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))}
    return sorted(found, key=lambda name: (name.startswith("fig"), int(re.sub(r"\D", "", name))))


def _experiment(folder: Path, name: str) -> Section:
    label = re.sub(r"(\D+)(\d+)", lambda match: f"{'Table' if match[1] == 'table' else 'Figure'} {match[2]}", name)
    about = _json(folder / f"{name}.json")
    text = markdown.read(folder / f"{name}.md")
    caption = str(about.get("caption") or "")
    blocks: list[Block] = []
    if (folder / f"{name}.png").exists():
        found = picture_file(folder / f"{name}.png", _FIGURE_SIDE)
        blocks.append(Notes([f"{name}.png cannot be read."]) if found is None else Still(found, f"{label}. {caption}", caption))
    elif text is None:
        blocks.append(Notes([f"{label} has no picture: none of its runs is there."]))
    if text is not None:
        blocks.append(Prose(markdown.markup(text)))
    said = [str(remark) for remark in _list(about.get("remarks"))]
    missing = _list(about.get("missing"))
    if missing:
        said.append(
            f"{len(missing)} of its runs are not there: {'; '.join(_absent(run) for run in missing[:5])}{', ...' * (len(missing) > 5)}."
        )
    lead = "" if text is None else re.sub(rf"^{label}[.:]?\s*", "", markdown.title_of(text))
    return Section(label, [*blocks, *([Notes(said)] if said else [])], lead)


def _absent(run: Any) -> str:
    if not isinstance(run, dict):
        return str(run)
    return ", ".join(str(run[name]) for name in ("sampler", "field", "input", "reason") if run.get(name))


def _specified(records: Iterable[dict[str, Any]]) -> tuple[Runs, list[str]]:
    """Runs with their specs, and a sentence for each whose spec is of another version."""
    found: Runs = []
    odd = []
    for record in records:
        try:
            found.append((RunSpec.from_json(record["spec"]), record))
        except (NintError, TypeError, ValueError) as error:
            odd.append(f"The run {record.get('key')} is left out: {error}")
    return found, odd


def _title(spec: RunSpec) -> str:
    budget = f"{spec.seconds:g} s" if spec.seconds is not None else f"{spec.steps:,} steps"
    return ", ".join(
        filter(None, [spec.input_name, f"square of {spec.square}" if spec.square else "", spec.field or "default field", budget])
    )


def _names(specs: Sequence[RunSpec]) -> dict[str, str]:
    """Key -> name of each run of a group, without the settings that nearly all of them have."""
    counts = Counter(pair for spec in specs for pair in spec.settings)
    common = {pair for pair, count in counts.items() if 2 * count > len(specs)}
    return {spec.key: _name(spec, common) for spec in specs}


def _name(spec: RunSpec, common: Collection[tuple[str, Any]] = ()) -> str:
    """The sampler, and the settings that set a run apart."""
    extra = [f"{name}={value}" for name, value in spec.settings if name not in ("total_steps", "device") and (name, value) not in common]
    recipe = [f"recipe {spec.recipe}"] if spec.recipe != "paper" else []
    return ", ".join([spec.sampler or "default sampler", *recipe, *extra])


def _describe(spec: RunSpec) -> str:
    return f"{_name(spec)} on {_title(spec)}"


def _curves(runs: Runs) -> Section:
    shown, notes = runs, []
    if len(runs) > MOST_COURSES:
        shown = [(spec, record) for spec, record in runs if spec.seed == 0][:MOST_COURSES]
        notes = [f"Of {len(runs):,} runs, {len(shown):,} are drawn: those of the first seed, so that the page stays small."]
    by_title: dict[str, Runs] = {}
    for spec, record in shown:
        by_title.setdefault(_title(spec), []).append((spec, record))
    groups = []
    for title, together in by_title.items():
        names = _names([spec for spec, _ in together])
        found = group(title, [Course(names[s.key], s.sampler, s.seed, record.get("curve", [])) for s, record in together])
        groups += [found] if found is not None else []
    return Section("Curves", [*([Curves(groups)] if groups else [Notes(["No run has a curve."])]), *([Notes(notes)] if notes else [])])


def _pictures(store: Store, runs: Runs) -> list[Section]:
    """Runs that were kept, beside each other by input."""
    kept: dict[str, Runs] = {}
    for spec, record in runs:
        if store.place(spec.key).is_dir() and any(store.place(spec.key).glob("step-*.npz")):
            kept.setdefault(_title(spec), []).append((spec, record))
    blocks: list[Block] = []
    for title, group_runs in kept.items():
        spec = group_runs[0][0]
        try:
            signal = spec.signal()
        except (NintError, OSError):
            blocks.append(Notes([f"The input {spec.input_name} is not at hand, so the pictures of its runs are left out."]))
            continue
        names = _names([s for s, _ in group_runs])
        lanes = [LanePictures(names[s.key], store.place(s.key), record) for s, record in group_runs]
        metric = next(iter(metrics_of(clean_rows(group_runs[0][1].get("curve")))), None)
        frames = lane_frames(lanes, signal, None if metric == "loss" else metric, title)
        if frames is not None:
            blocks.append(frames)
        if sum(block.kind == "frames" for block in blocks) == MOST_PICTURED:
            break
    return [Section("On the way", blocks)] if blocks else []


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
