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
from nint.files import loads, reason_of, write_atomically
from nint.version import __version__

FORMAT = 1
FOLDER = "shards"
MOST_FIELDS = 256
MOST_BYTES = 2**26
_KEY = "nint"

State = dict[str, np.ndarray]


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
        UsageError: for a shard that is missing, cut short, damaged or no shard.
    """
    from safetensors import SafetensorError

    path = folder / name
    try:
        return _header(path, name)
    except UsageError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not a readable shard (truncated, corrupt or another kind of file): {reason_of(error)}.") from error


def _header(path: Path, name: str) -> Header:
    """The header of a shard that is sound.

    Raises:
        UsageError: for one of a newer version.
        ValueError: where rows and tensors do not fit; likewise others of what a damaged file may lack.
    """
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        told = loads((file.metadata() or {}).get(_KEY, "null"), str(path))
        slices = {key: file.get_slice(key) for key in told["names"]}
        lengths = {value.get_shape()[0] for value in slices.values()}
        if told["format"] > FORMAT:
            raise UsageError(f"{path} was written by a newer nint ({told.get('nint')}); this is {__version__}.")
        if lengths != {len(told["rows"])}:
            raise ValueError("its rows and tensors do not fit")
        shape = tuple((key, tuple(value.get_shape()[1:]), _dtype(value.get_dtype())) for key, value in slices.items())
        return Header(name, tuple(told["names"]), shape, tuple(dict(row) for row in told["rows"]))


_DTYPES = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "|u1", "BOOL": "|b1", "C64": "<c8"}


def _dtype(name: str) -> str:
    return _DTYPES[name]


def read_shard(folder: Path, header: Header) -> Shard:
    """A shard, to add fields to."""
    from safetensors.numpy import load_file

    tensors = load_file(str(folder / header.name))
    states = [{name: tensors[name][row] for name in header.names} for row in range(len(header.rows))]
    return Shard(header.name, header.shape, list(header.rows), states)


def shard_names(folder: Path) -> list[str]:
    """The shards of a dataset, in order; one that a kill left half-written is none."""
    return sorted(path.relative_to(folder).as_posix() for path in (folder / FOLDER).glob("[0-9]*.safetensors"))


def numbered(number: int) -> str:
    """Name of a shard."""
    return f"{FOLDER}/{number:06d}.safetensors"
