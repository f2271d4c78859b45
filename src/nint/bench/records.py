"""`runs.jsonl`: one line a run, appended when the run ends, so that a comparison can be stopped and gone on with."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.errors import UsageError

_KEPT = ("field", "sampler", "seed", "error", "record")


@dataclass(frozen=True)
class RunResult:
    """One run of a comparison.

    Attributes:
        field: Text form.
        sampler: Text form.
        seed: Of the start weights and of the sampler.
        error: Why it failed, or None.
        record: Settings, versions, machine, timings, counts and the curve, as in the record of a fit; plus command, launch,
            setup_seconds (building network, pool and sampler; not in training_seconds) and the order of the runs that were interleaved.
    """

    field: str
    sampler: str
    seed: int
    error: str | None
    record: dict[str, Any]

    @property
    def curve(self) -> list[dict[str, Any]]:
        return self.record.get("curve", [])

    def answers(self, wanted: dict[str, Any], at: tuple[int, ...]) -> bool:
        """Whether this run needs no repetition.

        Args:
            wanted: `identity` of the run that is wanted.
            at: Steps at which it must have been evaluated.
        """
        return self.error is None and self.record.get("identity") == plain(wanted) and set(at) <= {row["step"] for row in self.curve}


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


def append(path: Path, result: RunResult) -> None:
    """Adds a line, on disk before this returns.

    Raises:
        UsageError: where the file cannot be written.
    """
    append_line(path, plain(dataclasses.asdict(result)))


def read(path: Path) -> tuple[list[RunResult], list[str]]:
    """Reads what `append` wrote; of runs that are there twice the last counts.

    Returns:
        The runs, and one sentence for each line that cannot be read.
    """
    found: dict[str, RunResult] = {}
    problems = []
    if not path.exists():
        return [], []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            result = RunResult(**{name: values[name] for name in _KEPT})
            key = json.dumps([result.field, result.sampler, result.seed, result.record["identity"]], sort_keys=True)
            [(row["step"], row["training_seconds"], row["units"]) for row in result.curve]  # what the tables cannot do without
        except (ValueError, KeyError, TypeError, AttributeError):
            problems.append(f"Line {number} of {path} cannot be read and is left out; its run is repeated if it is needed.")
            continue
        found.pop(key, None)
        found[key] = result
    return list(found.values()), problems
