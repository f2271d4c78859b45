"""How long the axes of a signal are to a network: what the file tells, and the kernel's word on axes of another kind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from nint.bandwidth.patches import Patch, patches_of
from nint.bandwidth.search import PATCHES, SEED_OFFSET, predicted_db
from nint.fields.aspect import text_of
from nint.fields.siren import Siren
from nint.machine.workers import workers
from nint.signals.base import Signal

FACTORS = (1.0, 0.5, 2.0, 0.25, 4.0, 8.0)
"""On the length that the layout guesses, in the order in which they are tried; of equals the first is taken."""

SCALES = (0.7, 1.0, 1.4, 2.0)
"""Weight scales at which they are tried: how long an axis seems depends on the frequencies of the others."""

_PROXY = "3x64"
_MOST = 64.0
_GAIN_DB = 0.25


@dataclass(frozen=True)
class Axes:
    """What was found.

    Attributes:
        aspect: Relative lengths, as the text of a network's setting; None where all are the same.
        factors: Axis -> factor on the layout's guess, of the axes that the kernel was asked about.
        seconds: What it took.
    """

    aspect: str | None
    factors: dict[int, float]
    seconds: float

    @property
    def said(self) -> str:
        """A sentence on it; "" where there was nothing to choose."""
        if not self.factors:
            return ""
        changed = ", ".join(f"axis {axis} by {factor:g}" for axis, factor in self.factors.items())
        return f"Axes of different kinds are made comparable by the kernel: it stretches {changed} ({self.seconds:.1f} s)."


def aspect_of(signal: Signal, seed: int = 0) -> Axes:
    """The relative lengths of a signal's axes.

    Lengths are the layout's own. Axes that are no length (time, columns of a table) are stretched, one after another, so that the kernel of
    a small SIREN at its start weights predicts left-out points best.

    Args:
        signal: What is to be fitted.
        seed: Of the start weights and the patches.

    Cost: nothing without such axes; with one, two dozen kernels of a 3x64 network on four patches of 256 points, about a second.
    """
    began, layout = time.perf_counter(), signal.layout
    lengths = _bounded(layout.lengths)
    factors: dict[int, float] = {}
    if layout.unlike and layout.in_features > 1 and not signal.outlined:
        pool = signal.pool(torch.device("cpu"))
        patches = patches_of(pool, PATCHES, torch.Generator().manual_seed(seed + SEED_OFFSET))
        low, high = pool.value_range
        with workers(1):
            for axis in layout.unlike if patches else ():
                stretched = {factor: _stretched(lengths, axis, factor) for factor in FACTORS}
                found = {factor: _best_db(tried, patches, high - low, seed) for factor, tried in stretched.items()}
                best = max(found, key=lambda factor: found[factor])
                factors[axis] = best if found[best] >= found[1.0] + _GAIN_DB else 1.0
                lengths = stretched[factors[axis]]
    return Axes(text_of(lengths), factors, time.perf_counter() - began)


def _bounded(lengths: tuple[float, ...]) -> tuple[float, ...]:
    """The lengths, none more than `_MOST` times the shortest."""
    least = min(length for length in lengths if length > 0)
    return tuple(min(max(length, least) / least, _MOST) for length in lengths)


def _stretched(lengths: tuple[float, ...], axis: int, factor: float) -> tuple[float, ...]:
    return _bounded(tuple(length * (factor if number == axis else 1) for number, length in enumerate(lengths)))


def _best_db(lengths: tuple[float, ...], patches: Sequence[Patch], span: float, seed: int) -> float:
    form = text_of(lengths)
    return max(predicted_db(Siren(_PROXY, form, weight_scale=scale), patches, span, seed) for scale in SCALES)
