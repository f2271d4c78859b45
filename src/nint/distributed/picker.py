"""Builds a batch over the rows of all processes; each keeps its own part of it."""

from __future__ import annotations

import torch
from torch import Tensor

from nint.distributed.group import Group
from nint.distributed.shard import Shard
from nint.distributed.top import global_top
from nint.errors import UsageError
from nint.samplers.picker import Picker, random_rows

_NARROW = 2**31


def common_rows(n: int, count: int, rng: torch.Generator) -> Tensor:
    """As `random_rows`: the same rows from the same generator, on the CPU in half the memory while they are drawn."""
    if count * 16 < n or n >= _NARROW or rng.device.type != "cpu":
        return random_rows(n, count, rng)
    return torch.randperm(n, generator=rng, dtype=torch.int32)[:count].long()


class ShardedPicker(Picker):
    """As `Picker`, over the rows of all processes. Rows are counted over all of them; scores are those of this process's rows.

    Args:
        shard: This process's rows.
        group: The processes; their generators are in the same state.
        rng: Generator on the pool's device.
    """

    def __init__(self, shard: Shard, group: Group, rng: torch.Generator) -> None:
        super().__init__(len(shard), rng)
        self._shard, self._group = shard, group
        self._total = 0

    def __len__(self) -> int:
        return self._total

    @property
    def indices(self) -> Tensor:
        """This process's part of what was taken, by part in the order of taking, `[m]`."""
        return super().indices + self._shard.start

    def summed(self, number: int) -> int:
        """The sum of a number over all processes."""
        return self._group.total(number)

    def take(self, rows: Tensor) -> Tensor:
        """Takes these of this process's rows, leaving out those already taken; returns what was taken."""
        kept = super().take(rows - self._shard.start)
        self._total += self._group.total(len(kept))
        return kept + self._shard.start

    def top(self, scores: Tensor, count: int) -> Tensor:
        """Takes the `count` free points of highest score, of equal ones those of lower rows; returns this process's part, ascending.

        Args:
            scores: Of this process's rows.
            count: Over all processes; fewer are taken if fewer are free.
        """
        count = self._left(count)
        kept = self._keep(global_top(scores, count, self._group, None if self._taken is None else ~self._taken))
        self._total += count
        return kept + self._shard.start

    def random(self, count: int) -> Tensor:
        """Takes `count` free points uniformly at random, the same as one process would; returns this process's part."""
        count = self._left(count)
        free = None if self._taken is None else torch.nonzero(~self._taken)[:, 0]
        held = self.n if free is None else len(free)
        before = sum(self._group.counts(held)[: self._group.rank])
        drawn = common_rows(self._shard.total - self._total, count, self.rng)
        own = Shard(self._shard.total - self._total, before, before + held).own(drawn)
        kept = self._keep(own if free is None else free[own])
        self._total += count
        return kept + self._shard.start

    def weighted(self, weights: Tensor, count: int) -> Tensor:
        """Not offered over several processes.

        Raises:
            UsageError: always.
        """
        raise UsageError("Weighted draws do not work over several processes; use random or top.")

    def _left(self, count: int) -> int:
        return max(min(count, self._shard.total - self._total), 0)
