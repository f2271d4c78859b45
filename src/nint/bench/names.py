"""What an input is called: "folder/file", with as many folders before it as tell it from the others."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import PurePath

SAMPLE = "sample:"


def short_name(source: str) -> str:
    """The sample, or "folder/file"."""
    return source if source.startswith(SAMPLE) else "/".join(PurePath(source).parts[-2:])


def told_apart(sources: Iterable[str]) -> dict[str, str]:
    """Source -> its name: the short one, longer where another place has the same. Two paths of one place have one name.

    >>> told_apart(["2023/jan/cam.png", "2024/jan/cam.png", "2024/feb/cam.png"])
    {'2023/jan/cam.png': '2023/jan/cam.png', '2024/jan/cam.png': '2024/jan/cam.png', '2024/feb/cam.png': 'feb/cam.png'}
    """
    alike: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for source in dict.fromkeys(sources):
        names[source] = short_name(source)
        alike.setdefault(names[source], []).append(source)
    for same in alike.values():
        parts = {source: PurePath(os.path.abspath(source)).parts for source in same}
        places, count = set(parts.values()), 2
        if len(places) == 1:
            continue
        while len({place[-count:] for place in places}) < len(places):
            count += 1
        names |= {source: PurePath(*place[-count:]).as_posix() for source, place in parts.items()}
    return names
