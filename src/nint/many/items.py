"""One signal of many, as something small that travels to a worker and is opened there."""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_regular, reason_of


@dataclass(frozen=True)
class Item:
    """One signal.

    Attributes:
        id: Its name in the dataset.
        source: Where it came from, for the index: a path, "PATH#ROW" or a sample's name.
    """

    id: str
    source: str

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
        data = parquet_cell(self.path, self.column, self.row)
        return peek_image(io.BytesIO(data)) if data else ((self.path, None), None)


@dataclass(frozen=True)
class Loaded(Item):
    """A signal that is in memory: an array, a PIL image or a `Signal`.

    Attributes:
        value: The thing itself.
    """

    value: Any = None

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


@functools.lru_cache(maxsize=8)
def opened_array(path: str) -> Any:
    """An array whose rows are read when they are asked for.

    Raises:
        UsageError: for what is no such array.
    """
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


def image_of_bytes(data: bytes | None, name: str) -> Any:
    """The signal of an encoded image.

    Raises:
        UsageError: for bytes that are none.
    """
    from PIL import Image

    if not data:
        raise UsageError(f"'{name}' holds no image.")
    try:
        image: Any = Image.open(io.BytesIO(data))
    except Exception as error:
        raise UsageError(f"'{name}' holds no image that can be read: {reason_of(error)}.") from error
    image.filename = name
    return image


@functools.lru_cache(maxsize=4)
def _parquet(path: str) -> Any:
    from nint.many.arrow import parquet

    return parquet().ParquetFile(path)


@functools.lru_cache(maxsize=4)
def _row_group(path: str, column: str, group: int) -> Any:
    return _parquet(path).read_row_group(group, columns=[column]).column(column)


def parquet_rows(path: str) -> int:
    """Rows of a Parquet file."""
    return int(_parquet(path).metadata.num_rows)


def parquet_cell(path: str, column: str, row: int) -> bytes | None:
    """The bytes of an image in a Parquet file; the row group is kept for the next one.

    Raises:
        UsageError: for a file that cannot be read.
    """
    try:
        metadata, group = _parquet(path).metadata, 0
        while row >= metadata.row_group(group).num_rows:
            row -= metadata.row_group(group).num_rows
            group += 1
        value = _row_group(path, column, group)[row].as_py()
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"'{path}' cannot be read: {reason_of(error)}.") from error
    found: bytes | None = value.get("bytes") if isinstance(value, dict) else value
    return found
