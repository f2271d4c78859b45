"""Sentences on many signals, counted: what differs only in the file that it names and in its numbers is one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_QUOTED = re.compile(r"(?<!\w)'.*?'(?!\w)")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def counted(notes: Iterable[tuple[str, str]], total: int) -> list[str]:
    """Notes as sentences such as "3 of 12: Frame times are not kept.", the most frequent first.

    Args:
        notes: (id, sentence).
        total: Signals in all.
    """
    kinds: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for id, said in notes:
        kinds[_NUMBER.sub("0", _QUOTED.sub("", said))].setdefault(id, said)
    found = []
    for told in sorted(kinds.values(), key=len, reverse=True):
        first, *others = told.values()
        example = ", for example" if any(other != first for other in others) else ""
        found.append(f"{len(told):,} of {total:,}{example}: {first}")
    return found
