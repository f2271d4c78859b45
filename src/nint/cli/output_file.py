"""The one file that a command is asked to write: checked before any work."""

from __future__ import annotations

import os
from pathlib import Path

from nint.errors import UsageError

_FOLDERS = ("", ".zarr")
"""Endings of what is written as a folder: pictures of a video, and arrays in chunks."""


def check_output_file(output: Path, *, force: bool) -> None:
    """Refuses a file that cannot be written, or that is there already.

    Args:
        output: File to write.
        force: Whether a regular file may be replaced.

    Raises:
        UsageError: says what would be right.
    """
    if output.is_dir():
        written = "a name that is not there yet, since folders are not overwritten" if output.suffix in _FOLDERS else "a file to write"
        raise UsageError(f"{output} is a folder; give {written}.")
    if os.path.lexists(output) and (output.is_symlink() or not output.is_file()):
        raise UsageError(f"{output} is not a regular file; give another name.")
    if output.exists() and not force:
        raise UsageError(f"{output} exists; give another name, or add --force to overwrite it.")
    if not output.absolute().parent.is_dir():
        raise UsageError(f"There is no folder {output.parent} to write {output.name} into.")
