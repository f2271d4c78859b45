"""The page of a comparison."""

from __future__ import annotations

from pathlib import Path

from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import UsageError
from nint.report import facts, markdown, stored, verdict
from nint.report.blocks import Facts, Notes, Page, Prose, Section
from nint.report.original import find_original, is_same, opened
from nint.report.stored import Record
from nint.runs.contents import TABLE
from nint.signals.base import Signal


def comparison_page(folder: Path, original: str | Signal | None = None) -> Page:
    """The page about the folder of a comparison.

    Args:
        folder: Of the comparison.
        original: What was fitted, or its file, where the records do not tell where it lies.

    Raises:
        UsageError: where no run can be read, or `original` is another signal.
    """
    store = Store(folder)
    runs, odd = stored.specified(store.records().values())
    table = markdown.read(folder / TABLE)
    if not runs and table is None:
        raise UsageError(f"{store.path} holds no run that can be read, so there is nothing to report.")
    good = [(spec, record) for spec, record in runs if not record.get("error")]
    first: Record = good[0][1] if good else {}
    specs = [spec for spec, _ in runs]
    counts = {
        "sampler": len({spec.sampler for spec in specs}),
        "field": len({spec.field for spec in specs}),
        "input": len({spec.input_name for spec in specs}),
        "run": len(specs),
    }
    title = "" if table is None else markdown.title_of(table)
    lead = ", ".join(f"{count:,} {word}{'s' * (count != 1)}" for word, count in counts.items())
    page = Page(title or str(facts.part(first, "settings").get("input") or folder.resolve().name), lead)
    page.verdict = verdict.of_comparison(good)

    of_input = {} if original is None or counts["input"] == 1 else _given(good, original)

    def signal_of(spec: RunSpec, record: Record) -> tuple[Signal | None, str]:
        if spec.input_name in of_input:
            return of_input[spec.input_name], ""
        return find_original(record, original if counts["input"] == 1 else None)

    pictures = stored.pictures(store, good, signal_of)
    if not pictures:
        _, problem = find_original(first, original if counts["input"] == 1 else None)
        why = problem or "There are no snapshots that could be shown of this comparison."
        pictures = [Section("During training", [Notes([why])])]
    page.sections = [_tables(table), stored.curves(good), *pictures]
    said = [*store.problems, *odd, *stored.failed(runs)]
    if said:
        page.sections.append(Section("Runs that failed, lines that cannot be read", [Notes(said)]))
    rows = {"Settings of the first run": facts.settings(first), "Machine and versions": facts.place(first)}
    page.sections.append(Section("Settings and versions", [Facts(name, found) for name, found in rows.items() if found]))
    return page


def _given(runs: list[tuple[RunSpec, Record]], original: str | Signal) -> dict[str, Signal]:
    """Input -> the signal that was given, for those inputs of several that it is.

    Raises:
        UsageError: where it cannot be read, or is none of them.
    """
    first = {spec.input_name: record for spec, record in reversed(runs)}
    found = {name: signal for name, record in first.items() if is_same(record, signal := opened(record, original))}
    if not found:
        raise UsageError(f"--input {original} is none of the signals that this comparison was made on ({', '.join(sorted(first))}).")
    return found


def _tables(table: str | None) -> Section:
    why = f"There is no {TABLE} yet: the comparison was stopped before its end; nint compare --resume goes on with it."
    return Section("Tables", [Notes([why]) if table is None else Prose(markdown.markup(table))])
