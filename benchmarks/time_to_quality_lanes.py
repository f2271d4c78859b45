"""Lanes of `time_to_quality.py`: what runs, on which picture, to which target."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from nint.bench.records import plain
from nint.runs.job import Job, make_job
from nint.signals.image.loader import from_array
from nint.signals.image.signal import ImageSignal
from nint.signals.open import open_signal
from nint.training.budgets import Budget

EVALUATE_SHARE = 0.02  # of the lane's own training seconds so far: how far apart evaluations are
EVALUATE_FLOOR_S = 0.02  # and at least so far


@dataclass(frozen=True)
class Lane:
    """One run of the benchmark.

    Attributes:
        part: Row of the table that it is for.
        case: Image and size, for people.
        name: What runs: "default", "full", "nint", "nint-fast", "uniform".
        image: A path or "sample:NAME".
        side: The image is cut to its central square and averaged down to this side.
        options: Of `make_job`: recipe, field, sampler, ...
        budget: Of `Budget`, as a user gives it; empty trains to the target or `cap_s`.
        targets: Decibels; the lane ends when the last is reached. Empty uses up the budget.
        seed: Of the start weights and of the sampler.
        cap_s: Training seconds after which it is given up.
        block_s: Training seconds in a turn. A lane that is expected to need few seconds gets short ones, so that it is spread over
            the time of the long ones.
        note: How its settings were found.
    """

    part: str
    case: str
    name: str
    image: str
    side: int
    options: dict[str, Any]
    budget: dict[str, float] = field(default_factory=dict)
    targets: tuple[float, ...] = ()
    seed: int = 0
    cap_s: float = 3600.0
    block_s: float = 2.0
    note: str = ""

    @property
    def group(self) -> tuple[str, str, int]:
        """Lanes of one group race."""
        return self.part, self.case, self.seed

    def job(self, device: str) -> Job:
        """What `nint fit` would run with these settings."""
        budget = Budget(**self.budget) if self.budget else None
        return make_job(square(self.image, self.side), budget=budget, seed=self.seed, device=device, **self.options)

    def identity(self, job: Job) -> dict[str, Any]:
        """What decides the result and its clock, as JSON."""
        wanted = {name: value for name, value in dataclasses.asdict(self).items() if name not in ("image", "note")}
        constants = {"evaluate_share": EVALUATE_SHARE, "evaluate_floor_s": EVALUATE_FLOOR_S}
        return plain({**wanted, "settings": job.settings(), "threads": torch.get_num_threads(), **constants})


def square(image: str, side: int) -> ImageSignal:
    """The central square of an image, averaged down to `side` pixels."""
    array = open_signal(image).array
    height, width = array.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    name = f"{Path(image.removeprefix('sample:')).stem}, central {edge}x{edge}"
    return from_array(array[top : top + edge, left : left + edge].copy(), name, max_side=side)
