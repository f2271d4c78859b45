"""The page of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nint.bench.compare import folder as places
from nint.bench.records import RunResult, read
from nint.errors import UsageError
from nint.report import facts, markdown
from nint.report.blocks import Block, Curves, Facts, Notes, Page, Prose, Section
from nint.report.curves import Course, clean_rows, group, metrics_of
from nint.report.interleaved import LanePictures, lane_frames
from nint.report.original import find_original
from nint.signals.base import Signal


def comparison_page(folder: Path, original: str | Signal | None = None) -> Page:
    """The page about the folder of a comparison.

    Args:
        folder: Of the comparison.
        original: What was fitted, or its file, where the records do not tell where it lies.

    Raises:
        UsageError: where no run can be read, or `original` is another signal.
    """
    results, problems = read(folder / places.RECORDS)
    table = markdown.read(folder / places.TABLE)
    if not results and table is None:
        raise UsageError(f"{folder / places.RECORDS} holds no run that can be read, so there is nothing to report.")
    good = [result for result in results if result.error is None]
    first: dict[str, Any] = good[0].record if good else {}
    name = str(facts.part(first, "settings").get("input") or folder.resolve().name)
    title = "" if table is None else markdown.title_of(table)
    counts = {"sampler": len({r.sampler for r in results}), "field": len({r.field for r in results}), "run": len(results)}
    lead = ", ".join(f"{count:,} {word}{'s' * (count != 1)}" for word, count in counts.items())
    page = Page(title or name, lead)
    page.sections = [_curves(good), *_pictures(folder, good, first, original), _tables(table)]
    said = [*problems, *(f"{r.sampler} on {r.field}, seed {r.seed}, failed: {r.error}" for r in results if r.error is not None)]
    if said:
        page.sections.append(Section("Runs that failed, lines that cannot be read", [Notes(said)]))
    rows = {"Settings of the first run": facts.settings(first), "Machine and versions": facts.place(first)}
    page.sections.append(Section("Settings and versions", [Facts(title, found) for title, found in rows.items() if found]))
    return page


def _curves(results: list[RunResult]) -> Section:
    groups = []
    for field in dict.fromkeys(result.field for result in results):
        courses = [Course(r.sampler, r.sampler, r.seed, r.curve) for r in results if r.field == field]
        groups.append(group(field, courses))
    found = [entry for entry in groups if entry is not None]
    return Section("Curves", [Curves(found) if found else Notes(["No run has a curve."])])


def _pictures(folder: Path, results: list[RunResult], first: dict[str, Any], original: str | Signal | None) -> list[Section]:
    signal, problem = find_original(first, original)
    if signal is None:
        return [Section("On the way", [Notes([problem])])]
    blocks: list[Block] = []
    for field in dict.fromkeys(result.field for result in results):
        runs = {r.sampler: r for r in reversed(results) if r.field == field}  # the first seed, which has the snapshots
        lanes = [LanePictures(s, places.snapshots(folder, field, s), r.record) for s, r in reversed(runs.items())]
        metric = next(iter(metrics_of(clean_rows(next(iter(runs.values())).curve))), None)
        frames = lane_frames(lanes, signal, None if metric == "loss" else metric)
        if frames is not None:
            blocks.append(frames)
    return [Section("On the way", blocks or [Notes(["There are no snapshots that could be shown of this comparison."])])]


def _tables(table: str | None) -> Section:
    why = f"There is no {places.TABLE} yet: the comparison was stopped before its end; nint compare --resume goes on with it."
    return Section("Tables", [Notes([why]) if table is None else Prose(markdown.markup(table))])
