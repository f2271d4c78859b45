"""The page of one fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nint.errors import NintError, UsageError
from nint.files import check_regular, loads, reason_of
from nint.report import facts, verdict
from nint.report.blocks import Curves, Facts, Notes, Page, Section, Table
from nint.report.curves import AXES, Course, clean_rows, group, metrics_of, thinned
from nint.report.frames import step_frames
from nint.report.original import find_original
from nint.report.result import PANEL, Found, result
from nint.report.sizes import packed_rows, size_rows
from nint.report.stills import original_values, viewer_for
from nint.report.waves import wave_frames
from nint.runs.model import Fit
from nint.runs.older import with_current_names
from nint.runs.snapshots import load_snapshots
from nint.signals.base import Signal

MODEL, RECORD, CHECKPOINT, SNAPSHOTS = "model.safetensors", "run.json", "checkpoint.safetensors", "snapshots"

_TABLE_ROWS = 25


def fit_page(folder: Path, original: str | Signal | None = None) -> Page:
    """The page about the folder of a fit.

    Args:
        folder: Folder of the run.
        original: The fitted signal, or its file, where the record does not hold its path.

    Raises:
        UsageError: where the record cannot be read, or `original` is another signal.
    """
    record, missing = read_record(folder), []
    fit, problem = _model(folder)
    if problem:
        missing.append(problem)
    signal, problem = find_original(record, original)
    if problem:
        missing.append(problem)
    if signal is not None and fit is not None and signal.layout != fit.layout:
        missing.append(f"{signal.name} has another shape than the signal that the model stores, so it is not shown.")
        signal = None
    layout = fit.layout if fit is not None else None if signal is None else signal.layout
    snapshots = load_snapshots(folder / SNAPSHOTS)
    found = Found(record, layout, fit, snapshots, signal)
    settings = facts.part(record, "settings")
    words = [
        layout.describe() if layout is not None else "",
        f"sampler {settings.get('sampler', '?')}",
        f"field {settings.get('field', '?')}",
    ]
    page = Page(str(settings.get("input") or folder.resolve().name), "; ".join(filter(None, words)), facts.tiles(record))
    page.verdict = verdict.of_fit(record)
    page.sections = [result(found, missing), *_steps(found), *_curve(found), *_size(folder, found), _about(record)]
    return page


def read_record(folder: Path) -> dict[str, Any]:
    """The record in run.json, or that of the checkpoint where the run has not finished.

    Raises:
        UsageError: where neither can be read.
    """
    path = folder / RECORD
    if not path.exists():
        return _unfinished(folder)
    check_regular(path)
    try:
        record = loads(path.read_text(encoding="utf-8"), path.name)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as the record of a run: {reason_of(error)}.") from error
    if not isinstance(record, dict):
        raise UsageError(f"{path} is not the record of a run.")
    return with_current_names(record)


def _unfinished(folder: Path) -> dict[str, Any]:
    from nint.files import load_tensors

    path = folder / (CHECKPOINT if (folder / CHECKPOINT).exists() else MODEL)
    _, header = load_tensors(path)
    resume = facts.part(header, "resume")
    known = {"settings": facts.part(header, "settings"), "steps": resume.get("step"), "curve": resume.get("curve")}
    return with_current_names(known | facts.part(header, "metrics") | facts.part(header, "record") | {"stopped": "not finished"})


def _model(folder: Path) -> tuple[Fit | None, str]:
    names = [name for name in (MODEL, CHECKPOINT) if (folder / name).exists()]
    if not names:
        return None, "There is no model in this folder, so only snapshots and curves are shown."
    try:
        return Fit.load(folder / names[0]), ""
    except NintError as error:
        return None, f"The model cannot be shown: {error}"


def _steps(found: Found) -> list[Section]:
    layout: Any = found.layout
    rows = clean_rows(found.record.get("curve"))
    metric = next((name for name in metrics_of(rows) if name != "loss"), None)
    if layout is not None and layout.kind == "audio":
        whole: Any = getattr(found.signal, "inner", found.signal)
        block = wave_frames(found.snapshots, layout.frames, None if whole is None else whole.samples, rows, metric)
    elif layout is not None and (viewer := viewer_for(layout)) is not None:
        original = None if found.signal is None else original_values(found.signal, viewer)
        block = step_frames(viewer, found.snapshots, original, rows, metric, PANEL)
    else:
        return []
    why = "There are no snapshots in this folder, so the course of training cannot be shown."
    return [Section("During training", [block or Notes([why])])]


def _curve(found: Found) -> list[Section]:
    settings, rows = facts.part(found.record, "settings"), clean_rows(found.record.get("curve"))
    sampler = str(settings.get("sampler", "run"))
    plotted = group("", [Course(sampler, sampler, settings.get("seed"), rows)])
    if plotted is None:
        return [Section("Curves", [Notes(["The record of this run has no curve."])])]
    names = [*(axis for axis in AXES if axis in rows[0]), *metrics_of(rows)]
    cells = [[f"{row[name]:,.6g}" if name in row else "" for name in names] for row in thinned(rows, _TABLE_ROWS)]
    columns = [name.replace("_", " ") for name in names]
    return [Section("Curves", [Curves([plotted]), Table("The curve as a table", columns, cells, folded=True)])]


def _size(folder: Path, found: Found) -> list[Section]:
    model = folder / MODEL
    rows = size_rows(found.record, model.stat().st_size if model.exists() else None, found.layout)
    rows += packed_rows(found.record, found.layout)
    return [Section("Size", [Facts("Model and other forms of the signal", rows)])] if rows else []


def _about(record: dict[str, Any]) -> Section:
    parts = {"Settings": facts.settings(record), "Time and work": facts.outcome(record), "Machine and versions": facts.place(record)}
    return Section("Settings and versions", [Facts(title, rows) for title, rows in parts.items() if rows])
