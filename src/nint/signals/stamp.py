"""Whether a file is still the one that was read: part of the key wherever content is kept by path."""

from __future__ import annotations

import os
from pathlib import Path

_OF_ZARR = ("zarr.json", ".zarray")

Stamp = tuple[tuple[int, int, int], ...]
"""(inode, bytes, time of writing) of each file that counts."""


def stamp_of(path: str) -> Stamp:
    """What changes when a file is written anew, of a zarr array its description; nothing for what is not there."""
    found = []
    for one in (Path(path), *(Path(path) / name for name in _OF_ZARR)):
        try:
            told = os.stat(one)
        except (OSError, ValueError):
            continue
        found.append((told.st_ino, told.st_size, told.st_mtime_ns))
    return tuple(found)
