"""Opening and writing files of arrays: .npy (memory-mapped), zarr (folder or .zip), and folders in one step."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, check_regular, reason_of, write_atomically
from nint.signals.grid.grid_layout import checked_dtype
from nint.signals.grid.packages import need
from nint.signals.limits import check_points

_OF_ZARR = ("zarr.json", ".zarray", ".zgroup")
_CHUNK_BYTES = 2**30
"""Most bytes of a zarr chunk, which is unpacked whole."""


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that a .npy file says it has; its numbers are not read.

    Raises:
        UsageError: for a file that is not .npy, or shorter than its header says.
    """
    check_file(path, "a .npy file")
    try:
        with open(path, "rb") as file, warnings.catch_warnings(action="ignore"):
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            start = file.tell()
    except Exception as error:  # the header is Python source, which fails in every way where it is damaged
        raise UsageError(f"'{path}' is not a readable .npy file: {reason_of(error)}.") from error
    needed, size = start + math.prod(shape) * dtype.itemsize, path.stat().st_size
    if not dtype.hasobject and (needed > size or min(shape, default=0) < 0):
        raise UsageError(f"'{path}' is damaged or cut short: it has {size:,} bytes, but an array of its shape takes {needed:,}.")
    return shape, dtype


def open_npy(path: Path) -> np.ndarray:
    """A .npy file, memory-mapped.

    Raises:
        UsageError: for a file that is not .npy, is cut short or empty, or holds no plain numbers.
    """
    shape, dtype = npy_header(path)
    checked_dtype(dtype, f"'{path}'")
    if 0 in shape:
        raise UsageError(f"'{path}' is empty: its shape is {shape}.")
    try:
        with warnings.catch_warnings(action="ignore"):
            mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' is damaged or cut short: {reason_of(error)}.") from error


def open_zarr(path: Path, max_points: int | None = None) -> Any:
    """A zarr array: a folder or a .zip of one array, or of a group that holds one.

    Args:
        path: The folder or file.
        max_points: Most points, beyond those of the chunks that are there.

    Raises:
        UsageError: for anything else, and where zarr is not installed.
    """
    zarr = need("zarr", "Reading zarr", "large")
    store: Any = None
    files = _check_tree(path) if path.is_dir() else _check_members(path)
    try:
        with warnings.catch_warnings(action="ignore"):
            store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
            found = zarr.open(store, mode="r")
            arrays = {path.name: found} if isinstance(found, zarr.Array) else dict(found.arrays())
    except Exception as error:  # every store, codec and format version fails in its own way
        if path.is_file():
            with contextlib.suppress(Exception):  # one that was never opened cannot be closed
                store.close()
        raise UsageError(f"'{path}' is not a readable zarr array: {reason_of(error)}.") from error
    if len(arrays) != 1:
        listed = f"holds the arrays {', '.join(sorted(arrays))}" if arrays else "holds no array at its top level"
        one = f", for example '{path / min(arrays)}'" if arrays and path.is_dir() else ""
        unpack = "" if path.is_dir() else "unpack it, and "
        raise UsageError(f"'{path}' is a zarr group that {listed}; {unpack}give the folder of one array{one}.")
    (array,) = arrays.values()
    _check_chunks(path, array, files, max_points)
    return array


def is_zarr_folder(path: Path) -> bool:
    """Whether a folder is an array or a group of zarr, of format 2 or 3."""
    return path.is_dir() and any((path / name).is_file() for name in _OF_ZARR)


def _check_tree(path: Path) -> int:
    """Refuses a folder in which a pipe or device takes the place of a chunk; returns how many files it has."""
    files = 0
    for folder, _, _ in os.walk(path):
        with os.scandir(folder) as entries:
            for entry in entries:
                files += entry.is_file()
                if not entry.is_file() and not entry.is_dir():
                    check_regular(Path(entry.path))
    return files


def _check_members(path: Path) -> int:
    """Refuses a .zip of which a member would be unpacked to more than a chunk may have; returns how many it has.

    Raises:
        UsageError: also for what is no .zip.
    """
    check_file(path, "a zarr folder or .zip")
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = [member.file_size for member in archive.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UsageError(f"'{path}' is not a readable zarr array: {reason_of(error)}.") from error
    if max(sizes, default=0) > _CHUNK_BYTES:
        raise UsageError(f"'{path}' holds a member of {max(sizes):,} bytes, more than the limit of {_CHUNK_BYTES:,}.")
    return len(sizes)


def _check_chunks(path: Path, array: Any, files: int, max_points: int | None) -> None:
    """Refuses chunks that no array can have, or that memory cannot hold, and an array of which hardly a chunk is there.

    Raises:
        UsageError: names the chunks or the points.
    """
    shape, chunks = tuple(map(int, array.shape)), tuple(map(int, array.chunks))
    dtype = checked_dtype(np.dtype(array.dtype), f"'{path}'")
    if min(chunks, default=1) < 1 or min(shape, default=1) < 0:
        raise UsageError(f"'{path}' is damaged: its chunks have the shape {chunks}.")
    if math.prod(chunks) * dtype.itemsize > _CHUNK_BYTES:
        raise UsageError(
            f"'{path}' has chunks of {'x'.join(map(str, chunks))} {dtype}, more than {_CHUNK_BYTES:,} bytes; use smaller ones."
        )
    stored = files * math.prod(getattr(array, "shards", None) or chunks)
    if math.prod(shape) > 2 * stored:
        check_points(math.prod(shape), path.name, max_points)


def write_npy(array: np.ndarray, path: Path) -> None:
    """Writes a .npy file; a file that is there is replaced in one step."""

    def write(target: Path) -> None:
        with open(target, "wb") as file:
            # Not the file itself: numpy would write past Python then, and not know why the system refused. It goes by blocks anyway.
            np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)

    write_atomically(path, write)


def write_zarr(array: np.ndarray, path: Path) -> None:
    """Writes a zarr folder of one array.

    Raises:
        UsageError: where the folder exists and is not empty, or zarr is not installed.
    """
    zarr = need("zarr", "Writing zarr", "large")

    def write(folder: Path) -> None:
        stored = zarr.create_array(folder, shape=array.shape, dtype=array.dtype, overwrite=True)
        step = stored.chunks[0]
        for start in range(0, len(array), step):
            stored[start : start + step] = array[start : start + step]

    write_folder(path, write)


def write_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` with a temporary folder beside `path`, then moves it into place. Nothing that is there is ever removed.

    It has the permissions that the umask leaves, or those of the empty folder whose place it takes.

    Raises:
        UsageError: where `path` exists and is not an empty folder, or cannot be written.
    """
    try:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise UsageError(f"'{path}' exists and is not an empty folder; give another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.is_dir() else None
        temporary = path.parent / f".{path.stem}-{secrets.token_hex(4)}"
        temporary.mkdir()
    except OSError as error:
        raise UsageError(f"Cannot write to {path.parent}: {error.strerror or error}.") from error
    try:
        write(temporary)
        if mode is not None:
            temporary.chmod(mode)
        temporary.replace(path)  # takes the place of an empty folder
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
