"""The state of a teacher as one flat dictionary of tensors and text, which torch.save, safetensors and training frameworks keep."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.probe.cost import Cost
from nint.samplers.base import Sampler
from nint.samplers.tree import flatten, unflatten

TEXT, RNG = "teacher", "rng"
"""Keys of the description (JSON) and of the generator's state; the other keys are those of the sampler's tensors."""


@dataclass(frozen=True)
class Saved:
    """What a teacher is at, between two steps.

    Attributes:
        step: Finished steps.
        epoch: Of the pool.
        cost: Work of selection so far.
        state: Of the sampler.
        rng: State of the generator.
    """

    step: int
    epoch: int
    cost: Cost
    state: Any
    rng: Tensor


def to_dict(saved: Saved, sampler: Sampler[Any], named: str, total_steps: int, points: int) -> dict[str, Any]:
    """Tensors on the CPU, and one text."""
    tensors: dict[str, Tensor] = {RNG: saved.rng.cpu().clone()}
    text = {
        "sampler": repr(sampler),
        "named": named,
        "total_steps": total_steps,
        "points": points,
        "step": saved.step,
        "epoch": saved.epoch,
        "cost": vars(saved.cost),
        "state": flatten(saved.state, "state", tensors),
    }
    return {TEXT: json.dumps(text), **tensors}


def from_dict(
    values: dict[str, Any], sampler: Sampler[Any], named: str, total_steps: int, like: Any, device: torch.device, points: int
) -> Saved:
    """Undoes `to_dict`.

    Args:
        values: What it gave.
        sampler: The one that goes on; it must be the same.
        named: Its text form, for the message where it is not; states of earlier versions do not tell theirs.
        total_steps: Likewise.
        like: A state of that sampler.
        device: Of the pool.
        points: In the pool; states of earlier versions do not tell theirs.

    Raises:
        UsageError: for the state of another sampler, length or number of points, and for what is no such state.
    """
    try:
        text = json.loads(values[TEXT])
        now = {"sampler": repr(sampler), "total_steps": total_steps, "points": points}
        before = {"sampler": text["sampler"], "total_steps": text["total_steps"], "points": text.get("points", points)}
        if before["sampler"] != now["sampler"] and text.get("named", named) != named:
            before["sampler"], now["sampler"] = text["named"], named
        differing = [f"{name} was {before[name]}, now {now[name]}" for name in now if before[name] != now[name]]
        if differing:
            raise UsageError(f"This state is of another teacher: {'; '.join(differing)}.")
        tensors = {name: value.to(device) for name, value in values.items() if isinstance(value, Tensor) and name != RNG}
        state = unflatten(text["state"], tensors, type(like), like)
        return Saved(int(text["step"]), int(text["epoch"]), Cost(**text["cost"]), state, values[RNG].cpu())
    except UsageError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"This is not the state of a teacher: {type(error).__name__} ({error}).") from error
