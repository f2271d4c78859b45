"""The folder of a comparison: what belongs to it, and who may write into it."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

from nint.bench.store import RECORDS, RUNS, Store
from nint.errors import UsageError
from nint.runs.folder import TENSORBOARD, check_writable, holds_run, remove_stale

NAME = "table"
TABLE = f"{NAME}.md"
PICTURES = ("curves-*.png", "reconstructions-*.png", "selection-*.png")


def holds_comparison(out: Path) -> bool:
    """Whether a folder has the table or the runs of a comparison."""
    return (out / TABLE).exists() or Store(out).experiment == "compare"


def claim(out: Path, *, resume: bool, force: bool) -> Store:
    """Makes a folder ready for a comparison, or refuses before anything is touched.

    Args:
        out: The folder; made if missing.
        resume: Go on with the comparison in it.
        force: Remove the comparison in it (only files that a comparison writes) and start afresh.

    Returns:
        The store of its runs.

    Raises:
        UsageError: for a file, a folder that cannot be written, one that holds a fit, a benchmark or another comparison, or nothing to
            resume.
    """
    check_writable(out)
    if resume and force:
        raise UsageError("--resume goes on with a comparison and --force replaces it; give one of them.")
    if holds_run(out):
        raise UsageError(f"{out} holds a run of nint fit; choose another --out.")
    there = (out / RECORDS).exists()
    if resume and not there:
        raise UsageError(f"There is no comparison to resume in {out}: it has no {RECORDS}.")
    if not there:
        return Store(out)
    store = Store(out)
    if store.experiment == "bench":
        raise UsageError(f"{out} holds the runs of nint bench; choose another --out.")
    if resume and store.older:
        raise UsageError(
            f"{out} holds a comparison in the form of nint 0.1.0, which nint report still shows but --resume cannot go on with; choose "
            "another --out, or --force to replace it."
        )
    if resume:
        return store
    if not force:
        raise UsageError(
            f"{out} holds another comparison; choose another --out, or add --resume to go on with it or --force to replace it."
        )
    remove_stale(out)
    for name in (RECORDS, TABLE, *PICTURES):
        for path in out.glob(name):
            path.unlink()
    for name in (RUNS, TENSORBOARD):
        shutil.rmtree(out / name, ignore_errors=True)
    return Store(out)


def slug(text: str) -> str:
    """A text form as a file name; a long one is cut and made unique by a checksum."""
    name = re.sub(r"[^A-Za-z0-9.=_-]+", "_", text)
    name = name if name.strip(".") else f"_{name}"
    return name if len(name) <= 80 else f"{name[:70]}-{zlib.crc32(text.encode()):08x}"
