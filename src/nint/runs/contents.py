"""What each command writes into its output folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
PACKED = "model.nint"
RECORD = "run.json"
RECORDS = "runs.jsonl"
REPORT = "report.html"
TENSORBOARD = "tensorboard"
SNAPSHOTS = "snapshots"
SOUND, FRAMES, SLICES = "sound.png", "frames.png", "slices.png"
PICTURES = ("reconstruction.png", "error.png", "selection.png", SOUND, FRAMES, SLICES, "curve.png")

LIVE_STATE, LIVE_PICTURE = "live.json", "live.npz"
"""What `nint fit --live` leaves for the page while it trains."""

SNAPSHOT_FILES = f"{SNAPSHOTS}/step-*.npz"
LOG_FILES = f"{TENSORBOARD}/**/events.out.tfevents.*"
KEPT_RUNS = ("runs/**/model.safetensors", "runs/**/checkpoint.safetensors", "runs/**/step-*.npz")


@dataclass(frozen=True)
class Contents:
    """The files of a command, as patterns relative to its folder; `**` stands for any number of folders.

    Attributes:
        command: "fit", "compare", "bench" or "fit-all".
        holds: What messages call its results.
        cores: Those that make its results; a folder without them counts as fresh.
        may: All that it may write.
    """

    command: str
    holds: str
    cores: tuple[str, ...]
    may: tuple[str, ...]


TABLE = "table.md"
_DRAWN = ("curves-*.png", "reconstructions-*.png", "selection-*.png")

FIT = Contents(
    "fit",
    "a run of nint fit",
    (MODEL, CHECKPOINT, RECORD),
    (MODEL, PACKED, CHECKPOINT, RECORD, REPORT, *PICTURES, SNAPSHOT_FILES, LOG_FILES, LIVE_STATE, LIVE_PICTURE),
)
COMPARE = Contents(
    "compare",
    "a comparison",
    (RECORDS,),
    (RECORDS, TABLE, *_DRAWN, *KEPT_RUNS, REPORT, LOG_FILES),
)
_OF_BENCH = ("inputs.json", "claims.md", "scoring.json")
_TABLE_ENDINGS, _FIGURE_ENDINGS = ("md", "tex", "csv", "jsonl"), ("png", "json")
STUDY = "kernel"
"""The study of `nint bench`: a page, a picture, and a table for each kind of signal and recipe."""
_OF_STUDY = (f"{STUDY}.md", *(f"{STUDY}.{ending}" for ending in _FIGURE_ENDINGS), *(f"{STUDY}-*.{ending}" for ending in _TABLE_ENDINGS))

BENCH = Contents(
    "bench",
    "the runs of nint bench",
    (RECORDS,),
    (
        RECORDS,
        *_OF_BENCH,
        REPORT,
        *(f"table*.{ending}" for ending in _TABLE_ENDINGS),
        *(f"fig*.{ending}" for ending in _FIGURE_ENDINGS),
        *_OF_STUDY,
        *KEPT_RUNS,
    ),
)
DATASET = "dataset.json"
INDEX = "index.parquet"
SHARDS = "shards/*.safetensors"
FAILED = "failed.json"
NOTES = "notes.json"
CARD = "README.md"
FIT_ALL = Contents("fit-all", "a dataset of fields", (DATASET, INDEX, SHARDS), (DATASET, INDEX, SHARDS, FAILED, NOTES, CARD, REPORT))
ALL = {contents.command: contents for contents in (FIT, COMPARE, BENCH, FIT_ALL)}


def of_fit(*, pictures: bool, report: bool, log: bool, snapshots: bool = True, live: bool = False, packed: bool = False) -> tuple[str, ...]:
    """What a fit writes.

    Args:
        pictures: Whether the result is drawn.
        report: Whether there is a page about it.
        log: Whether there is a log for TensorBoard.
        snapshots: Whether selections and reconstructions are recorded.
        live: Whether its state is written for a page while it trains.
        packed: Whether the model is packed too.
    """
    extras = ((PACKED, packed), (SNAPSHOT_FILES, snapshots), (LIVE_STATE, live), (LIVE_PICTURE, live), (REPORT, report), (LOG_FILES, log))
    return (MODEL, CHECKPOINT, RECORD, *(PICTURES if pictures else ()), *(name for name, wanted in extras if wanted))


def of_comparison(*, report: bool, log: bool) -> tuple[str, ...]:
    """What a comparison writes; arguments as for `of_fit`."""
    return (RECORDS, TABLE, *_DRAWN, *KEPT_RUNS, *((REPORT,) if report else ()), *((LOG_FILES,) if log else ()))


def of_bench(parts: Iterable[str], *, report: bool) -> tuple[str, ...]:
    """What a benchmark writes.

    Args:
        parts: Names of its tables and figures.
        report: As for `of_fit`.
    """
    parts = list(parts)
    printed = [part for part in parts if part != STUDY]
    files = [f"{part}.{ending}" for part in printed for ending in (_TABLE_ENDINGS if part.startswith("table") else _FIGURE_ENDINGS)]
    files += _OF_STUDY if STUDY in parts else ()
    return (RECORDS, *_OF_BENCH, *files, *KEPT_RUNS, *((REPORT,) if report else ()))
