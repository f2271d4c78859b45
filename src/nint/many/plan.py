"""Cutting signals into batches, the tasks of the workers: the same ones whatever the number of workers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from nint.bandwidth.auto import without_auto
from nint.fields import FIELDS, FieldSpec
from nint.many.groups import MOST, MOST_WORK
from nint.many.items import Item
from nint.runs.batches import LARGE_BATCH
from nint.runs.options import FitSettings
from nint.training.budgets import Budget

_ALONE = 8
"""Signals of a batch that are trained one after another, but quickly."""

_UNKNOWN_PARAMETERS = 2**18
_LARGE = 2**16


def batches(items: Iterable[Item], asked: FitSettings, budget: Budget) -> Iterator[list[Item]]:
    """Batches of signals of one shape, as far as headers tell, in the order in which they become full; the rest at the end.

    Args:
        items: The signals.
        asked: How they are fitted.
        budget: When each stops.

    Yields:
        Each batch.
    """
    waiting: dict[Any, list[Item]] = {}
    for item in items:
        shape, points = item.kind_of_shape()
        part = waiting.setdefault(shape, [])
        part.append(item)
        if len(part) >= batch_size(points, asked, budget):
            yield waiting.pop(shape)
    yield from waiting.values()


def batch_size(points: int | None, asked: FitSettings, budget: Budget) -> int:
    """Signals of a batch: as many as train well together; few that take long, so that little is lost with a worker.

    Args:
        points: Of a signal; None where they are not known.
        asked: How it is fitted.
        budget: When it stops.
    """
    if budget.seconds is not None:
        return 1
    work = _parameters(asked) * min(_LARGE if points is None else points, LARGE_BATCH)
    if work <= MOST_WORK:
        return MOST
    return 1 if points is None or points > _LARGE else _ALONE


def full_batches(batch: list[Item], asked: FitSettings, budget: Budget) -> float:
    """How much of a full batch it is, in (0, 1]; many small parts are not worth a process each."""
    return min(len(batch) / batch_size(batch[0].kind_of_shape()[1], asked, budget), 1.0)


def _parameters(asked: FitSettings) -> int:
    field = FIELDS.parse(without_auto("siren" if asked.field is None else asked.field)[0])
    count = field.parameter_count(2, 3) if isinstance(field, FieldSpec) else None
    return _UNKNOWN_PARAMETERS if count is None else count
