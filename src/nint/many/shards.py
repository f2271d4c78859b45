"""Shards: safetensors files of a few hundred fields of one shape each, every parameter stacked along a first axis of rows.

A shard is the truth about its fields: its header holds their rows of the index, which can be made again from it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import reason_of, write_atomically
from nint.version import __version__

FORMAT = 1
FOLDER = "shards"
MOST_FIELDS = 256
MOST_BYTES = 2**26
_KEY = "nint"
_ASIDE = "damaged-"
_OF_A_ROW = {"id", "source", "metrics"}
"""What a row must say for the index to be made from it."""

State = dict[str, np.ndarray]


class DamagedShardError(UsageError):
    """The content of a shard is not what it should be; not that the system refuses to open it."""


def shape_of(state: State) -> tuple[Any, ...]:
    """What the fields of one shard have in common: names, shapes and types."""
    return tuple((name, tuple(value.shape), value.dtype.str) for name, value in state.items())


def room_in(shape: tuple[Any, ...]) -> int:
    """Fields of that shape that a shard takes."""
    size = sum(int(np.prod(dims)) * np.dtype(kind).itemsize for _, dims, kind in shape)
    return max(min(MOST_BYTES // max(int(size), 1), MOST_FIELDS), 1)


@dataclass
class Shard:
    """One shard in memory.

    Attributes:
        name: Relative to the dataset, with slashes.
        shape: Of its fields.
        rows: Of the index, in order, without shard and row.
        states: Of its fields, in order.
    """

    name: str
    shape: tuple[Any, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    states: list[State] = field(default_factory=list)

    @property
    def room(self) -> int:
        """How many more fields it takes."""
        return room_in(self.shape) - len(self.rows)

    def write(self, folder: Path) -> None:
        """Writes it into a dataset's folder, atomically.

        Raises:
            UsageError: where it cannot be written.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        tensors = {name: np.ascontiguousarray(np.stack([state[name] for state in self.states])) for name, _, _ in self.shape}
        header = {"format": FORMAT, "nint": __version__, "names": [name for name, _, _ in self.shape], "rows": self.rows}
        metadata = {_KEY: json.dumps(header)}
        try:
            write_atomically(folder / self.name, lambda target: save_file(tensors, str(target), metadata=metadata))
        except SafetensorError as error:
            raise UsageError(f"Cannot write {folder / self.name}: {error}.") from error


@dataclass(frozen=True)
class Header:
    """What a shard says of itself.

    Attributes:
        name: Relative to the dataset.
        names: Of the parameters, in the order of the network.
        shape: Of its fields.
        rows: Of the index.
    """

    name: str
    names: tuple[str, ...]
    shape: tuple[Any, ...]
    rows: tuple[dict[str, Any], ...]


def read_header(folder: Path, name: str) -> Header:
    """The header of a shard; its length must be that of its tensors.

    Raises:
        DamagedShardError: for a shard that is cut short, damaged or no shard.
        UsageError: for one that is missing, cannot be opened or is of a newer version.
    """
    from safetensors import SafetensorError

    path = folder / name
    try:
        with open(path, "rb"):  # safetensors says that a file is missing where the system refuses it for any reason
            pass
        return _header(path, name)
    except UsageError:
        raise
    except OSError as error:
        raise UsageError(f"{path} cannot be opened: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedShardError(
            f"{path} is not a readable shard (truncated, corrupt or another kind of file): {reason_of(error)}."
        ) from error


def _header(path: Path, name: str) -> Header:
    """The header of a shard that is sound.

    Raises:
        UsageError: for one of a newer version.
        ValueError: where rows and tensors do not fit; likewise others of what a damaged file may lack.
    """
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        told = json.loads((file.metadata() or {}).get(_KEY, "null"))
        if told["format"] > FORMAT:
            raise UsageError(f"{path} was written by a newer nint ({told.get('nint')}); this is {__version__}.")
        slices = {key: file.get_slice(key) for key in told["names"]}
        lengths = {value.get_shape()[0] for value in slices.values()}
        rows = tuple(dict(row) for row in told["rows"])
        if lengths != {len(rows)} or not all(row.keys() >= _OF_A_ROW for row in rows):
            raise ValueError("its rows and tensors do not fit")
        shape = tuple((key, tuple(value.get_shape()[1:]), _dtype(value.get_dtype())) for key, value in slices.items())
        return Header(name, tuple(told["names"]), shape, rows)


_DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1", "C64": "<c8"}


def _dtype(name: str) -> str:
    return _DTYPES[name]


def read_shard(folder: Path, header: Header) -> Shard:
    """A shard, to add fields to.

    Raises:
        UsageError: for one that cannot be read any more.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = folder / header.name
    try:
        tensors = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} cannot be read: {reason_of(error)}.") from error
    states = [{name: tensors[name][row] for name in header.names} for row in range(len(header.rows))]
    return Shard(header.name, header.shape, list(header.rows), states)


def set_aside(folder: Path, name: str) -> str:
    """Gives a damaged shard a name under which it is none, since something may still be saved from it; returns the name.

    Raises:
        UsageError: where it cannot be renamed.
    """
    path = folder / name
    kept = path.with_name(f"{_ASIDE}{path.name}")
    try:
        path.replace(kept)
    except OSError as error:
        raise UsageError(f"{path} is damaged and cannot be renamed to {kept.name}: {error.strerror or error}.") from error
    return kept.relative_to(folder).as_posix()


def shard_names(folder: Path) -> list[str]:
    """The shards of a dataset, in order; one that a kill left half-written is none."""
    return sorted(path.relative_to(folder).as_posix() for path in (folder / FOLDER).glob("[0-9]*.safetensors"))


def numbered(number: int) -> str:
    """Name of a shard."""
    return f"{FOLDER}/{number:06d}.safetensors"


def next_number(folder: Path) -> int:
    """The number of the next shard, beyond all that are there or were set aside."""
    stems = [path.stem.removeprefix(_ASIDE) for path in (folder / FOLDER).glob("*.safetensors")]
    return max((int(stem) for stem in stems if stem.isascii() and stem.isdigit()), default=-1) + 1
