"""The page of a benchmark: its tables and figures as they were written, and the curves of every run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import NintError
from nint.files import loads
from nint.report import facts, markdown, stored, verdict
from nint.report.blocks import Block, Facts, Notes, Page, Prose, Section, Still
from nint.report.encode import picture_file
from nint.report.stored import Record
from nint.runs.contents import STUDY
from nint.signals.base import Signal

_NAME = re.compile(r"(table|fig)(\d+)\.(md|png|json)")
_FIGURE_SIDE = 1600


def bench_page(folder: Path) -> Page:
    """The page about the folder of a benchmark.

    Raises:
        UsageError: where its records cannot be read.
    """
    store = Store(folder)
    records = list(store.records().values())
    runs, odd = stored.specified(records)
    good = [(spec, record) for spec, record in runs if not record.get("error")]
    failed = [(spec, record) for spec, record in runs if record.get("error")]
    names = experiments(folder)
    studied = sorted(path.name for path in folder.glob(f"{STUDY}*.md"))
    page = Page(f"Benchmark {folder.resolve().name}", f"{len(names) + len(studied)} tables and figures, {len(good)} runs")
    if failed:
        page.lead += f", {len(failed)} of them failed" if not good else f", and {len(failed)} that failed"
    page.verdict, page.tiles = verdict.of_bench(folder)
    page.sections = [_experiment(folder, name) for name in names]
    page.sections += [_study(folder, studied)] if studied else []
    if not page.sections:
        page.sections.append(Section("Tables and figures", [Notes(["No table or figure has been written into this folder yet."])]))
    claims = markdown.read(folder / verdict.CLAIMS)
    page.sections += [Section("Claims", [Prose(markdown.markup(claims))])] if claims is not None else []
    page.sections += [stored.curves(good), *stored.pictures(store, good, _signal_of)]
    said = [*store.problems, *odd, *stored.failed(failed)]
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


def _study(folder: Path, names: list[str]) -> Section:
    """The page and the picture of the kernel study; its tables, which are long, are named."""
    text, picture = markdown.read(folder / f"{STUDY}.md"), folder / f"{STUDY}.png"
    found = picture_file(picture, _FIGURE_SIDE) if picture.exists() else None
    blocks: list[Block] = [] if found is None else [Still(found, "Differences from the same batch without a kernel.", "")]
    blocks += [] if text is None else [Prose(markdown.markup(text))]
    tables = [name for name in names if name != f"{STUDY}.md"]
    blocks += [Notes([f"Its tables lie beside the runs: {', '.join(tables)}."])] if tables else []
    return Section("What the kernel is worth", blocks)


def _absent(run: Any) -> str:
    if not isinstance(run, dict):
        return str(run)
    return ", ".join(str(run[name]) for name in ("sampler", "field", "input", "reason") if run.get(name))


def _signal_of(spec: RunSpec, record: Record) -> tuple[Signal | None, str]:
    try:
        return spec.signal(), ""
    except (NintError, OSError):
        return None, f"The input {spec.input_name} is not at hand, so the pictures of its runs are left out."


def _json(path: Path) -> dict[str, Any]:
    try:
        found = loads(path.read_text(encoding="utf-8"), path.name)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
