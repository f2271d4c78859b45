"""Lines of JSON that are appended one by one, so that what was written before a stop is never lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from nint.errors import UsageError


def plain(value: Any) -> Any:
    """A value as JSON gives it back; infinities and NaN become null."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


def append_line(path: Path, value: Any) -> None:
    """Adds one line of JSON to a file, on disk before this returns.

    Args:
        path: The file; it and its folder are made if needed.
        value: Without infinities and NaN.

    Raises:
        UsageError: where the file cannot be written.
    """
    line = json.dumps(value, allow_nan=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab+") as file:
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line that a kill cut short must not swallow this one
                    file.write(b"\n")
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(f"Cannot write {path}: {error.strerror or error}.") from error
