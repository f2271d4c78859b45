"""The lengths of the axes: coordinates run over [-1, 1] along each, whatever the signal measures there."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

from nint.errors import UsageError

_LENGTHS = re.compile(r"\d+(\.\d+)?([eE][+-]?\d+)?(x\d+(\.\d+)?([eE][+-]?\d+)?)*")


def lengths_of(text: str | None) -> tuple[float, ...]:
    """The numbers of "6x1" or "1x1x2.5"; none of None.

    Raises:
        UsageError: unless it is numbers above 0 with an x between them.
    """
    if text is None:
        return ()
    lengths = tuple(float(part) for part in text.split("x")) if _LENGTHS.fullmatch(text) else (0.0,)
    if not all(0 < length < math.inf for length in lengths):
        raise UsageError(f"aspect={text} cannot be read; write the relative lengths of the axes, for example 6x1.")
    return lengths


def text_of(lengths: tuple[float, ...]) -> str | None:
    """The text of relative lengths, the shortest of them 1; None where all are the same."""
    least = min(lengths, default=1.0)
    relative = [float(f"{length / least:.4g}") for length in lengths]
    return None if all(value == 1 for value in relative) else "x".join(f"{value:g}" for value in relative)


def factors(text: str | None, axes: int) -> tuple[float, ...]:
    """Factor on the coordinates along each axis, their product 1: the box then has one unit along all axes and the volume of [-1, 1]^d.

    Args:
        text: As of `lengths_of`.
        axes: d.

    Raises:
        UsageError: for another number of lengths than axes.
    """
    lengths = lengths_of(text)
    if not lengths:
        return (1.0,) * axes
    if len(lengths) != axes:
        raise UsageError(f"aspect={text} has {len(lengths)} lengths, but points have {axes} coordinates; give one for each.")
    mean = math.exp(sum(map(math.log, lengths)) / axes)
    return tuple(length / mean for length in lengths)


class Unit(nn.Module):
    """Coordinates in one unit along all axes, `[..., d] -> [..., d]`; no parameters, nothing in the state.

    Args:
        factors: Of each axis.
    """

    factors: Tensor

    def __init__(self, factors: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("factors", torch.tensor(factors), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., d]`."""
        return x * self.factors.to(x.dtype)


def in_one_unit(field: nn.Module, text: str | None, axes: int) -> nn.Module:
    """A network that takes coordinates on [-1, 1]^d and sees them in one unit; the network itself where no lengths are given.

    Args:
        field: An `nn.Sequential` as a spec builds it.
        text: As of `lengths_of`.
        axes: d.
    """
    return in_units(field, factors(text, axes))


def in_units(field: nn.Module, by_axis: tuple[float, ...]) -> nn.Module:
    """A network behind a factor on each coordinate; the network itself where all are 1. Names of parameters stay as they were.

    Args:
        field: An `nn.Sequential` as a spec builds it.
        by_axis: The factors.
    """
    if all(factor == 1 for factor in by_axis):
        return field
    sequence = nn.Sequential()
    sequence.add_module("unit", Unit(by_axis))
    for name, module in field.named_children():
        sequence.add_module(name, module)
    return sequence
