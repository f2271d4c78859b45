"""The list of what nint has written into a folder: `.nint.json`. What it does not list is the user's.

Folders of versions without a list are recognised by the names and contents of what those wrote.
"""

from __future__ import annotations

import dataclasses
import os
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from nint.errors import UsageError
from nint.files import loads, write_json
from nint.runs.contents import ALL, CHECKPOINT, FIT, MODEL, PICTURES, RECORD, RECORDS, Contents
from nint.runs.places import shown

MANIFEST = ".nint.json"
GENERATOR = "nint report"
"""Content of the generator tag of a report."""

_HEAD_BYTES = 4096
_LINE_BYTES = 2**20
_CURVE_SIZE = (1350).to_bytes(4, "big") + (540).to_bytes(4, "big")
_SNAPSHOT = {"step.npy", "pool.npy", "training_seconds.npy", "selected.npy", "decoded.npy"}


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What nint has written into a folder.

    Attributes:
        command: What it holds the results of: "fit", "compare" or "bench".
        files: Names of files, relative to the folder, with slashes.
        folders: Names of folders that were made, likewise.
        writing: Patterns of what is being written; where a process was killed, what fits them is nint's too.
    """

    command: str
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    writing: tuple[str, ...] = ()

    def owns(self, folder: Path, name: str) -> bool:
        """Whether a file or folder is nint's. What has been replaced by a link, or is reached through one, is not."""
        names = self.folders if (folder / name).is_dir() else self.files
        return name in names and is_plain(folder, name)


def is_plain(folder: Path, name: str) -> bool:
    """Whether a name below a folder leads there without links."""
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        if path.is_symlink():
            return False
    return path.is_file() or path.is_dir()


def read_manifest(folder: Path) -> Manifest | None:
    """The list of a folder, with what a killed process has left taken in; None where there is no list.

    Args:
        folder: The folder. What its list names but the command never writes is not believed to be nint's.

    Raises:
        UsageError: for a list that is damaged, or a file of that name that is not nint's.
    """
    path = folder / MANIFEST
    if not os.path.lexists(path):
        return None
    try:
        listed = None if path.is_symlink() else _listed(loads(path.read_text(encoding="utf-8"), path.name))
    except (OSError, ValueError, KeyError, TypeError):
        listed = None
    if listed is None:
        raise UsageError(
            f"{shown(path)} should list the files that nint wrote there, but cannot be read; remove it, or choose another folder."
        )
    may = ALL[listed.command].may
    files = {name for name in listed.files if fits(name, may) and is_plain(folder, name)}
    files |= set(matches(folder, [pattern for pattern in listed.writing if fits(pattern, may)]))
    return Manifest(listed.command, tuple(sorted(files)), tuple(name for name in listed.folders if is_plain(folder, name)))


def _listed(found: Any) -> Manifest | None:
    """The list in a file as it stands; None where it cannot be one of nint's."""
    files, folders, writing = (tuple(str(name) for name in found[key]) for key in ("files", "folders", "writing"))
    inside = all(_is_inside(name) for name in (*files, *folders, *writing))
    return Manifest(found["command"], files, folders, writing) if "nint" in found and found["command"] in ALL and inside else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes the list, atomically.

    Raises:
        UsageError: where it cannot be written.
    """
    from nint.version import __version__

    write_json(folder / MANIFEST, {"nint": __version__} | dataclasses.asdict(manifest))


def matches(folder: Path, patterns: Iterable[str]) -> list[str]:
    """Names below a folder of the files that fit patterns; links are left out, and not followed."""
    found = {path.relative_to(folder).as_posix() for pattern in patterns for path in folder.glob(pattern)}
    return sorted(name for name in found if is_plain(folder, name) and not (folder / name).is_dir())


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name fits one of the patterns, in which `**` stands for any number of folders."""
    return any(re.fullmatch(_expression(pattern), name) for pattern in patterns)


