"""Uniform random sampling."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nint.probe import Probe
from nint.samplers.base import BatchSampler, Selection
from nint.samplers.picker import random_rows


@dataclass(frozen=True)
class UniformState:
    total_steps: int


@dataclass(frozen=True)
class Uniform(BatchSampler):
    """int(share * N) points without replacement, fresh at every step ("Unif." in the paper). Cost: no forwards."""

    State = UniformState

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> UniformState:
        return UniformState(total_steps)

    def select(self, state: UniformState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, UniformState]:
        count = self.count(step, state.total_steps, len(probe))
        return Selection(random_rows(len(probe), count, rng)), state
