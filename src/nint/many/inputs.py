"""What a person names as inputs -> signals: files, folders, patterns, lists of files, arrays of signals and Parquet files of images."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import check_regular
from nint.many.ids import named_apart
from nint.many.items import ArrayRow, Item, Loaded, ParquetRow, Unreadable, opened_array
from nint.many.parquet_files import image_column, parquet_rows
from nint.signals.kinds import KINDS, PREFIX, ending_of, kind_named

_PATTERN = "*?["
_ARRAYS = (".npy", ".zarr")
_PARQUET = ".parquet"
_DIGITS = 8


def items_of(
    inputs: Iterable[Any] | Mapping[str, Any], *, leading_axis: bool | None = None, column: str | None = None, kind: str | None = None
) -> list[Item]:
    """The signals of inputs, each once, in order.

    Args:
        inputs: Texts as on the command line, paths, or anything else that `nint.fit` takes; a mapping gives ids itself.
        leading_axis: Whether .npy and .zarr arrays hold signals along their first axis; None says so of one that is the only input.
        column: Of Parquet files, which holds the images; None finds it.
        kind: As `nint.fit` takes it: folders are searched for files of this kind only.

    Raises:
        UsageError: where nothing is found, or an input is not there.
    """
    if isinstance(inputs, Mapping):
        return [_loaded(str(id), value) for id, value in inputs.items()]
    given = list(inputs)
    if "" in [one for one in given if isinstance(one, str)]:
        raise UsageError("A path is empty; '.' is the current folder.")
    texts = [text for one in given for text in (_expanded(os.fsdecode(one)) if isinstance(one, (str, os.PathLike)) else ())]
    if len(texts) == 1 and not isinstance(given[0], (str, os.PathLike)):
        raise UsageError("Give paths or signals, not both.")
    if not texts and any(isinstance(one, (str, os.PathLike)) for one in given):
        raise UsageError(f"{given[0]} names no files; a list has a path on each line.")
    if len(texts) == 0:
        return [_loaded(f"{number:0{_DIGITS}d}", value) for number, value in enumerate(given)]
    if any(not isinstance(one, (str, os.PathLike)) for one in given):
        raise UsageError("Give paths or signals, not both.")
    along = leading_axis if leading_axis is not None else len(texts) == 1
    found = [item for text in texts for item in _of_text(text, along, column, kind)]
    if not found:
        raise UsageError(f"There is no signal that can be fitted in {', '.join(map(str, texts[:3]))}{' ...' if len(texts) > 3 else ''}.")
    return named_apart(found)


def _loaded(id: str, value: Any) -> Item:
    if isinstance(value, (str, os.PathLike)):
        return Item(id, os.fsdecode(value), named=True)
    return Loaded.of(id, value)


def _expanded(text: str) -> Iterator[str]:
    """The paths that a word on the command line means.

    Yields:
        Each path.

    Raises:
        UsageError: for a list that cannot be read, or a pattern that nothing fits.
    """
    if text.startswith("@") and not os.path.lexists(text):
        path = Path(text[1:])
        check_regular(path)
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The list of files '{path}' cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        yield from (line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#"))
    elif any(letter in text for letter in _PATTERN) and not os.path.lexists(text) and not text.startswith(PREFIX):
        found = sorted(glob.glob(text, recursive=True))
        if not found:
            raise UsageError(f"No file fits the pattern '{text}'.")
        yield from found
    else:
        yield text


def _of_text(text: str, along: bool, column: str | None, kind: str | None) -> Iterator[Item]:
    path = Path(text)
    if text.startswith(PREFIX):
        yield Item(text.removeprefix(PREFIX), text)
    elif path.suffix.lower() in _ARRAYS and along:
        rows = opened_array(text).shape[0]
        yield from (ArrayRow(f"{path.name}/{row:0{_DIGITS}d}", f"{text}#{row}", text, row) for row in range(rows))
    elif path.suffix.lower() == _PARQUET:
        where = image_column(text, column)
        yield from (ParquetRow(f"{path.name}/{row:0{_DIGITS}d}", f"{text}#{row}", text, where, row) for row in range(parquet_rows(text)))
    elif path.is_dir() and path.suffix.lower() != ".zarr":
        for file in _walked(path):
            if _may_be(file, kind):
                yield Item(file.relative_to(path).as_posix(), file.as_posix())
            elif file.suffix.lower() == _PARQUET and kind in (None, "image"):
                yield from _of_found(file, path, column)
    else:
        yield Item(path.name, text)


def _of_found(file: Path, folder: Path, column: str | None) -> Iterator[Item]:
    """The images of a Parquet file in a folder; one that holds none is a signal that fails, so that the others go on.

    Yields:
        Each.
    """
    try:
        found = list(_of_text(str(file), False, column, None))
    except UsageError as error:
        found = [Unreadable(file.relative_to(folder).as_posix(), file.as_posix(), str(error))]
    yield from found


def _walked(folder: Path) -> Iterator[Path]:
    """The files below a folder in order; zarr arrays count as files, what is hidden does not count.

    Yields:
        Each path.
    """
    for here, folders, files in os.walk(folder):
        arrays = [name for name in folders if name.lower().endswith(".zarr")]
        folders[:] = sorted(name for name in folders if name not in arrays and not name.startswith("."))
        yield from (Path(here) / name for name in sorted([*files, *arrays]) if not name.startswith("."))


def _may_be(path: Path, kind: str | None) -> bool:
    """Whether a file in a folder is taken for a signal, by its ending."""
    kinds = KINDS.values() if kind is None else [kind_named(kind)]
    return any(ending_of(path) in one.endings for one in kinds)
