"""The folder of a comparison: what belongs to it, and who may write into it."""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path

from nint.errors import UsageError
from nint.runs.folder import TENSORBOARD, check_writable, holds_run

RECORDS = "runs.jsonl"
TABLE = "table.md"
RUNS = "runs"
PICTURES = ("curves-*.png", "reconstructions-*.png", "selection-*.png")


def claim(out: Path, *, resume: bool, force: bool) -> None:
    """Makes a folder ready for a comparison, or refuses before anything is touched.

    Args:
        out: The folder; made if missing.
        resume: Go on with the comparison in it.
        force: Remove the comparison in it (only files that a comparison writes) and start afresh.

    Raises:
        UsageError: for a file, a folder that cannot be written, one that holds a fit or another comparison, or nothing to resume.
    """
    check_writable(out)
    if resume and force:
        raise UsageError("--resume goes on with a comparison and --force replaces it; give one of them.")
    if holds_run(out):
        raise UsageError(f"{out} holds a run of nint fit; choose another --out.")
    there = (out / RECORDS).exists()
    if resume and not there:
        raise UsageError(f"There is no comparison to resume in {out}: it has no {RECORDS}.")
    if there and not resume:
        if not force:
            raise UsageError(
                f"{out} holds another comparison; choose another --out, or add --resume to go on with it or --force to replace it."
            )
        from nint.runs.folder import remove_stale

        remove_stale(out)
        for name in (RECORDS, TABLE, *PICTURES):
            for path in out.glob(name):
                path.unlink()
        for name in (RUNS, TENSORBOARD):
            shutil.rmtree(out / name, ignore_errors=True)


def snapshots(out: Path, field: str, sampler: str) -> Path:
    """Where the snapshots of a pairing lie (those of seed 0)."""
    return out / RUNS / slug(field) / slug(sampler)


def log(out: Path, field: str, sampler: str, seed: int) -> Path:
    """Where the TensorBoard log of a run lies."""
    return out / TENSORBOARD / slug(field) / slug(sampler) / f"seed-{seed}"


def clear(place: Path) -> None:
    """Removes the snapshots of an earlier try."""
    for path in place.glob("step-*.npz"):
        path.unlink()


def slug(text: str) -> str:
    """A text form as a file name; a long one is cut and made unique by a checksum."""
    name = re.sub(r"[^A-Za-z0-9.=_-]+", "_", text)
    return name if len(name) <= 80 else f"{name[:70]}-{zlib.crc32(text.encode()):08x}"
