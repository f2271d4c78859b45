"""One signal of many, as something small that travels to a worker and is opened there."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_regular, reason_of
from nint.many.content import memory_source
from nint.many.parquet_files import image_of_bytes, parquet_cell
from nint.signals.stamp import Stamp, stamp_of


@dataclass(frozen=True)
class Item:
    """One signal.

    Attributes:
        id: Its name in the dataset.
        source: Where it came from, for the index: a path, "PATH#ROW", a sample's name, or "memory:" and a hash of its content.
        named: Whether a person gave the id, so that it is not changed where another signal has it.
    """

    id: str
    source: str
    named: bool = field(default=False, kw_only=True)

    def open(self) -> Any:
        """What `nint.fit` takes."""
        return self.source

    def kind_of_shape(self) -> tuple[Any, int | None]:
        """(what signals of one shape have in common, number of points or None where that is not known), read from headers alone."""
        return peek(self.source)


@dataclass(frozen=True)
class ArrayRow(Item):
    """A row of an array whose first axis counts signals.

    Attributes:
        path: The .npy file or zarr array.
        row: Which.
    """

    path: str = ""
    row: int = 0

    def open(self) -> Any:
        """The row, as an array of its own."""
        return np.array(opened_array(self.path)[self.row])

    def kind_of_shape(self) -> tuple[Any, int | None]:
        """The shape of a row."""
        shape = tuple(opened_array(self.path).shape[1:])
        return (self.path, shape), int(np.prod(shape))


@dataclass(frozen=True)
class ParquetRow(Item):
    """An encoded image in a row of a Parquet file.

    Attributes:
        path: The file.
        column: Of the image: bytes, or a struct with a field `bytes`.
        row: Which.
    """

    path: str = ""
    column: str = ""
    row: int = 0

    def open(self) -> Any:
        """The image.

        Raises:
            UsageError: for a row without one.
        """
        return image_of_bytes(parquet_cell(self.path, self.column, self.row), self.source)

    def kind_of_shape(self) -> tuple[Any, int | None]:
        """The size of the image, from its header."""
        try:
            data = parquet_cell(self.path, self.column, self.row)
        except UsageError:  # reported where it is fitted
            data = None
        return peek_image(io.BytesIO(data)) if data else ((self.path, None), None)


@dataclass(frozen=True)
class Unreadable(Item):
    """A file in a folder of which it is known already that it cannot be read.

    Attributes:
        why: A sentence.
    """

    why: str = ""

    def open(self) -> Any:
        """Nothing.

        Raises:
            UsageError: always.
        """
        raise UsageError(self.why)

    def kind_of_shape(self) -> tuple[Any, int | None]:
        """None."""
        return (type(self).__name__, None), None


@dataclass(frozen=True)
class Loaded(Item):
    """A signal that is in memory: an array, a PIL image or a `Signal`.

    Attributes:
        value: The thing itself.
    """

    value: Any = None

    @classmethod
    def of(cls, id: str, value: Any) -> Loaded:
        """The signal, under an id that a person gave."""
        return cls(id, memory_source(value), value, named=True)

    def open(self) -> Any:
        """The thing itself."""
        return self.value

    def kind_of_shape(self) -> tuple[Any, int | None]:
        """Its shape, where it has one."""
        shape = getattr(self.value, "shape", getattr(self.value, "size", None))
        if isinstance(shape, tuple):
            return (type(self.value).__name__, shape), int(np.prod(shape))
        return (type(self.value).__name__, None), None


def peek(source: str) -> tuple[Any, int | None]:
    """As `Item.kind_of_shape`, of a path: image and .npy headers are read, other files are told apart by ending and length."""
    from nint.signals.kinds import KINDS, PREFIX, ending_of

    if source.startswith(PREFIX):
        return source, None
    path = Path(source)
    ending = ending_of(path)
    try:
        check_regular(path)
        if ending in KINDS["image"].endings:
            return peek_image(path)
        if ending == ".npy":
            shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
            return (ending, shape), int(np.prod(shape))
        return (ending, path.stat().st_size), None
    except Exception:  # a file that cannot be read is reported where it is fitted
        return (ending, None), None


def peek_image(file: Any) -> tuple[Any, int | None]:
    """Size and mode of an image, from its header."""
    from PIL import Image

    try:
        with Image.open(file) as image:
            return ("image", image.size, image.mode), image.size[0] * image.size[1]
    except Exception:
        return ("image", None), None


def opened_array(path: str) -> Any:
    """An array whose rows are read when they are asked for.

    Raises:
        UsageError: for what is no such array.
    """
    check_regular(Path(path))
    return _opened_array(path, stamp_of(path))


@functools.lru_cache(maxsize=8)
def _opened_array(path: str, stamp: Stamp) -> Any:
    name = Path(path)
    try:
        if name.suffix.lower() == ".npy":
            array: Any = np.load(name, mmap_mode="r", allow_pickle=False)
        else:
            try:
                import zarr
            except ImportError:
                raise UsageError(f"'{path}' needs the package zarr; pip install 'nint[large]'.") from None
            array = zarr.open(str(name), mode="r")
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"'{path}' cannot be read: {reason_of(error)}.") from error
    if getattr(array, "ndim", 0) < 2:
        raise UsageError(f"'{path}' is no array of signals along its first axis; it needs two axes or more.")
    return array
