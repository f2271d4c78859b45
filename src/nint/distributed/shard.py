"""Which rows of a signal a process holds."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from nint.distributed.group import Group
from nint.signals.leaves import LEAVES, leaf_edges


@dataclass(frozen=True)
class Shard:
    """Consecutive rows out of all.

    Attributes:
        total: Rows of all processes.
        start: The first of this one's.
        stop: One past the last; `start` where it has none.
    """

    total: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def owns(self, rows: Tensor) -> Tensor:
        """Which of some rows are this process's, bool of their shape."""
        return (rows >= self.start) & (rows < self.stop)

    def own(self, rows: Tensor) -> Tensor:
        """Those of some rows that are this process's, in their order, counted from its first."""
        return rows[self.owns(rows)] - self.start


def leaves_of(rank: int, size: int) -> range:
    """Numbers of the parts that a process holds."""
    return range(LEAVES * rank // size, LEAVES * (rank + 1) // size)


def shard_of(total: int, rank: int, size: int) -> Shard:
    """The rows of a process, about as many as of any other, in whole parts."""
    edges, held = leaf_edges(total), leaves_of(rank, size)
    return Shard(total, edges[held.start], edges[held.stop])


def shard_as_held(rows: int, group: Group) -> Shard:
    """The shard of a process that holds so many rows, however many the others do; rows are counted by rank."""
    counts = group.counts(rows)
    start = sum(counts[: group.rank])
    return Shard(sum(counts), start, start + rows)
