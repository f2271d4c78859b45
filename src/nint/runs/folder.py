"""An output folder: what may be written into it, what of it is nint's, and which process has it.

Everything that writes into a folder opens it here first. Before anything is written, an output that is an input, lies inside one, or is
there without being nint's is refused. While the folder is open no other process can open it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from nint.arguments import place
from nint.errors import UsageError
from nint.files import TEMPORARY
from nint.runs.contents import ALL, REPORT, Contents
from nint.runs.manifest import (
    GENERATOR,
    MANIFEST,
    Manifest,
    fits,
    is_ours,
    is_plain,
    matches,
    parents_of,
    read_manifest,
    recognised,
    write_manifest,
)
from nint.runs.places import check_apart, check_writable, input_paths, shown

__all__ = ["GENERATOR", "LOCK", "REPORT", "OutputFolder", "check_writable", "is_ours", "remove_stale"]

LOCK = ".nint.lock"
_LOCK_BYTES = 512

_OLDER_TEMPORARY = re.compile(r"\.[A-Za-z0-9_.=-]+-[a-z0-9_]{8}\.(safetensors|json|npz|png|html|md|tex|csv|jsonl)")


class OutputFolder:
    """A folder that this process alone writes into, from `with` to its end.

    Args:
        path: The folder; made if missing.
        contents: What the command writes into it.
        names: Patterns of the files that are to be written; `**` stands for any number of folders.
        inputs: What is read: paths, or anything else, which is left out.
        what: What messages call it.

    Raises:
        UsageError: for a folder that cannot be used; nothing has been written then.
    """

    def __init__(self, path: str | Path, contents: Contents, names: Sequence[str], inputs: Iterable[Any] = (), what: str = "--out") -> None:
        self.path = place(path, what)
        self.contents, self._names, self._what = contents, tuple(names), what
        self._inputs = input_paths(*inputs)
        self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self._had = (self.path / MANIFEST).exists()
        self._manifest = self._checked()
        self._lock: Any = None
        self._locked_before = (self.path / LOCK).exists()
        self._before: dict[str, int] = {}

    def __enter__(self) -> OutputFolder:
        """Makes and locks the folder, and removes what a killed process was in the middle of writing."""
        import filelock  # noqa: F401 - loaded here, so that little time passes between the two

        check_writable(self.path, self._what)
        self._acquire()
        try:
            self._manifest = self._checked()  # again: what was there may have changed before the lock
            self._before = self._states()
            self._sweep()
            made = [name for name in self._folders_of(self._names) if not (self.path / name).exists()]
            self._keep(folders=(*self._manifest.folders, *made), writing=self._names)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Lists what was written; of a folder that was made for nothing, nothing stays.

        Raises:
            UsageError: where the list cannot be written.
        """
        try:
            if self.path.is_dir():  # and has not been removed meanwhile
                self._list()
        except UsageError:
            if error is None:
                raise
        finally:
            self._release()
            with contextlib.suppress(OSError):
                for path in self._made:
                    path.rmdir()  # where nothing was written

    def _list(self) -> None:
        files = {name for name in (*self._manifest.files, *matches(self.path, self._names)) if is_plain(self.path, name)}
        folders = {*parents_of(files), *(name for name in self._manifest.folders if is_plain(self.path, name))}
        self._keep(files=tuple(sorted(files)), folders=tuple(sorted(folders)), writing=())
        if not files or (not self._had and self._states() == self._before):  # refused after all: no trace stays
            (self.path / MANIFEST).unlink(missing_ok=True)

    def _states(self) -> dict[str, int]:
        """File of nint's -> when it was written."""
        return {name: (self.path / name).stat().st_mtime_ns for name in self._manifest.files if is_plain(self.path, name)}

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def fresh(self) -> bool:
        """Whether it holds no results of the command, at most what was left by a kill before there were any."""
        return not any(fits(name, self.contents.cores) for name in self._manifest.files)

    @property
    def known(self) -> bool:
        """Whether a nint process has had the folder before, be it one that was killed at once."""
        return self._had or self._locked_before or bool(self._manifest.files)

    def clear(self) -> None:
        """Removes what is nint's, and nothing else."""
        if not self.fresh:  # a page of nint's beside no results is of others
            remove_stale(self.path)
        self.remove(*self.contents.may)

    def remove(self, *patterns: str) -> None:
        """Removes files of nint's that fit patterns, and the folders that it made where they are left empty."""
        names = {*self._manifest.files, *(matches(self.path, self._names) if self._manifest.writing else ())}
        for name in sorted(names):
            if fits(name, patterns) and is_plain(self.path, name):
                (self.path / name).unlink(missing_ok=True)
        for name in sorted(self._manifest.folders, key=len, reverse=True):
            with contextlib.suppress(OSError):  # it is not empty, or has gone
                if is_plain(self.path, name):
                    (self.path / name).rmdir()
        self._keep(files=tuple(name for name in self._manifest.files if (self.path / name).exists()))

    def _checked(self) -> Manifest:
        """The list of what is nint's, where every name may be written.

        Raises:
            UsageError: for a name that may not be.
        """
        self._check_path()
        manifest = read_manifest(self.path) or self._recognised() or Manifest(self.contents.command)
        if manifest.command != self.contents.command:
            other = ALL[manifest.command]
            if any(fits(name, other.cores) for name in manifest.files):
                raise UsageError(f"{shown(self.path)} holds {other.holds}; choose another {self._what}.")
            manifest = dataclasses.replace(manifest, command=self.contents.command)
        folders = self._folders_of(self._names)
        there = [path for pattern in self._names for path in self._there(pattern)]
        for path in (*there, *(self.path / name for name in folders)):
            check_apart(path, self._inputs, "The output")
        for name in folders:
            if os.path.lexists(self.path / name) and not manifest.owns(self.path, name):
                raise UsageError(self._not_ours(name, "folder"))
        for name in (path.relative_to(self.path).as_posix() for path in there):
            if not manifest.owns(self.path, name) and not (name == REPORT and is_plain(self.path, name) and is_ours(self.path / name)):
                raise UsageError(self._not_ours(name, "file"))
        return manifest

    def _not_ours(self, name: str, noun: str) -> str:
        return (
            f"{shown(self.path / name)} is not a {noun} that nint wrote there, and would be lost or mixed up; "
            f"choose another {self._what}, or move it."
        )

    def _check_path(self) -> None:
        try:
            os.fspath(self.path).encode("utf-8")
        except UnicodeEncodeError:
            raise UsageError(f"{self._what} {shown(self.path)} is a name that is not UTF-8; choose another.") from None
        if os.path.lexists(self.path) and not self.path.is_dir():
            raise UsageError(f"{self._what} {self.path} is a file; give a folder.")
        check_apart(self.path, self._inputs, self._what)
        lock = self.path / LOCK
        if lock.is_symlink() or (lock.exists() and not _is_lock(lock)):
            raise UsageError(self._not_ours(LOCK, "file"))

    def _recognised(self) -> Manifest | None:
        """The list of a folder of a version that wrote none; of what was left by a kill before there were results, likewise."""
        if not self.path.is_dir():
            return None
        found = [recognised(self.path, contents) for contents in (self.contents, *ALL.values())]
        return next((manifest for manifest in found if manifest is not None), None)

    def _there(self, pattern: str) -> list[Path]:
        """What is at the names of a pattern, dangling links included."""
        if "*" in pattern:
            return sorted(self.path.glob(pattern))
        return [self.path / pattern] if os.path.lexists(self.path / pattern) else []

    @staticmethod
    def _folders_of(names: Iterable[str]) -> list[str]:
        return sorted({name.partition("/")[0] for name in names if "/" in name})

    def _acquire(self) -> None:
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / LOCK, timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout:
            raise UsageError(
                f"Another nint process is writing into {shown(self.path)}; wait until it has ended, or choose another {self._what}."
            ) from None
        except NotImplementedError:  # a file system without locks
            return
        except OSError as error:
            raise UsageError(f"Cannot write into {shown(self.path)}: {error.strerror or error}.") from error
        self._lock = lock

    def _release(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                (self.path / LOCK).unlink(missing_ok=True)
            self._lock.release()
            self._lock = None

    def _sweep(self) -> None:
        """Removes half-written files of a killed process, in the folder and in those that nint made."""
        older = bool(self._manifest.files) and not (self.path / MANIFEST).exists()
        for folder in (self.path, *(self.path / name for name in self._manifest.folders if is_plain(self.path, name))):
            for path in self._temporaries(folder, older):
                if path.is_file() and not path.is_symlink():
                    path.unlink(missing_ok=True)

    @staticmethod
    def _temporaries(folder: Path, older: bool) -> Iterator[Path]:
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name.startswith(TEMPORARY) or (older and _OLDER_TEMPORARY.fullmatch(path.name)):
                yield path

    def _keep(self, **changes: Any) -> None:
        self._manifest = dataclasses.replace(self._manifest, **changes)
        write_manifest(self.path, self._manifest)


def remove_stale(folder: Path) -> None:
    """Removes the report of an earlier run from a folder; anything else of that name stays."""
    if is_ours(folder / REPORT) and not (folder / REPORT).is_symlink():
        (folder / REPORT).unlink(missing_ok=True)


def _is_lock(path: Path) -> bool:
    """Whether a file is a lock of filelock's: empty, or with a process number where the system has no locks."""
    if not path.is_file() or path.stat().st_size > _LOCK_BYTES:
        return False
    try:
        first = path.read_text(encoding="utf-8").partition("\n")[0]
    except (OSError, ValueError):
        return False
    return not first or first.strip().isdigit()
