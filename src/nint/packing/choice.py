"""The weights that a file may get: rounded at a number of bits, fine-tuned from there, or as they are where they lie on a grid already."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from nint.errors import UsageError
from nint.ntk.products import chunk_size_for, forward_rows
from nint.packing.finetune import FineTuning, finetuned
from nint.packing.levels import Levels, bits_of, load, on_grid
from nint.packing.sizing import LEAST_BITS, MOST_BITS
from nint.probe.objectives import make_loss
from nint.signals.base import Pool
from nint.signals.measure import spread_rows

_JUDGED = 2**16
_FINEST = 1 / 32
_MARGIN = 1.5
_FIRST = 0.8
"""Part of the seconds of fine-tuning in the first attempt."""


@dataclass(frozen=True)
class Choice:
    """Weights for a file.

    Attributes:
        levels: By name.
        bits: Mean bits of a weight.
        steps: Of fine-tuning.
    """

    levels: dict[str, Levels]
    bits: float
    steps: int = 0


def as_it_is(tensors: Mapping[str, Tensor]) -> Choice | None:
    """The very weights of a model that was packed before; None where they lie on no grid."""
    found = {}
    for name, tensor in tensors.items():
        levels = on_grid(tensor)
        if levels is None:
            return None
        found[name] = levels
    count = sum(level.codes.numel() for level in found.values())
    return Choice(found, sum(level.codes.numel() * bits_of(level) for level in found.values()) / max(count, 1))


def allows(bits: float, choice: Choice) -> bool:
    """Whether a choice has no more bits than were asked for, but for the rounding of ranges."""
    return choice.bits <= bits + _FINEST


def part_of(tuning: FineTuning, attempt: int) -> FineTuning:
    """The fine-tuning of an attempt: where it has seconds, most of them go to the first, so that another one hardly takes longer."""
    if tuning.seconds is None:
        return tuning
    return dataclasses.replace(tuning, seconds=tuning.seconds * (_FIRST if attempt == 0 else 1 - _FIRST))


def tuned(field: nn.Module, start: Choice, pool: Pool, tuning: FineTuning) -> tuple[Choice, float]:
    """A choice fine-tuned, or as it is where that has the lower error on points of the pool, and that error."""
    before = error_of(field, start, pool)
    trained, steps = finetuned(field, start.levels, pool, tuning)
    found = Choice(trained, start.bits, steps)
    after = error_of(field, found, pool)
    return (found, after) if after < before else (start, before)


def error_of(field: nn.Module, choice: Choice, pool: Pool) -> float:
    """Mean squared error on points of the pool, the same at every call."""
    load(field, choice.levels)
    rows = spread_rows(len(pool), min(_JUDGED, len(pool)))
    prediction = forward_rows(field, pool.coords[rows], chunk_size_for(pool.device))
    return float(make_loss("l2").point_loss(prediction, pool.values[rows].to(prediction)).nanmean())


def most_bits(size: Callable[[float], int], most: int) -> float:
    """The largest number of bits at which a file has at most `most` bytes.

    Raises:
        UsageError: where there is none.
    """
    if (smallest := size(LEAST_BITS)) > most:
        raise UsageError(
            f"The model does not fit into {most:,} bytes: at {LEAST_BITS:g} bits a weight it takes {smallest:,}; use a smaller network "
            "(nint fit --max-kilobytes chooses one)."
        )
    low, high = LEAST_BITS, MOST_BITS
    if size(high) <= most:
        return high
    while high - low > _FINEST:
        middle = (low + high) / 2
        low, high = (middle, high) if size(middle) <= most else (low, middle)
    return low


def fewer_bits(tried: Sequence[tuple[float, int]], most: float, count: int) -> float:
    """Bits for the next attempt at a file that came out too large: by its record a few bytes, by fine-tuning up to twice.

    Fine-tuning gives a value to weights that were rounded to 0. From there, too, a bit less of each weight saves about as many bits; how
    many, two attempts tell.

    Args:
        tried: (bits, bytes) of the attempts so far.
        most: Bytes that are aimed at.
        count: Weights.
    """
    bits, size = tried[-1]
    less = _MARGIN * 8 * (size - most) / max(count, 1)
    if len(tried) > 1:
        before, larger = tried[-2]
        less = max(less, (size - most) * (before - bits) / max(larger - size, 1))
    return max(bits - max(2 * _FINEST, less), LEAST_BITS)
