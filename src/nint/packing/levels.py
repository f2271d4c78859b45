"""Weights as whole numbers: each row of a tensor is a step size times integers. Every machine computes the same float32 from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

STEPS_PER_OCTAVE = 16
"""Step sizes are 2^(k/16) for whole k: rounding one up costs .03 bits a weight, and its index about half a byte a row."""

_MANTISSA_BITS = 23
_ROW_AT_LEAST = 16
LEAST_INDEX, MOST_INDEX = -100 * STEPS_PER_OCTAVE, 100 * STEPS_PER_OCTAVE
"""Range of k, well inside float32's."""

MOST_LEVEL = 2**17 - 1
"""Largest integer of a weight: 18 bits with the sign."""

_FINEST_OCTAVE = 17
"""Octaves from the largest weight of a row to its finest step."""


@dataclass(frozen=True)
class Levels:
    """A quantised tensor.

    Attributes:
        shape: Of the tensor.
        top: Integers run from -top to top.
        codes: `[rows, columns]` int32.
        steps: `[rows]` int32: k of each row's step size 2^(k/16).
    """

    shape: tuple[int, ...]
    top: int
    codes: Tensor
    steps: Tensor

    def tensor(self) -> Tensor:
        """The weights, float32 of `shape`: one product each, correctly rounded, so the same on every machine."""
        return (self.codes.float() * step_sizes(self.steps).unsqueeze(1)).reshape(self.shape)


def rows_of(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns as which a tensor is quantised: by its first axis where rows are long enough to pay for a step size, else as one."""
    count = math.prod(shape)
    columns = count // shape[0] if len(shape) > 1 and shape[0] else count
    return (shape[0], columns) if len(shape) > 1 and columns >= _ROW_AT_LEAST else (1, count)


def top_of(bits: float) -> int:
    """Largest integer at a number of bits, which may be fractional: 2^bits levels or the nearest odd number below, at least three."""
    return min(max(round(2 ** (bits - 1)) - 1, 1), MOST_LEVEL)


def bits_of(levels: Levels) -> float:
    """Bits of each number, the inverse of `top_of`."""
    return math.log2(levels.top + 1) + 1


def quantise(weights: Tensor, top: int) -> Levels:
    """The nearest multiples of each row's step size, the smallest of the grid at which the row's largest weight is at most `top` steps.

    Args:
        weights: Floats of any shape, finite.
        top: Largest integer.
    """
    rows = weights.detach().double().cpu().reshape(rows_of(tuple(weights.shape)))
    largest = rows.abs().amax(dim=1) if rows.shape[1] else torch.zeros(rows.shape[0], dtype=torch.float64)
    wanted = (largest / top).clamp(min=2.0 ** (LEAST_INDEX / STEPS_PER_OCTAVE)).log2() * STEPS_PER_OCTAVE
    steps = wanted.ceil().clamp(LEAST_INDEX, MOST_INDEX).to(torch.int32)
    return Levels(tuple(weights.shape), top, nearest(rows, steps, top), steps)


def load(field: nn.Module, levels: Mapping[str, Levels]) -> None:
    """Overwrites the weights of a network, by name."""
    with torch.no_grad():
        for name, tensor in field.state_dict().items():
            if name in levels:
                tensor.copy_(levels[name].tensor())


def on_grid(weights: Tensor) -> Levels | None:
    """Levels that give these very weights, as those of a model that was packed before; None where there are none.

    Args:
        weights: Floats of any shape, finite.
    """
    shape = tuple(weights.shape)
    rows = weights.detach().float().cpu().reshape(rows_of(shape))
    largest = rows.abs().amax(dim=1) if rows.shape[1] else torch.zeros(rows.shape[0])
    coarsest = (largest.double().clamp(min=2.0 ** (LEAST_INDEX / STEPS_PER_OCTAVE)).log2() * STEPS_PER_OCTAVE).ceil().to(torch.int32)
    steps, found = coarsest.clamp(LEAST_INDEX, MOST_INDEX), largest == 0
    for finer in range(_FINEST_OCTAVE * STEPS_PER_OCTAVE):
        left = (~found).nonzero().squeeze(1)
        if not len(left):
            break
        index = (coarsest[left] - finer).clamp(LEAST_INDEX, MOST_INDEX)
        hit = _multiples(rows[left, :_ROW_AT_LEAST], index)  # a few columns tell of most rows that it is not this step
        left, index = left[hit], index[hit]
        hit = _multiples(rows[left], index)
        steps[left[hit]], found[left[hit]] = index[hit], True
    if not bool(found.all()):
        return None
    codes = nearest(rows.double(), steps, MOST_LEVEL)
    return Levels(shape, max(int(codes.abs().max()) if codes.numel() else 0, 1), codes, steps)


def _multiples(rows: Tensor, steps: Tensor) -> Tensor:
    """`[rows]` whether each is its step size times integers in range, to the last bit."""
    sizes = step_sizes(steps).unsqueeze(1)
    codes = (rows.double() / sizes.double()).round()
    return ((codes.abs() <= MOST_LEVEL) & (codes.float() * sizes == rows)).all(dim=1)


def nearest(rows: Tensor, steps: Tensor, top: int) -> Tensor:
    """Nearest integers `[rows, columns]` int32 of weights `[rows, columns]` at given step indices `[rows]`."""
    units = rows / step_sizes(steps).to(rows.dtype).unsqueeze(1)
    return units.round().clamp(-top, top).to(torch.int32)


def step_sizes(indices: Tensor) -> Tensor:
    """2^(k/16) in float32 of whole numbers k; only integers and powers of two are computed with, so that no library's pow matters."""
    octaves = torch.div(indices.long(), STEPS_PER_OCTAVE, rounding_mode="floor")
    mantissas = torch.tensor(_MANTISSAS, dtype=torch.float64)[indices.long() - STEPS_PER_OCTAVE * octaves]
    return torch.ldexp(mantissas, octaves - _MANTISSA_BITS).float()


def _root16(number: int) -> int:
    """The 16th root, rounded down."""
    for _ in range(4):
        number = math.isqrt(number)
    return number


_MANTISSAS = tuple(float(_root16(2 ** (j + STEPS_PER_OCTAVE * _MANTISSA_BITS))) for j in range(STEPS_PER_OCTAVE))
"""2^(j/16) as multiples of 2^-23."""