def _expression(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*)", pattern)
    return "".join({"**/": "(?:[^/]+/)*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts)


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def recognised(folder: Path, contents: Contents) -> Manifest | None:
    """A list made up for a folder of a version that wrote none.

    Args:
        folder: The folder.
        contents: What the command writes.

    Returns:
        The files whose names fit and whose contents are nint's; None without a record and its model, a checkpoint, or runs of the command.
    """
    files = {name for name in matches(folder, contents.may) if is_ours(folder / name)}
    if contents is FIT:
        complete = CHECKPOINT in files or {RECORD, MODEL} <= files
    else:
        complete = RECORDS in files and _experiment(folder / RECORDS) == contents.command
    return Manifest(contents.command, tuple(sorted(files)), parents_of(files)) if complete else None


def parents_of(names: Iterable[str]) -> tuple[str, ...]:
    """The folders in which files lie, in order; the folder itself is none of them."""
    return tuple(sorted({parent.as_posix() for name in names for parent in PurePosixPath(name).parents if parent.name}))


def _experiment(path: Path) -> str:
    """The command that wrote a runs.jsonl, as far as its first line tells."""
    first = loads(_head(path, _LINE_BYTES).splitlines()[0].decode("utf-8"), path.name)
    return str(first.get("experiment", "bench" if "spec" in first else "compare"))


def is_ours(path: Path) -> bool:
    """Whether the content of a file is what nint writes under such a name."""
    check = _CONTENT.get(path.suffix, _is_events if path.name.startswith("events.out.tfevents.") else None)
    try:
        return check is not None and path.is_file() and check(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile):
        return False


def _head(path: Path, most: int = _HEAD_BYTES) -> bytes:
    with open(path, "rb") as file:
        return file.read(most)


def _is_report(path: Path) -> bool:
    return f'<meta name="generator" content="{GENERATOR}'.encode() in _head(path)


def _is_tensors(path: Path) -> bool:
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(path.stat().st_size, 2**27):
            return False
        header: dict[str, Any] = loads(file.read(length).decode("utf-8"), path.name)["__metadata__"]
        return "nint" in header


def _is_record(path: Path) -> bool:
    found = loads(path.read_text(encoding="utf-8"), path.name)
    if isinstance(found.get("versions"), dict) and "nint" in found["versions"]:  # of a fit
        return True
    of_bench = ({"figure", "runs", "missing"}, {"scale", "facts"}, {"effects", "command"})
    return any(keys <= set(found) for keys in of_bench) or path.name == "inputs.json"


def _is_lines(path: Path) -> bool:
    first = loads(_head(path, _LINE_BYTES).splitlines()[0].decode("utf-8"), path.name)
    return "spec" in first or "record" in first or {"table", "row", "column"} <= set(first)


def _is_snapshot(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist()) >= _SNAPSHOT


def _is_picture(path: Path) -> bool:
    """Pictures were drawn by Matplotlib; those of a fit are believed beside its curve, which has one size."""
    if path.name not in PICTURES:
        return _is_drawn(path)
    curve = path.with_name("curve.png")
    return _is_drawn(curve) and _head(curve)[16:24] == _CURVE_SIZE and (path.name == "reconstruction.png" or _is_drawn(path))


def _is_drawn(path: Path) -> bool:
    return b"Software\x00Matplotlib" in _head(path)


def _is_prose(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    return any(
        heading in text
        for heading in ("## How it was made", "## How it was measured", "# The paper's claims", "# What the kernel is worth")
    )


def _is_table(path: Path) -> bool:
    """A table in another form, beside the one for reading."""
    return is_ours(path.with_suffix(".md"))


def _is_events(path: Path) -> bool:
    return b"cost/training_seconds" in _head(path, _LINE_BYTES)


_CONTENT: dict[str, Any] = {
    ".html": _is_report,
    ".safetensors": _is_tensors,
    ".json": _is_record,
    ".jsonl": _is_lines,
    ".npz": _is_snapshot,
    ".png": _is_picture,
    ".md": _is_prose,
    ".tex": _is_table,
    ".csv": _is_table,
}
"""Ending of a file -> whether its content is nint's."""
