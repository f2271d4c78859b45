"""What was spent, in points: a count that no machine changes."""

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

    def units(self, pool: int) -> float:
        """Work in units of one forward over the whole pool: a backward counts 2, a forward-mode pass 3 (its forward included)."""
        return (self.forward + 2 * self.backward + 3 * self.jvp) / max(pool, 1)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.forward + other.forward, self.backward + other.backward, self.jvp + other.jvp)
