"""Opening and writing files of arrays: .npy (memory-mapped), zarr (folder or .zip), TIFF stacks, and folders in one step."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import write_atomically
from nint.signals.grid.gridded import checked_dtype, need, reason_of

_LARGE_TIFF = 2**24


def npy_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type that a .npy file says it has; its numbers are not read.

    Raises:
        UsageError: for a file that is not .npy.
    """
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
        return shape, dtype
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' is not a readable .npy file: {reason_of(error)}.") from error


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
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' is damaged or cut short: {reason_of(error)}.") from error


def open_zarr(path: Path) -> Any:
    """A zarr array: a folder or a .zip of one array, or of a group that holds one.

    Raises:
        UsageError: for anything else, and where zarr is not installed.
    """
    zarr = need("zarr", "Reading zarr", "large")
    store: Any = None
    try:
        store = zarr.storage.ZipStore(path, mode="r") if path.is_file() else path
        found = zarr.open(store, mode="r")
        if isinstance(found, zarr.Array):
            return found
        arrays = dict(found.arrays())
    except Exception as error:  # every store, codec and format version fails in its own way
        if path.is_file():
            with contextlib.suppress(Exception):  # one that was never opened cannot be closed
                store.close()
        raise UsageError(f"'{path}' is not a readable zarr array: {reason_of(error)}.") from error
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    listed = f"holds the arrays {', '.join(sorted(arrays))}" if arrays else "holds no array at its top level"
    raise UsageError(f"'{path}' is a zarr group that {listed}; give the folder of one array.")


def is_large_tiff(path: Path) -> bool:
    """Whether a file is an uncompressed TIFF of more than 2^24 pixels, which is better mapped than read."""
    if path.suffix.lower() not in (".tif", ".tiff") or not path.is_file() or path.stat().st_size <= _LARGE_TIFF:
        return False
    try:
        mapped = map_tiff(path)
    except UsageError:
        return False
    return mapped.ndim in (2, 3) and mapped.shape[0] * mapped.shape[1] > _LARGE_TIFF


def map_tiff(path: Path) -> np.ndarray:
    """The numbers of an uncompressed TIFF, memory-mapped.

    Raises:
        UsageError: for a TIFF that is compressed or tiled, which cannot be mapped.
    """
    import tifffile

    try:
        return tifffile.memmap(path, mode="r")
    except Exception as error:  # tifffile fails in any way on damaged files
        raise UsageError(f"'{path}' cannot be read in place as an array: {reason_of(error)}; an uncompressed TIFF can.") from error


def write_npy(array: np.ndarray, path: Path) -> None:
    """Writes a .npy file; a file that is there is replaced in one step."""

    def write(target: Path) -> None:
        with open(target, "wb") as file:  # a memory-mapped array is copied by the file, not through memory
            np.save(file, array, allow_pickle=False)

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

    Raises:
        UsageError: where `path` exists and is not an empty folder, or cannot be written.
    """
    try:
        if path.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise UsageError(f"'{path}' exists and is not an empty folder; give another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.stem}-", dir=path.parent))
    except OSError as error:
        raise UsageError(f"Cannot write to {path.parent}: {error.strerror or error}.") from error
    try:
        write(temporary)
        temporary.chmod(0o755)
        temporary.replace(path)  # takes the place of an empty folder
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
