"""What a comparison is made on: each input once, under a name of its own."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from nint.bench.compare.folder import slugs
from nint.bench.inputs import read_signal
from nint.bench.names import SAMPLE, short_name, told_apart
from nint.signals.base import Signal


@dataclass(frozen=True)
class Source:
    """One input.

    Attributes:
        path: A path or "sample:NAME", as given.
        signal: What is fitted.
        content: Fingerprint of the signal; "" where its kind has none.
        name: The sample or "folder/file", with more folders where another input is called so too.
        slug: The name as a file name that no other input has.
    """

    path: str
    signal: Signal
    content: str
    name: str
    slug: str

    @property
    def label(self) -> str:
        """The name where it is not that which a run gives its input by itself, else ""."""
        return "" if self.name == short_name(self.path) else self.name


def read_sources(paths: Iterable[str], options: tuple[tuple[str, Any], ...]) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """Reads the inputs. A file that is given twice, under other paths or as a copy, counts once: its runs would be the same ones.

    Args:
        paths: Paths or "sample:NAME".
        options: Options of the inputs' kind, as (name, value) pairs.

    Returns:
        The inputs, and a sentence for each that does not count.

    Raises:
        UsageError: for one that cannot be read.
    """
    found: dict[str, tuple[Signal, str]] = {}
    first: dict[str, str] = {}
    remarks = []
    for path in paths:
        if path in found:
            remarks.append(f"{path} is named more than once and counts once.")
            continue
        place = path if path.startswith(SAMPLE) else os.path.realpath(path)
        if place not in first:
            signal = read_signal(path, None, options)
            content = signal.fingerprint()
            first[place] = first.setdefault(content or place, path)
            if first[place] == path:
                found[path] = signal, content
                continue
        remarks.append(f"{path} is left out: it is the same as {first[place]}.")
    names = told_apart(found)
    files = slugs(names.values())
    sources = (Source(path, signal, content, names[path], files[names[path]]) for path, (signal, content) in found.items())
    return tuple(sources), tuple(dict.fromkeys(remarks))
