"""Cost in points pushed through the network: the same on every machine."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass
class Cost:
    """Points pushed through the network.

    Attributes:
        forward: Points forwarded (with or without a graph).
        backward: Points back-propagated.
        jvp: Points pushed through a forward-mode pass; each carries its own forward.
    """

    forward: int = 0
    backward: int = 0
    jvp: int = 0

    def forward_equivalents(self, pool: int) -> float:
        """Work in forwards over a pool of that many points: a backward counts 2, a forward-mode pass 3 (its forward included)."""
        return (self.forward + 2 * self.backward + 3 * self.jvp) / max(pool, 1)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.forward + other.forward, self.backward + other.backward, self.jvp + other.jvp)
