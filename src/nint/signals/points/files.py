"""Reading and writing tables of points: CSV and NPZ."""

from __future__ import annotations

import csv
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from nint.errors import UsageError
from nint.files import reason_of, write_atomically
from nint.signals.grid.gridded import checked_dtype

COORDINATE_NAMES = ("x", "y", "z", "t", "time", "lat", "latitude", "lon", "lng", "longitude")
"""Names of leading columns that are taken for coordinates."""

_DELIMITERS = ",;\t"


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of numbers.

    Attributes:
        rows: `[n, columns]` float64; an empty cell is NaN.
        names: Column names, or () where the file gives none.
    """

    rows: np.ndarray
    names: tuple[str, ...] = ()

    def leading_coordinates(self) -> int:
        """How many leading columns have the name of a coordinate."""
        known = [name.lower() in COORDINATE_NAMES for name in self.names]
        return known.index(False) if False in known else len(known)


def read_csv(path: Path) -> Table:
    """A CSV file with or without a header line; columns are separated by commas, semicolons or tabs.

    Raises:
        UsageError: names the line for a cell that is not a number or a row of another length.
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            if not first.strip():
                raise UsageError(f"'{path}' is empty or starts with an empty line.")
            delimiter = max(_DELIMITERS, key=first.count)
            cells = [cell.strip() for cell in next(csv.reader([first.lstrip("#").strip()], delimiter=delimiter))]
            has_header = not all(_is_number(cell) for cell in cells)
            if not has_header:
                file.seek(0)
            start = file.tell()
            line = 2 if has_header else 1
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # an empty table is said below
                    rows = np.loadtxt(file, delimiter=delimiter, ndmin=2, dtype=np.float64)
            except ValueError:  # empty cells, or a fault that has to be found
                file.seek(start)
                rows = _slowly(path, file, delimiter, line, len(cells))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"'{path}' is not a readable CSV file: {reason_of(error)}.") from error
    if rows.size == 0:
        raise UsageError(f"'{path}' has no rows of numbers.")
    if rows.shape[1] != len(cells):
        raise UsageError(f"'{path}' names {len(cells)} columns but has {rows.shape[1]}.")
    return Table(rows, tuple(cells) if has_header else ())


def read_npz(path: Path, *needed: str) -> list[np.ndarray]:
    """Named arrays of an NPZ file as float64 `[n, columns]`; one without columns becomes one column.

    Raises:
        UsageError: where an array is missing, of another shape, or holds no plain numbers.
    """
    try:
        with open(path, "rb") as opened:  # numpy leaves a damaged file open
            file = np.load(opened, allow_pickle=False)
            names = list(getattr(file, "files", ()))
            missing = [name for name in needed if name not in names]
            if missing:
                raise UsageError(f"'{path}' has no array called {missing[0]}; it holds {', '.join(names) or 'no named arrays'}.")
            found = [file[name] for name in needed]
    except UsageError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"'{path}' is not a readable NPZ file of numbers: {reason_of(error)}.") from error
    for name, array in zip(needed, found, strict=True):
        checked_dtype(array.dtype, f"'{path}': {name}")
        if array.ndim not in (1, 2) or array.size == 0:
            raise UsageError(f"'{path}': {name} has the shape {array.shape}; it must be [n, columns].")
    return [np.asarray(array, np.float64).reshape(len(array), -1) for array in found]


def write_csv(rows: np.ndarray, names: tuple[str, ...], path: Path) -> None:
    """Writes rows below a header of their names."""

    def write(target: Path) -> None:
        with open(target, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(names)
            np.savetxt(file, rows, fmt="%.12g", delimiter=",")

    write_atomically(path, write)


def write_npz(coords: np.ndarray, values: np.ndarray, path: Path) -> None:
    """Writes the arrays coords and values."""

    def write(target: Path) -> None:
        with open(target, "wb") as file:
            np.savez_compressed(file, coords=coords, values=values)

    write_atomically(path, write)


def _slowly(path: Path, file: TextIO, delimiter: str, line: int, columns: int) -> np.ndarray:
    rows = []
    for number, cells in enumerate(csv.reader(file, delimiter=delimiter), line):
        if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
            continue
        if len(cells) != columns:
            raise UsageError(f"'{path}' has {len(cells)} cells in line {number}; the first line has {columns}.")
        bad = next((cell for cell in cells if not _is_number(cell)), None)
        if bad is not None:
            raise UsageError(f"'{path}' has '{bad.strip()}' in line {number}, which is not a number.")
        rows.append([float(cell) if cell.strip() else np.nan for cell in cells])
    return np.array(rows, dtype=np.float64)


def _is_number(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
