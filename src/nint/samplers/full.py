"""Standard training: every point, every step."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nint.probe.probe import Probe
from nint.samplers.base import NoState, Sampler, Selection


@dataclass(frozen=True)
class Full(Sampler[NoState]):
    """All N points at every step ("Stand." in the paper). Cost: none."""

    def select(self, state: NoState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, NoState]:
        """All rows of the pool, in order."""
        return Selection(torch.arange(len(probe), device=probe.device)), state
