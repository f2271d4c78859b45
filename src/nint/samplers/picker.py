"""Builds a batch part by part and never takes the same point twice."""

from __future__ import annotations

import torch
from torch import Tensor

from nint.probe.probe import Probe


def random_rows(n: int, count: int, rng: torch.Generator) -> Tensor:
    """`count` distinct rows of range(n), uniformly, in random order.

    A permutation for a large fraction; for a small one, draws with repeats thrown out, so that memory and time grow with
    `count` and not with n.
    """
    if count * 16 >= n:
        return torch.randperm(n, generator=rng, device=rng.device)[:count]
    rows = torch.empty(0, dtype=torch.long, device=rng.device)
    while len(rows) < count:
        fresh = torch.randint(n, (count - len(rows) + 16,), generator=rng, device=rng.device)
        rows = _first_occurrences(torch.cat([rows, fresh]))
    return rows[:count]


def _first_occurrences(rows: Tensor) -> Tensor:
    order = torch.argsort(rows, stable=True)
    ordered = rows[order]
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[order[1:]] = ordered[1:] != ordered[:-1]
    return rows[first]


class Picker:
    """Takes points from a pool of n, each at most once.

    Args:
        n: Pool size.
        rng: Generator on the pool's device.
    """

    def __init__(self, n: int, rng: torch.Generator) -> None:
        self.n = n
        self.rng = rng
        self._parts: list[Tensor] = []
        self._taken: Tensor | None = None

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    @property
    def indices(self) -> Tensor:
        """All points taken so far, in the order of taking, `[b]`."""
        if not self._parts:
            return torch.empty(0, dtype=torch.long, device=self.rng.device)
        return torch.cat(self._parts)

    def summed(self, number: int) -> int:
        """A number of points of this process, summed over those that share the pool: here the number itself."""
        return number

    def _keep(self, rows: Tensor) -> Tensor:
        if len(rows):
            self._parts.append(rows)
            if self._taken is None:
                self._taken = torch.zeros(self.n, dtype=torch.bool, device=self.rng.device)
            self._taken[rows] = True
        return rows

    def _room(self, count: int) -> int:
        return max(min(count, self.n - len(self)), 0)

    def take(self, rows: Tensor) -> Tensor:
        """Takes these rows (distinct), leaving out those already taken; returns what was taken."""
        if self._taken is not None:
            rows = rows[~self._taken[rows]]
        return self._keep(rows)

    def top(self, scores: Tensor, count: int) -> Tensor:
        """Takes the `count` free points of highest score, best first. NaN scores come last.

        Args:
            scores: `[n]`.
            count: How many; fewer are taken if fewer are free.
        """
        count = self._room(count)
        if count == 0:
            return self._keep(torch.empty(0, dtype=torch.long, device=self.rng.device))
        scores = torch.nan_to_num(scores, nan=-torch.inf)
        if self._taken is None:
            return self._keep(torch.topk(scores, count).indices)
        free = torch.nonzero(~self._taken)[:, 0]
        return self._keep(free[torch.topk(scores[free], count).indices])

    def random(self, count: int) -> Tensor:
        """Takes `count` free points uniformly at random."""
        count = self._room(count)
        if self._taken is None:
            return self._keep(random_rows(self.n, count, self.rng))
        free = torch.nonzero(~self._taken)[:, 0]
        return self._keep(free[random_rows(len(free), count, self.rng)])

    def weighted(self, weights: Tensor, count: int) -> Tensor:
        """Takes `count` free points one after another in proportion to their weights, without replacement.

        Args:
            weights: `[n]`, not negative; points of weight 0 are taken only when no other is left.
            count: How many.

        Source: exponential race (Efraimidis and Spirakis 2006); unlike `torch.multinomial` it has no limit of 2^24 categories.
        """
        race = torch.empty(self.n, device=self.rng.device).exponential_(generator=self.rng)
        return self.top(torch.log(weights) - torch.log(race), count)


def picker_for(probe: Probe, rng: torch.Generator) -> Picker:
    """A picker over a probe's pool, or over all shards of it where several processes share one.

    Args:
        probe: The network and the pool.
        rng: Generator on the pool's device.
    """
    shared: Picker | None = probe.picker(rng)
    return Picker(len(probe), rng) if shared is None else shared
