"""Samplers that work over several processes, and their states as one process would have them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nint.distributed.group import Group
from nint.distributed.shard import Shard
from nint.errors import UsageError
from nint.samplers.base import CachedBatch, Sampler, ScoredState
from nint.samplers.candidates import Candidates
from nint.samplers.full import Full
from nint.samplers.int import Int
from nint.samplers.nint import Nint, NintState
from nint.samplers.nint_fast import NintFast
from nint.samplers.uniform import Uniform

WORKING = ("nint", "int", "uniform", "nint-fast", "full")
"""Samplers that choose the same points over several processes as in one."""


def check_sampler(sampler: Sampler[Any], name: str) -> None:
    """Refuses a sampler that does not work over several processes.

    Raises:
        UsageError: names those that do.
    """
    inner = sampler.inner if isinstance(sampler, Candidates) else sampler
    if type(inner) not in (Nint, Int, Uniform, NintFast, Full):
        raise UsageError(f"Sampler '{name}' does not work over several processes; use {', '.join(WORKING)}, or start one process.")


def whole_state(state: Any, shard: Shard, group: Group, everywhere: bool = True) -> Any:
    """The state that one process would have, from those of all.

    Args:
        state: This process's.
        shard: Its rows.
        group: The processes.
        everywhere: Whether every process gets it, or only the first; what the others get then is of no use.
    """
    if not isinstance(state, (ScoredState, NintState)):
        return state  # of the same draws everywhere
    if isinstance(state, NintState) and state.ntk_scores is not None:
        state = replace(state, ntk_scores=group.gathered(state.ntk_scores, everywhere))
    if state.cached is None:
        return state
    cached = state.cached
    scored = group.gathered(cached.indices[: cached.scored], everywhere)
    rest = group.gathered(cached.indices[cached.scored :], everywhere)
    return replace(state, cached=CachedBatch(torch.cat([scored, rest]), len(scored), cached.epoch))


def own_state(state: Any, shard: Shard) -> Any:
    """This process's part of the state that one process would have; the opposite of `whole_state`."""
    if not isinstance(state, (ScoredState, NintState)):
        return state
    if isinstance(state, NintState) and state.ntk_scores is not None:
        state = replace(state, ntk_scores=state.ntk_scores[shard.start : shard.stop].clone())
    if state.cached is None:
        return state
    cached = state.cached
    scored = _held(cached.indices[: cached.scored], shard)
    rest = _held(cached.indices[cached.scored :], shard)
    return replace(state, cached=CachedBatch(torch.cat([scored, rest]), len(scored), cached.epoch))


def _held(rows: Tensor, shard: Shard) -> Tensor:
    return rows[shard.owns(rows)]
