"""What the folder of a run tells while it trains: state, curve, the newest picture and batch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nint.errors import NintError
from nint.files import load_tensors, loads
from nint.report import facts
from nint.report.curves import clean_rows
from nint.runs.contents import CHECKPOINT, LIVE_PICTURE, LIVE_STATE, MODEL, RECORD, SNAPSHOTS
from nint.runs.snapshots import Snapshot, load_snapshot
from nint.signals.base import Layout

DEEPEST, MOST_RUNS = 3, 24
"""How far below a folder runs are looked for, and how many are shown."""

_FILES = (LIVE_STATE, RECORD, CHECKPOINT)


@dataclass
class WatchedRun:
    """One run, whose files are read again when they have changed.

    Attributes:
        folder: Of the run.
        name: Its folder, as the page calls it.
    """

    folder: Path
    name: str
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    _parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    _layout: Layout | None = None
    _newest: tuple[tuple[int, int], Path, Snapshot] | None = None

    def state(self) -> dict[str, Any]:
        """Step, seconds, curve and settings as JSON takes them; what no file tells is missing."""
        for name in _FILES:
            self._refresh(name)
        live, record, checkpoint = (self._parts.get(name, {}) for name in _FILES)
        if self._seen.get(RECORD, (0, 0)) > self._seen.get(LIVE_STATE, (0, 0)):  # left by a run that was killed, and gone on without it
            live = {}
        done = bool(record) and not live  # live.json goes with the end of the run
        rows = max((clean_rows(part.get("curve")) for part in (live, record, checkpoint)), key=lambda found: _last(found))
        newest = max((live, record, checkpoint), key=lambda part: facts.number(part, "step") or facts.number(part, "steps") or 0)
        settings = facts.part(record, "settings") or facts.part(checkpoint, "settings")
        step = facts.number(newest, "step") or facts.number(newest, "steps")
        return {
            "name": self.name,
            "input": str(settings.get("input") or ""),
            "sampler": str(settings.get("sampler") or ""),
            "field": str(settings.get("field") or ""),
            "step": step,
            "training_seconds": facts.number(newest, "training_seconds"),
            "done_part": 1.0 if done else facts.number(live, "done_part"),
            "ended": str(record.get("stopped") or "ended") if done else "",
            "rows": rows,
        }

    def newest(self) -> Snapshot | None:
        """The newest reconstruction with its batch; None where there is none."""
        paths = [self.folder / LIVE_PICTURE, *sorted((self.folder / SNAPSHOTS).glob("step-*.npz"))[-1:]]
        stamps = {path: stamp for path in paths if (stamp := _stamp(path)) is not None}
        if not stamps:
            return None
        path = max(stamps, key=lambda path: stamps[path])
        if self._newest is None or self._newest[0] != stamps[path] or self._newest[1] != path:
            found = load_snapshot(path)
            if found is None:  # replaced at this moment, or damaged
                return None if self._newest is None else self._newest[2]
            self._newest = (stamps[path], path, found)
        return self._newest[2]

    def layout(self) -> Layout | None:
        """The layout of the signal, from the header of checkpoint or model; None where neither can be read yet."""
        if self._layout is None:
            from nint.signals.open import layout_from_json

            for name in (CHECKPOINT, MODEL):
                try:
                    self._layout = layout_from_json(load_tensors(self.folder / name)[1]["layout"])
                    break
                except (NintError, KeyError):
                    continue
        return self._layout

    def _refresh(self, name: str) -> None:
        """Reads a file again where it has changed; what cannot be read keeps its last content."""
        path = self.folder / name
        stamp = _stamp(path)
        if stamp is None:
            self._parts.pop(name, None)
            self._seen.pop(name, None)
        elif self._seen.get(name) != stamp:
            try:
                self._parts[name] = _of_checkpoint(path) if name == CHECKPOINT else _of_json(path)
                self._seen[name] = stamp
            except (NintError, OSError, ValueError):
                return


def runs_in(folder: Path) -> list[WatchedRun]:
    """The runs of `nint fit` in a folder: itself, or folders below it, by name; of more than `MOST_RUNS` those written to last."""
    shown = sorted(sorted(_all_runs(folder), key=_last_written)[-MOST_RUNS:])
    return [WatchedRun(path, path.resolve().name if path == folder else path.relative_to(folder).as_posix()) for path in shown]


def count_runs(folder: Path) -> int:
    """How many runs lie in a folder, those that are not shown included."""
    return len(_all_runs(folder))


def _last_written(folder: Path) -> int:
    """When the newest of the files that tell of a run was written, in nanoseconds."""
    return max((stamp[0] for name in _FILES if (stamp := _stamp(folder / name)) is not None), default=0)


def _all_runs(folder: Path) -> list[Path]:
    if _is_run(folder):
        return [folder]
    found: list[Path] = []
    level = [folder]
    for _ in range(DEEPEST):
        level = [path for parent in level for path in _folders(parent)]
        found += [path for path in level if _is_run(path)]
        level = [path for path in level if not _is_run(path)]
    return found


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (CHECKPOINT, RECORD, LIVE_STATE))


def _folders(parent: Path) -> list[Path]:
    try:
        return [path for path in parent.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")]
    except OSError:
        return []


def _of_json(path: Path) -> dict[str, Any]:
    found = loads(path.read_text(encoding="utf-8"), path.name)
    return found if isinstance(found, dict) else {}


def _of_checkpoint(path: Path) -> dict[str, Any]:
    _, header = load_tensors(path)
    resume = facts.part(header, "resume")
    return {
        "settings": facts.part(header, "settings"),
        "step": resume.get("step"),
        "training_seconds": resume.get("training_s"),
        "curve": resume.get("curve"),
    }


def _stamp(path: Path) -> tuple[int, int] | None:
    """When a file was written, and its size; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _last(rows: list[dict[str, Any]]) -> float:
    return float(rows[-1]["step"]) if rows else -1.0
