"""Tables of points in CSV files."""

from __future__ import annotations

import csv
import math
import warnings
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, reason_of, write_atomically

COORDINATE_NAMES = ("x", "y", "z", "t", "time", "lat", "latitude", "lon", "lng", "longitude")
"""Names of leading columns that are taken for coordinates."""
_DELIMITERS = ",;\t"
_NO_VALUE = ("na", "n/a", "#n/a", "<na>", "null", "none", "missing", "-", "--", "?", ".")
_LONGEST_LINE = 2**20
_LONGEST_SHOWN = 40
_MOST_COLUMNS = 4096
_BLOCK = 2**16
_DIGITS = 15  # whole numbers of so many digits are exact in 64-bit floats
EXACT = 2.0**53
"""Whole numbers up to this are exact in 64-bit floats."""


@dataclass(frozen=True, eq=False)
class Table:
    """Rows of numbers.

    Attributes:
        rows: `[n, columns]` float64; an empty cell is NaN.
        names: Column names, or () where the file gives none.
        exact: False where the file has whole numbers with more digits than a 64-bit float holds.
    """

    rows: np.ndarray
    names: tuple[str, ...] = ()
    exact: bool = True

    def leading_coordinates(self) -> int:
        """How many leading columns have the name of a coordinate."""
        known = [name.lower() in COORDINATE_NAMES for name in self.names]
        return known.index(False) if False in known else len(known)

    def check_columns(self, path: Path) -> None:
        """Refuses columns that cannot be told apart or hold nothing.

        Raises:
            UsageError: for a name that two columns have, and for an empty last column without a name.
        """
        refuse_doubled(path, tuple(filter(None, self.names)))
        if np.isnan(self.rows[:, -1]).all() and not (self.names and self.names[-1]):
            raise UsageError(
                f"'{path}' has an empty last column (number {self.rows.shape[1]}) without a name, as where lines end in a separator; "
                "remove the separator at the ends of the lines."
            )


def refuse_doubled(path: Path, names: Sequence[str]) -> None:
    """Refuses a table two columns of which have the same name.

    Raises:
        UsageError: says which.
    """
    doubled = next((name for name, count in Counter(names).items() if count > 1), None)
    if doubled is not None:
        raise UsageError(f"'{path}' has two columns called {shown(doubled)}; give each a name of its own.")


def names_in(path: Path) -> tuple[str, ...]:
    """Names of the columns of a CSV file, () where it gives none; only its first line is read.

    Raises:
        UsageError: for a file that cannot be read.
    """
    check_file(path, "a CSV file")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            cells = _first_line(file, path)[0]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"'{path}' is not a readable CSV file: {reason_of(error)}.") from error
    return tuple(cells) if _are_names(cells) else ()


def _first_line(file: TextIO, path: Path) -> tuple[list[str], str]:
    """The cells of the first line of a CSV file, and what separates them.

    Raises:
        UsageError: for a line that is empty or too long, and too many columns.
    """
    first = file.readline(_LONGEST_LINE)
    if not first.strip():
        raise UsageError(f"'{path}' is empty or starts with an empty line.")
    if len(first) == _LONGEST_LINE:
        raise UsageError(f"'{path}' is not a CSV file: its first line has more than a million characters.")
    delimiter = max(_DELIMITERS, key=first.count)
    cells = [printable(cell.strip()) for cell in next(csv.reader([first.lstrip("#").strip()], delimiter=delimiter))]
    if len(cells) > _MOST_COLUMNS:
        raise UsageError(f"'{path}' has {len(cells):,} columns, more than the limit of {_MOST_COLUMNS:,}.")
    return cells, delimiter


def read_csv(path: Path) -> Table:
    """A CSV file with or without a header line; columns are separated by commas, semicolons or tabs.

    The first line is a header where none of its cells is a number, or the leading one is a name.

    Raises:
        UsageError: names the line for a cell that is not a number or a row of another length.
    """
    check_file(path, "a CSV file")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            cells, delimiter = _first_line(file, path)
            has_header = _are_names(cells)
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
            exact = True
            if rows.size and np.nanmax(np.abs(rows), initial=0.0) >= EXACT:
                file.seek(start)
                exact = _holds_integers(file, delimiter)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"'{path}' is not a readable CSV file: {reason_of(error)}.") from error
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    if rows.size == 0:
        raise UsageError(f"'{path}' has no rows of numbers.")
    if rows.shape[1] != len(cells):
        raise UsageError(f"'{path}' names {len(cells)} columns but has {rows.shape[1]}.")
    return Table(rows, tuple(cells) if has_header else (), exact)


def write_csv(rows: np.ndarray, names: tuple[str, ...], path: Path) -> None:
    """Writes rows below a header of their names, each number with the fewest digits that give it back exactly."""

    def write(target: Path) -> None:
        with open(target, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerow(names)
            for start in range(0, len(rows), _BLOCK):
                block = rows[start : start + _BLOCK].tolist()
                file.writelines(",".join(map(exact_text, row)) + "\n" for row in block)

    write_atomically(path, write)


def exact_text(number: float) -> str:
    """The fewest digits that give a number back exactly; whole numbers without a point."""
    return repr(number).removesuffix(".0")


def printable(text: str) -> str:
    """A text of the file with a question mark for each character that cannot be printed."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def shown(text: str) -> str:
    """A text of the file as messages show it: what can be printed of its first 40 characters."""
    return printable(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "...")


def _slowly(path: Path, file: TextIO, delimiter: str, line: int, columns: int) -> np.ndarray:
    """Rows of a table with empty cells, `[n, columns]`.

    Raises:
        UsageError: names the first line that is not a row of numbers.
    """
    numbers = array("d")
    for number, cells in enumerate(csv.reader(file, delimiter=delimiter), line):
        if not any(cell.strip() for cell in cells) or cells[0].lstrip().startswith("#"):
            continue
        if len(cells) != columns:
            raise UsageError(f"'{path}' has {len(cells)} cells in line {number}; the first line has {columns}.")
        bad = next((cell for cell in cells if not _is_number(cell)), None)
        if bad is not None:
            raise UsageError(f"'{path}' has '{shown(bad.strip())}' in line {number}, which is not a number.")
        numbers.extend(float(cell) if cell.strip() else math.nan for cell in cells)
    return np.frombuffer(numbers, np.float64).reshape(-1, columns).copy()


def _holds_integers(file: TextIO, delimiter: str) -> bool:
    """Whether every whole number of a file is one of the 64-bit floats."""
    for cells in csv.reader(file, delimiter=delimiter):
        for cell in cells:
            word = cell.strip().removeprefix("-")
            if len(word) > _DIGITS and word.isdecimal() and int(word[:_LONGEST_SHOWN]) != float(word[:_LONGEST_SHOWN]):
                return False
    return True


def _are_names(cells: list[str]) -> bool:
    """Whether a first row is a header. A row of data may lack a number: "0.5, 1, NA". A header may have some: "station, 2019, 2020"."""
    words = [cell for cell in cells if not _is_number(cell)]
    if len(words) == sum(bool(cell.strip()) for cell in cells):
        return bool(words)
    return cells[0] in words and cells[0].lower() not in _NO_VALUE


def _is_number(cell: str) -> bool:
    if not cell.strip():
        return True
    try:
        float(cell)
    except ValueError:
        return False
    return True
