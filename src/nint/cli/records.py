"""`--json FILE`: writes a record. Only a record of nint's is ever overwritten."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.runs.contents import CHECKPOINT, MODEL, RECORD

STDOUT = "-"


def check_target(target: str | None, inputs: Iterable[Any] = (), taken: Iterable[Path] = ()) -> None:
    """Checks that a record can be written, before any work is done.

    Args:
        target: A file, "-" for standard output, or None for no record.
        inputs: What is read: paths, or anything else, which is left out.
        taken: Files that the command writes besides.

    Raises:
        UsageError: for a folder, an input, a file that is not a record of nint's, or a location that cannot be written.
    """
    if target is None or target == STDOUT:
        return
    from nint.runs.places import check_apart, input_paths

    path = Path(target)
    if path.is_dir():
        raise UsageError(f"--json {path} is a folder; give a file.")
    check_apart(path, input_paths(*inputs), "--json")
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file()):
        raise UsageError(f"--json {path} is not a regular file; give a file, or - for standard output.")
    if any(os.path.realpath(path) == os.path.realpath(other) for other in taken):
        raise UsageError(f"--json {path} is a file of the run itself; give another.")
    own = {os.path.realpath(other.parent) for other in taken}
    if (
        path.name == RECORD
        and os.path.realpath(path.parent) not in own
        and any((path.parent / name).exists() for name in (MODEL, CHECKPOINT))
    ):
        raise UsageError(f"--json {path} is the record of another run; choose another file.")
    if path.exists() and not _is_record(path):
        raise UsageError(f"--json {path} exists and is not a record that nint wrote; choose another file.")
    folder = next((parent for parent in path.absolute().parents if parent.exists()), Path.cwd())
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"Cannot write --json {path}: {error.strerror or error}.") from error


def write_record(target: str | None, record: dict[str, Any]) -> None:
    """Writes a record to a target that `check_target` accepted."""
    if target is None:
        return

    if target == STDOUT:
        finite = json.loads(json.dumps(record), parse_constant=lambda _: None)
        print(json.dumps(finite, indent=1), flush=True)
        return

    from nint.files import write_json

    write_json(Path(target), record)


def _is_record(path: Path) -> bool:
    try:
        from nint.files import loads

        found = loads(path.read_text(encoding="utf-8"), path.name)
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and isinstance(found.get("versions"), dict) and "nint" in found["versions"]
