"""Ids of signals: no two signals of a dataset share one, and a signal that it holds keeps its own."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import PurePath

from nint.errors import UsageError
from nint.files import in_utf8
from nint.many import content
from nint.many.items import Item, Loaded
from nint.signals.kinds import PREFIX


def named_apart(items: Iterable[Item], held: Mapping[str, str] | None = None, failed: Mapping[str, str] | None = None) -> list[Item]:
    """The signals, each source once, with ids that nothing else has: where two would be the same they are the whole sources.

    A file that the dataset holds keeps its id there, whatever it would be called beside the other inputs of now. An id that a person gave
    is never changed. Ids are text that UTF-8 can hold, which the names of files need not be; sources stay as they are.

    Args:
        items: The signals.
        held: Id -> source of the fields of a dataset.
        failed: Likewise of signals that were tried there before; their ids are kept, but others may have them.

    Raises:
        UsageError: where an id that a person gave belongs to another signal of the dataset.
    """
    held = held or {}
    ids: dict[str, str] = {}  # place -> id
    for id, source in (*held.items(), *((id, source) for id, source in (failed or {}).items() if id not in held)):
        ids.setdefault(place_of(source), id)
    taken = set(held)
    found: dict[str, Item] = {}  # by place, in order
    new: dict[str, Item] = {}
    for one in items:
        item = replace(one, id=in_utf8(one.id))
        place = place_of(item.source)
        if item.named:
            _check(item, held)
            found[f"{item.id} is {place}"] = item  # two ids may mean one file
        elif place in ids:
            taken.add(ids[place])
            found[place] = replace(item, id=ids[place])
        else:
            found[place] = new[place] = item
    many = Counter(item.id for item in new.values())
    for place, item in new.items():
        names = map(in_utf8, _names(item, place))
        if many[item.id] > 1:
            next(names)
        id = next(name for name in names if name not in taken)
        taken.add(id)
        found[place] = replace(item, id=id)
    return list(found.values())


def place_of(source: str) -> str:
    """What two names of one source have in common: the absolute path, with its row; other sources as they are."""
    return source if source.startswith((PREFIX, content.PREFIX)) else os.path.abspath(source)


def _names(item: Item, place: str) -> Iterator[str]:
    yield item.id
    yield PurePath(item.source).as_posix()
    yield place
    yield from (f"{place} ({number})" for number in itertools.count(2))


def _check(item: Item, held: Mapping[str, str]) -> None:
    """Refuses an id that is another signal's.

    Raises:
        UsageError: says what to do.
    """
    before = held.get(item.id)
    if before is None or place_of(before) == place_of(item.source):
        return
    if isinstance(item, Loaded) and before == type(item.value).__name__:  # all that older datasets tell of it
        return
    raise UsageError(
        f"The dataset holds another signal as '{item.id}' ({before}, not {item.source}); give this one another id in a mapping, "
        "choose another --out, or add --force to replace the dataset."
    )
