"""Points in NPZ files."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, reason_of, write_atomically
from nint.settings import whole
from nint.signals.grid.grid_layout import checked_dtype
from nint.signals.limits import check_points
from nint.signals.points.csv_files import shown

_NAMES_SHOWN = 10
_MOST_COMPRESSED = 2**26  # numbers


def read_npz(path: Path, *needed: str, max_points: int | None = None) -> list[np.ndarray]:
    """Named arrays of an NPZ file as they are stored, `[n, columns]`; one without columns becomes one column.

    Args:
        path: The file.
        *needed: Names of the arrays.
        max_points: Most numbers that a compressed array may claim to hold; 2^26 where None.

    Raises:
        UsageError: where an array is missing, damaged, of another shape, holds no plain numbers, or claims more than the limit.
    """
    check_file(path, "an NPZ file")
    most = _MOST_COMPRESSED if max_points is None else whole(max_points, "max_points")
    try:
        with warnings.catch_warnings(), zipfile.ZipFile(path) as archive:
            warnings.simplefilter("ignore")
            members = [info.filename.removesuffix(".npy") for info in archive.infolist()]
            doubled = next((name for name in needed if members.count(name) > 1), None)
            if doubled is not None:
                raise UsageError(f"'{path}' has two arrays called {doubled}; leave one of them.")
            held = {info.filename.removesuffix(".npy"): info for info in archive.infolist() if info.filename.endswith(".npy")}
            missing = [name for name in needed if name not in held]
            if missing:
                names = ", ".join(shown(name) for name in list(held)[:_NAMES_SHOWN])
                raise UsageError(f"'{path}' has no array called {missing[0]}; it holds {names or 'no named arrays'}.")
            found = [_member(path, archive, held[name], name, most) for name in needed]
    except UsageError:
        raise
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except Exception as error:  # zipfile, zlib, lzma and NumPy each fail in ways of their own on damaged files
        raise UsageError(f"'{path}' is not a readable NPZ file of numbers: {reason_of(error)}.") from error
    return [array.reshape(len(array), -1) for array in found]


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, most: int) -> np.ndarray:
    """An array of the archive, its size checked against the member's before it is allocated.

    Raises:
        UsageError: for what is no array `[n, columns]` of plain numbers, or too many of them.
    """
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(member)
        checked_dtype(dtype, f"'{path}': {name}")
        numbers = math.prod(shape)
        if len(shape) not in (1, 2) or min(shape) < 1:
            raise UsageError(f"'{path}': {name} has the shape {shape}; it must be [n, columns].")
        if numbers * dtype.itemsize > info.file_size:
            raise UsageError(f"'{path}' is damaged: {name} promises {numbers:,} numbers in {info.file_size:,} bytes.")
        if info.file_size > path.stat().st_size:
            check_points(numbers, path, most)
    with archive.open(info) as member:
        array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        member.read()  # to the end, where the checksum is compared
        return array


def write_npz(coords: np.ndarray, values: np.ndarray, path: Path) -> None:
    """Writes the arrays coords and values."""

    def write(target: Path) -> None:
        with open(target, "wb") as file:
            np.savez_compressed(file, coords=coords, values=values)

    write_atomically(path, write)
