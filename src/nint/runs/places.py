"""Where an output may go: where it can be written, and never onto an input or into one, whichever links lead there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import in_utf8
from nint.signals.kinds import PREFIX


def input_paths(*sources: Any) -> list[Path]:
    """The sources that are paths of something that is there; arrays, samples and None are left out."""
    paths = [Path(os.fsdecode(source)) for source in sources if isinstance(source, (str, os.PathLike)) and source != ""]
    return [path for path in paths if not str(path).startswith(PREFIX) and os.path.lexists(path)]


def check_apart(output: Path, inputs: Iterable[Path], what: str) -> None:
    """Refuses an output that is an input or lies inside one, also through symbolic and hard links.

    Args:
        output: A file or folder; it need not exist.
        inputs: Files and folders that are read.
        what: What messages call the output: "--out".

    Raises:
        UsageError: names both.
    """
    for source in inputs:
        if _same(output, source):
            raise UsageError(f"{what} {shown(output)} is also the input {shown(source)}, which would be lost; choose another place.")
        if source.is_dir() and any(_same(parent, source) for parent in Path(os.path.realpath(output)).parents):
            raise UsageError(f"{what} {shown(output)} lies inside the input {shown(source)}; choose a place outside it.")


def check_writable(folder: Path, what: str = "--out") -> None:
    """Makes the folder if needed.

    Args:
        folder: The folder.
        what: What messages call it.

    Raises:
        UsageError: if it is a file or cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{what} {folder} is a file; give a folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"Cannot write into {folder}: {error.strerror or error}.") from error


def shown(path: Path) -> str:
    """A path for a message; bytes that are not UTF-8 are replaced."""
    return in_utf8(str(path))


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)
