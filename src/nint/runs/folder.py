"""The folder of a run: who may write into it, and what belongs to it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from nint.errors import UsageError

TENSORBOARD = "tensorboard"
OURS = ("model.safetensors", "checkpoint.safetensors", "run.json", "snapshots", TENSORBOARD)
REPORT = "report.html"
GENERATOR = "nint report"
"""Content of the report's generator tag."""

_HEAD_BYTES = 4096
PICTURES = ("reconstruction.png", "error.png", "selection.png", "curve.png")


def holds_run(folder: Path) -> bool:
    """Whether a folder has the files of a run; a log alone may be a comparison's."""
    return any((folder / name).exists() for name in OURS if name != TENSORBOARD)


def claim(folder: Path, *, resume: bool, force: bool) -> None:
    """Makes a folder ready for a run, or refuses before anything is touched.

    Args:
        folder: The output folder; made if missing.
        resume: Go on with the run in it.
        force: Remove the run in it (only files that a run writes) and start afresh.

    Raises:
        UsageError: for a file, a folder that cannot be written, one that holds another run, or nothing to resume.
    """
    check_writable(folder)
    if resume:
        if force:
            raise UsageError("--resume goes on with a run and --force replaces it; give one of them.")
        if not (folder / "checkpoint.safetensors").exists():
            raise UsageError(f"There is no run to resume in {folder}: it has no checkpoint.safetensors.")
        return
    if holds_run(folder):
        if not force:
            raise UsageError(
                f"{folder} holds another run; choose another --out, or add --resume to go on with it or --force to replace it."
            )
        remove_stale(folder)
        for name in (*OURS, *PICTURES):
            target = folder / name
            if target.is_dir():
                shutil.rmtree(target)
            else:
                target.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Makes the folder if needed.

    Raises:
        UsageError: if it is a file or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder} is a file; give a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"Cannot write into {folder}: {error.strerror or error}.") from error


def is_ours(path: Path) -> bool:
    """Whether a file is a report that nint wrote."""
    try:
        with open(path, "rb") as file:
            return f'<meta name="generator" content="{GENERATOR}'.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


def remove_stale(folder: Path) -> None:
    """Removes the report of an earlier run from a folder; anything else of that name stays."""
    if is_ours(folder / REPORT):
        (folder / REPORT).unlink(missing_ok=True)
