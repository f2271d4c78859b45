"""A training clock that no machine hurries or slows: each look at it finds a tick more."""

TICK = 1 / 512
"""Seconds; sums of it are exact."""

STEP = 5 * TICK
"""Training seconds of a step: the clock is looked at six times, at the ends of the training and of its two parts of selection."""

SELECTION = 2 * TICK
"""Seconds of selection in a step."""


class Ticking:
    """Takes the place of `Clock._now`."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks * TICK
