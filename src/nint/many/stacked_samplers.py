"""The stacked form of each sampler that has one."""

from __future__ import annotations

from typing import Any

from nint.many.draws import Draws
from nint.many.fast import StackedNintFast
from nint.many.selection import StackedFull, StackedInt, StackedNint, StackedProbe, StackedSampler, StackedUniform
from nint.samplers.base import BatchSampler, Sampler, ScoredSampler
from nint.samplers.full import Full
from nint.samplers.int import Int
from nint.samplers.nint import Nint
from nint.samplers.nint_fast import NintFast
from nint.samplers.uniform import Uniform


def stackable(sampler: Sampler[Any]) -> bool:
    """Whether a sampler can choose for a stack: those of `nint` whose state is kept here, in the settings that are."""
    if type(sampler) is Full:
        return True
    if isinstance(sampler, BatchSampler) and sampler.candidates is not None:
        return False
    if isinstance(sampler, ScoredSampler) and sampler.interval != "dense" and sampler.between != "keep":
        return False
    return type(sampler) in (Uniform, Int, Nint, NintFast)


def stacked(sampler: Sampler[Any], total_steps: int, probe: StackedProbe, draws: Draws) -> StackedSampler[Any]:
    """The sampler of a stack, before its first step."""
    if isinstance(sampler, NintFast):
        return StackedNintFast(sampler, total_steps, probe, draws)
    kinds: dict[type, type[StackedSampler[Any]]] = {Full: StackedFull, Uniform: StackedUniform, Int: StackedInt, Nint: StackedNint}
    return kinds[type(sampler)](sampler, total_steps)
