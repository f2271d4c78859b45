"""The folder of a comparison: what belongs to it, and how a comparison begins in it."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterable

from nint.bench.store import RECORDS, Store
from nint.errors import UsageError
from nint.runs.contents import COMPARE, KEPT_RUNS, LOG_FILES, TABLE
from nint.runs.folder import OutputFolder
from nint.runs.places import shown

NAME = TABLE.removesuffix(".md")

_MADE_ANEW = tuple(name for name in COMPARE.may if name not in (*KEPT_RUNS, LOG_FILES))
"""What a comparison in its beginning does not go on with."""


def claim(folder: OutputFolder, *, resume: bool, force: bool) -> Store:
    """Begins a comparison in its folder: anew, in the place of another, or where an earlier one stopped.

    A folder without finished runs counts as fresh, so that a comparison that was stopped before its first run ended begins without
    `resume` too. The runs that it was in the middle of go on in either case.

    Args:
        folder: The folder, open.
        resume: Continue the comparison in it.
        force: Remove the comparison in it, which is only what nint wrote, and start afresh.

    Returns:
        The store of its runs.

    Raises:
        UsageError: for a folder that holds another comparison, or nothing to resume.
    """
    out = shown(folder.path)
    if resume and force:
        raise UsageError("--resume goes on with a comparison and --force replaces it; give one of them.")
    if folder.fresh:
        if resume and not folder.known:
            raise UsageError(f"There is no comparison to resume in {out}: it has no {RECORDS}.")
        if force:
            folder.clear()
        else:
            folder.remove(*_MADE_ANEW)
        return Store(folder.path)
    store = Store(folder.path)
    if resume and store.older:
        raise UsageError(
            f"{out} holds a comparison in the form of nint 0.1.0, which nint report still shows but --resume cannot go on with; choose "
            "another --out, or --force to replace it."
        )
    if resume:
        return store
    if not force:
        raise UsageError(
            f"{out} holds another comparison; choose another --out, or add --resume to go on with it or --force to replace it."
        )
    folder.clear()
    return Store(folder.path)


def slug(text: str) -> str:
    """A text form as a file name; a long one is cut and made unique by a checksum."""
    name = re.sub(r"[^A-Za-z0-9.=_-]+", "_", text)
    name = name if name.strip(".") else f"_{name}"
    return name if len(name) <= 80 else f"{name[:70]}-{zlib.crc32(text.encode()):08x}"


def slugs(texts: Iterable[str]) -> dict[str, str]:
    """Text form -> its `slug`, with a checksum where another has the same, be it in other case."""
    names = {text: slug(text) for text in texts}
    counts = Counter(name.lower() for name in names.values())
    return {text: name if counts[name.lower()] == 1 else f"{name[:70]}-{zlib.crc32(text.encode()):08x}" for text, name in names.items()}
