"""What the pages of a comparison and of a benchmark have in common: the runs of a store, their curves and their pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from nint.bench.names import short_name, told_apart
from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.errors import NintError
from nint.report.blocks import Block, Curves, Notes, Section
from nint.report.curves import Course, clean_rows, group, metrics_of
from nint.report.interleaved import RunPictures, interleaved_frames
from nint.signals.base import Signal

MOST_COURSES = 600
MOST_PICTURED = 3

Record = dict[str, Any]
Runs = list[tuple[RunSpec, Record]]


def specified(records: Iterable[Record]) -> tuple[Runs, list[str]]:
    """Runs with their specs, in which inputs of different content have different names, and a sentence for each of another version."""
    found: Runs = []
    odd = []
    for record in records:
        try:
            found.append((RunSpec.from_json(record["spec"]), record))
        except (NintError, TypeError, ValueError) as error:
            odd.append(f"The run {record.get('key')} is left out: {error}")
    return _told_apart(found), odd


def _told_apart(runs: Runs) -> Runs:
    """The runs with longer names for inputs of one folder and file whose contents differ, where they lay in different places."""
    places: dict[str, dict[str, str]] = {}
    for spec, record in runs:
        if content := _content(spec, record):
            places.setdefault(short_name(spec.input), {}).setdefault(content, str(record.get("source") or spec.input))
    names: dict[tuple[str, str], str] = {}
    for short, known in places.items():
        if len(set(known.values())) > 1:
            called = told_apart(known.values())
            names |= {(short, content): called[place] for content, place in known.items()}
    labels = [names.get((short_name(spec.input), _content(spec, record)), "") for spec, record in runs]
    return [
        (spec if label == spec.label else replace(spec, label=label), record) for (spec, record), label in zip(runs, labels, strict=True)
    ]


def _content(spec: RunSpec, record: Record) -> str:
    """What an input is known by, wherever it lay; "" where its record does not tell it."""
    return str(record.get("input_content") or spec.content)


def title_of(spec: RunSpec) -> str:
    """What the runs of a plot have in common."""
    budget = f"{spec.seconds:g} s" if spec.seconds is not None else f"{spec.steps:,} steps"
    square = f"square of {spec.square}" if spec.square else ""
    options = ", ".join(f"{name}={value}" for name, value in spec.options if name != "kind")
    return ", ".join(filter(None, [spec.input_name, square, options, spec.field or "default field", budget]))


def names_of(specs: Sequence[RunSpec]) -> dict[str, str]:
    """Key -> name of each run of a group, without the settings that nearly all of them have."""
    counts = Counter(pair for spec in specs for pair in spec.settings)
    common = {pair for pair, count in counts.items() if 2 * count > len(specs)}
    return {spec.key: name_of(spec, common) for spec in specs}


def name_of(spec: RunSpec, common: Collection[tuple[str, Any]] = ()) -> str:
    """The sampler, and the settings that set a run apart."""
    left_out = ("total_steps", "device", "chunk_size")
    extra = [f"{name}={value}" for name, value in spec.settings if name not in left_out and (name, value) not in common]
    recipe = [f"recipe {spec.recipe}"] if spec.recipe != "paper" else []
    return ", ".join([spec.method or spec.sampler or "default sampler", *recipe, *extra])


def curves(runs: Runs) -> Section:
    """A plot for each input, network and budget."""
    shown, notes = runs, []
    if len(runs) > MOST_COURSES:
        shown = [(spec, record) for spec, record in runs if spec.seed == 0][:MOST_COURSES]
        notes = [f"Of {len(runs):,} runs, {len(shown):,} are drawn: those of the first seed, so that the page stays small."]
    groups = []
    for title, together in _by_title(shown).items():
        names = names_of([spec for spec, _ in together])
        found = group(title, [Course(names[s.key], s.sampler, s.seed, record.get("curve", [])) for s, record in together])
        groups += [found] if found is not None else []
    blocks: list[Block] = [Curves(groups) if groups else Notes(["No run has a curve."])]
    return Section("Curves", [*blocks, *([Notes(notes)] if notes else [])])


def pictures(store: Store, runs: Runs, signal_of: Callable[[RunSpec, Record], tuple[Signal | None, str]]) -> list[Section]:
    """Runs that were kept, beside each other by input, network and budget.

    Args:
        store: Where the runs lie.
        runs: Those that did not fail.
        signal_of: What a run was fitted to, or None and a sentence that says why it is not there.
    """
    blocks: list[Block] = []
    kept = [(spec, record) for spec, record in runs if any(store.place(record["key"]).glob("step-*.npz"))]
    for title, together in _by_title(kept).items():
        signal, problem = signal_of(*together[0])
        if signal is None:
            blocks.append(Notes([problem]))
            continue
        names = names_of([spec for spec, _ in together])
        shown = [RunPictures(names[spec.key], store.place(record["key"]), record) for spec, record in together]
        metric = next(iter(metrics_of(clean_rows(together[0][1].get("curve")))), None)
        frames = interleaved_frames(shown, signal, None if metric == "loss" else metric, title)
        if frames is not None:
            blocks.append(frames)
        if sum(block.kind == "frames" for block in blocks) == MOST_PICTURED:
            break
    return [Section("During training", blocks)] if blocks else []


def failed(runs: Runs) -> list[str]:
    """A sentence for each run that failed."""
    return [
        f"{name_of(spec)} on {title_of(spec)}, seed {spec.seed}, failed: {record['error']}" for spec, record in runs if record.get("error")
    ]


def _by_title(runs: Runs) -> dict[str, Runs]:
    found: dict[str, Runs] = {}
    for spec, record in runs:
        found.setdefault(title_of(spec), []).append((spec, record))
    return found
