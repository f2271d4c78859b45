"""Where finished runs lie: one line each in `runs.jsonl`, from which every table and figure is made."""

from __future__ import annotations

import json
import zlib
from pathlib import Path, PurePath
from typing import Any

from nint.bench import older
from nint.bench.records import append_line, plain
from nint.errors import UsageError
from nint.files import loads
from nint.runs.older import with_current_names

RECORDS = "runs.jsonl"
RUNS = "runs"
_NEEDED = ("step", "training_seconds", "forward_equivalents")
"""What a row of a curve must have; tables cannot do without it."""

_CHECKSUM = "checksum"
"""Key of a line: by it a record that was changed is found. Lines up to version 0.1.0 have none."""


class Store:
    """Finished and failed runs in a folder.

    Args:
        folder: The folder; made when something is written.

    Attributes:
        problems: One sentence for each line that could not be read; its run is repeated when it is wanted.
        older: Whether lines are those of a comparison up to version 0.1.0. They can be reported on, but not gone on with.

    Raises:
        UsageError: where the file is there and cannot be read.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.problems: list[str] = []
        self.older = False
        self._records: dict[str, dict[str, Any]] = {}
        self._read()

    @property
    def path(self) -> Path:
        """The file of the records."""
        return self.folder / RECORDS

    def records(self) -> dict[str, dict[str, Any]]:
        """Key of a run -> its record; of one that was written twice the last. A failed run has its `error`."""
        return dict(self._records)

    @property
    def experiment(self) -> str:
        """The command that its runs are of: "compare" or "bench"; "" of none."""
        first: dict[str, Any] = next(iter(self._records.values()), {})
        return str(first.get("experiment", "bench")) if first else ""

    def place(self, key: str) -> Path:
        """Where a kept run's model.safetensors and step-*.npz lie."""
        return self.folder / RUNS / str(self._records.get(key, {}).get(older.PLACE, key))

    def append(self, record: dict[str, Any]) -> None:
        """Adds a record, on disk before this returns; infinities and NaN become null.

        Raises:
            UsageError: where the file cannot be written.
        """
        record = plain(record)
        append_line(self.path, record | {_CHECKSUM: _checksum(record)})
        self._keep(record)

    def _keep(self, record: dict[str, Any]) -> None:
        self._records.pop(record["key"], None)
        self._records[record["key"]] = record

    def _read(self) -> None:
        if not self.path.exists():
            return
        try:
            lines = self.path.read_bytes().splitlines()
        except OSError as error:
            raise UsageError(f"Cannot read {self.path}: {error.strerror or error}.") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                self._keep(self._checked(loads(line.decode("utf-8"), self.path.name)))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                self.problems.append(f"Line {number} of {self.path} cannot be read and is left out; its run is repeated if it is needed.")

    def _checked(self, line: Any) -> dict[str, Any]:
        """A line as a record.

        Raises:
            TypeError: for anything else; likewise KeyError and others of what a line may lack.
        """
        record = dict(line)
        if record.pop(_CHECKSUM, None) not in (None, _checksum(record)):
            raise TypeError("it has been changed")
        record = with_current_names(record)
        if older.is_older(record):
            record = with_current_names(older.as_record(record))
            self.older = True
        elif older.PLACE in record:
            raise TypeError(f"{older.PLACE} is not for a file to say")
        key, spec = record["key"], record["spec"]
        if not (isinstance(key, str) and key == PurePath(key).name and key.strip(".") and isinstance(spec, dict)):
            raise TypeError("no key that could name a folder, or no spec")
        [row[name] + 0.0 for row in record["curve"] for name in _NEEDED]
        record.setdefault("error", None)
        return record


def _checksum(record: dict[str, Any]) -> str:
    return f"{zlib.crc32(json.dumps(record, sort_keys=True).encode()):08x}"
