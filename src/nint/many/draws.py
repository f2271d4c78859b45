"""Random numbers of the signals of a stack: each draws what it would draw alone, and signals of one seed draw once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from nint.teacher import SEED_OFFSET


class Draws:
    """A generator for each seed.

    Args:
        seeds: Of the signals, in order.
        device: Where to draw.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        distinct = sorted(set(seeds))
        self._generators = [torch.Generator(device=device) for _ in distinct]
        for generator, seed in zip(self._generators, distinct, strict=True):
            generator.manual_seed(seed + SEED_OFFSET)
        numbers = {seed: number for number, seed in enumerate(distinct)}
        self._which = torch.tensor([numbers[seed] for seed in seeds], device=device)

    def each(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """What `draw` gives with the generator of each signal, `[s, ...]`; `[1, ...]` where all signals have one seed.

        `draw` must take as many numbers from every generator.
        """
        drawn = torch.stack([draw(generator) for generator in self._generators])
        return drawn if len(drawn) == 1 else drawn[self._which]

    def keep(self, rows: Tensor) -> None:
        """Goes on with some of the signals `[k]`."""
        kept = self._which[rows]
        seeds, self._which = torch.unique(kept, return_inverse=True)
        self._generators = [self._generators[number] for number in seeds.tolist()]
