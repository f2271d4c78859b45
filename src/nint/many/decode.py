"""Writing every signal of a dataset of fields."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from nint.errors import UsageError, sentence
from nint.many.described import places_of
from nint.many.opened import FieldDataset
from nint.runs.model import Fit
from nint.signals.base import Layout


def decode_all(
    dataset: FieldDataset,
    out: str | Path,
    *,
    ending: str | None = None,
    force: bool = False,
    device: str = "cpu",
    interrupted: Callable[[], bool] = lambda: False,
    lost: Callable[[str, str], None] = lambda id, said: None,
    **options: Any,
) -> Iterator[tuple[str, Path | None, str]]:
    """Decodes the fields of a dataset into files named by their ids.

    Args:
        dataset: The fields.
        out: Folder; made if needed.
        ending: Of the files, with or without the dot; None is the first one of each kind.
        force: Overwrite files that are there; else they are left, and count as done.
        device: Where to compute.
        interrupted: Asked before each field; true stops.
        lost: Told (id, sentence) of what a file that was written does not keep.
        **options: Of decoding, such as `scale`; those that a kind does not have are an error of that field.

    Yields:
        (id, file that was written or None, why not or ""); a file that is left as it is gives None and "".

    Raises:
        UsageError: never; what cannot be written is told with its id.
    """
    folder, seen, sources = Path(out), set(), Sources(dataset)
    for id in dataset.ids:
        if interrupted():
            return
        try:
            fit = dataset.fit(id, device)
            suffix = _suffix(fit.layout, ending)
            path = folder / file_name(id, suffix)
            if path in seen:
                raise UsageError(f"'{id}' would be written to {path}, which another field has; decode it alone with nint.open_dataset.")
            seen.add(path)
            if path.exists() and not force:
                yield id, None, ""
                continue
            if path.exists() and sources.have(path):
                raise UsageError(f"{path} is one of the signals that the dataset was fitted to, which would be lost.")
            known = inspect.signature(fit.layout.decode).parameters
            for name in options:
                if name not in known:
                    raise UsageError(f"--{name} does not apply to this one ({fit.layout.describe()}).")
            fit.layout.check_output(suffix, options)
            _write(fit, path, options)
        except Exception as error:  # one damaged field must not end the others
            yield id, None, sentence(error)
            continue
        for said in fit.layout.losses(suffix):
            lost(id, said)
        yield id, path, ""


class Sources:
    """The files that a dataset was fitted to, looked at when they are asked for first.

    Args:
        dataset: Its fields; sources that are relative are looked for here, where it was made, and beside its folder.
    """

    def __init__(self, dataset: FieldDataset) -> None:
        self._dataset = dataset
        self._known: set[tuple[int, int]] | None = None

    def have(self, path: Path) -> bool:
        """Whether a file is one of them, whichever links lead there."""
        if self._known is None:
            told = self._dataset.index.column("source").to_pylist()
            named = {*told, *(source.rpartition("#")[0] for source in told)}
            around = [Path(), *places_of(self._dataset.path)]
            self._known = {found for name in named for place in around if (found := _identity(place / name)) is not None}
        return _identity(path) in self._known


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _write(fit: Fit, path: Path, options: dict[str, Any]) -> None:
    """Writes a field; of folders that were made for a file that cannot be written, nothing stays."""
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fit.write(path, **options)
    except BaseException:
        with contextlib.suppress(OSError):
            for parent in made:
                parent.rmdir()
        raise


def file_name(id: str, suffix: str) -> str:
    """A file's name below a folder for an id, never outside it; the ending is added unless it is the id's own.

    >>> file_name("photos/a.png", ".png")
    'photos/a.png'
    >>> file_name("faces.npy/00000012", ".png")
    'faces.npy/00000012.png'
    >>> file_name("/../a.jpg", ".png")
    'a.jpg.png'
    """
    parts = [part for part in PurePosixPath(id.replace("\\", "/")).parts if part not in ("..", "/", ".")]
    name = "/".join(parts) or "field"
    return name if suffix and name.lower().endswith(suffix) else f"{name}{suffix}"


def _suffix(layout: Layout, ending: str | None) -> str:
    """The ending to write with.

    Raises:
        UsageError: for one that the kind does not have.
    """
    if ending is None:
        return layout.suffixes[0]
    dotted = ending.lower() if ending.startswith(".") else f".{ending.lower()}"
    if dotted not in layout.suffixes:
        raise UsageError(f"A {layout.kind} cannot be written as {dotted}; use {', '.join(one or 'a folder' for one in layout.suffixes)}.")
    return dotted
