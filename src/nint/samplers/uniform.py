"""Uniform random sampling."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, BatchState, Selection
from nint.samplers.picker import random_rows


@dataclass(frozen=True)
class Uniform(BatchSampler[BatchState]):
    """int(batch_share * N) points without replacement, fresh at every step ("Unif." in the paper). Cost: no forwards."""

    looks_at_points = False

    def select(self, state: BatchState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, BatchState]:
        """A fresh uniform draw without replacement."""
        count = self.count(step, state.total_steps, len(probe))
        return Selection(random_rows(len(probe), count, rng)), state
