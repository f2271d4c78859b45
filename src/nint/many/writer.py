"""Writing a dataset as it grows: each batch is in a shard before the next one is asked for, the index follows within seconds."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import write_json
from nint.many.batch import Fitted
from nint.many.described import failures_told
from nint.many.index import read_index, write_index
from nint.many.shards import (
    DamagedShardError,
    Header,
    Shard,
    next_number,
    numbered,
    read_header,
    read_shard,
    set_aside,
    shape_of,
    shard_names,
)
from nint.runs.contents import FAILED, NOTES

_INDEX_SHARE = 20
"""The index is written again once so many times its own writing has passed, and a second at least."""

Splits = dict[str, float]
"""Name -> fraction of the signals; together 1."""


class Writer:
    """The fields of a dataset's folder.

    What a kill left is mended as it is opened: shards whose content is damaged are set aside, so that their signals are fitted again, and
    the index is made from the shards.

    Args:
        folder: The folder, which this process alone writes into.
        splits: How signals are divided.

    Attributes:
        problems: One sentence for each thing that was mended.
        sources: Id -> source of every field that is there.

    Raises:
        UsageError: for a shard that cannot be opened, or of a newer version; nothing is changed then.
    """

    def __init__(self, folder: Path, splits: Splits) -> None:
        self.folder, self._splits = folder, splits
        self.problems: list[str] = []
        self.sources: dict[str, str] = {}
        self._rows: list[dict[str, Any]] = []
        self._failed: dict[str, dict[str, str]] = {}
        self._open: dict[tuple[Any, ...], Shard | Header] = {}
        self._next = next_number(folder)
        self._written_at, self._writing_s = 0.0, 0.0
        self._mend()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def failed(self) -> list[dict[str, str]]:
        """Signals without a field: id, source and error."""
        return list(self._failed.values())

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Of the index."""
        return list(self._rows)

    def _mend(self) -> None:
        found: dict[str, Header | DamagedShardError] = {}
        for name in shard_names(self.folder):
            try:
                found[name] = read_header(self.folder, name)
            except DamagedShardError as error:
                found[name] = error
        for name, header in found.items():
            if isinstance(header, DamagedShardError):
                self.problems.append(f"{header} It is kept as {set_aside(self.folder, name)}, and its signals are fitted again.")
                continue
            for number, row in enumerate(header.rows):
                if row["id"] not in self.sources:
                    self._keep(row, name, number)
            if Shard(name, header.shape, list(header.rows)).room > 0:
                self._open[header.shape] = header
        self._check_index()
        self._failed = {one["id"]: one for one in failures_told(self.folder) or []}

    def _check_index(self) -> None:
        """Makes the index again where it does not say what the shards hold."""
        try:
            table = read_index(self.folder)
            told = list(zip(*(table.column(name).to_pylist() for name in ("id", "shard", "row")), strict=True))
        except UsageError as error:
            if self._rows and "damaged" in str(error):
                self.problems.append("The index was cut short or damaged; it is made again from the shards.")
            told = []
        if told != [(row["id"], row["shard"], row["row"]) for row in self._rows] and self._rows:
            self.write_index()

    def _keep(self, row: dict[str, Any], shard: str, number: int) -> None:
        self._rows.append(row | {"shard": shard, "row": number})
        self.sources[row["id"]] = row["source"]

    def add(self, outcomes: Iterable[Fitted]) -> None:
        """Adds what a batch has given; it is on disk when this returns.

        Raises:
            UsageError: where it cannot be written; the writer is not to be added to any more then, but its index may be written.
        """
        changed: dict[str, Shard] = {}
        added: dict[str, tuple[dict[str, Any], str, int]] = {}
        for one in outcomes:
            if one.error:
                self._failed[one.id] = {"id": one.id, "source": one.source, "error": one.error}
                continue
            self._failed.pop(one.id, None)
            if one.id in self.sources or one.id in added:  # a worker that was given up for dead has come back
                continue
            shard = self._shard_for(shape_of(one.state))
            shard.rows.append(one.row | {"split": split_of(one.id, self._splits)})
            shard.states.append(one.state)
            added[one.id] = shard.rows[-1], shard.name, len(shard.rows) - 1
            changed[shard.name] = shard
        written = set()
        try:
            for shard in changed.values():
                shard.write(self.folder)
                written.add(shard.name)
        finally:  # only now, so that the index never tells of a field that is on no disk
            for row, name, number in added.values():
                if name in written:
                    self._keep(row, name, number)
        now = time.perf_counter()
        if changed and now - self._written_at > max(1.0, _INDEX_SHARE * self._writing_s):
            self.write_index()

    def _shard_for(self, shape: tuple[Any, ...]) -> Shard:
        """The shard that takes the next field of a shape."""
        found = self._open.get(shape)
        if isinstance(found, Header):
            found = read_shard(self.folder, found)
        if found is None or found.room <= 0:
            found = Shard(numbered(self._next), shape)
            self._next += 1
        self._open[shape] = found
        return found

    def write_index(self) -> None:
        """Writes the index and the lists of failures and of notes.

        Raises:
            UsageError: where they cannot be written.
        """
        began = time.perf_counter()
        write_index(self.folder, self._rows)
        write_json(self.folder / FAILED, {"signals": self.failed})
        write_json(self.folder / NOTES, {"signals": [{"id": row["id"], "notes": row["notes"]} for row in self._rows if row.get("notes")]})
        self._written_at = time.perf_counter()
        self._writing_s = self._written_at - began


def split_of(id: str, splits: Splits) -> str:
    """The split of a signal: by a hash of its id, so that neither order nor what comes later changes it."""
    place = int.from_bytes(hashlib.sha256(id.encode()).digest()[:8], "big") / 2**64
    reached = 0.0
    for name, share in splits.items():
        reached += share
        if place < reached:
            return name
    return next(reversed(splits))


def parse_splits(text: str | None) -> Splits:
    """Splits from a text such as "train=0.8,val=0.1,test=0.1"; None is all in "train".

    Raises:
        UsageError: for what cannot be read, or does not sum to 1.
    """
    if text is None:
        return {"train": 1.0}
    found: Splits = {}
    for part in str(text).split(","):
        name, _, share = part.partition("=")
        try:
            found[name.strip()] = float(share)
        except ValueError:
            raise UsageError(f"--splits {text} cannot be read; write NAME=FRACTION,..., for example train=0.9,test=0.1.") from None
    if any(not name or not 0 < share <= 1 for name, share in found.items()) or abs(sum(found.values()) - 1) > 1e-6:
        raise UsageError(f"--splits {text}: the fractions must be above 0 and sum to 1, for example train=0.9,test=0.1.")
    return found
