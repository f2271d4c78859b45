"""Whole numbers <-> bytes, by range coding with models that are computed in integers, so that all machines agree on them.

A model is a bell of one width and tail: count(q) ~ (S / (S + q^2))^k, Student's family, which for large k is the normal distribution and
for large S uniform. Two numbers tell it; a table of counts would take some hundred bytes of a file of a few thousand.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from nint.errors import UsageError

TAILS = (1, 2, 4, 16, 64)
"""Exponents k."""

WIDTHS = tuple(round(2 ** (j / 4)) for j in range(4 * 41) if j == 0 or round(2 ** (j / 4)) != round(2 ** ((j - 1) / 4)))
"""Values of S, a quarter of an octave apart; the table is part of the format."""

_TOTAL_BITS = 20
_MANY = 2**9
"""Largest integer beyond which fewer models are tried: tensors of so many bits are small."""

_WORD = np.dtype("<u4")


@dataclass(frozen=True)
class Bell:
    """A model of integers from -top to top.

    Attributes:
        top: Largest integer.
        width: Index into `WIDTHS`.
        tail: Index into `TAILS`.
    """

    top: int
    width: int
    tail: int

    def __post_init__(self) -> None:
        if not (0 <= self.width < len(WIDTHS) and 0 <= self.tail < len(TAILS) and 0 <= self.top < 2**17):
            raise ValueError("a model of its integers is out of range")

    def counts(self) -> np.ndarray:
        """`[2 top + 1]` float64, whole numbers of at least 1 whose sum is 2^20: exact in floating point, whoever adds them up."""
        return _counts(self.top, self.width, self.tail)

    def bits(self, histogram: np.ndarray) -> float:
        """Bits that integers of a histogram `[2 top + 1]` take."""
        return float((histogram * (_TOTAL_BITS - np.log2(self.counts()))).sum())


def fitted(values: np.ndarray, top: int) -> Bell:
    """The model under which integers take the fewest bits.

    Args:
        values: Whole numbers from -top to top.
        top: Largest integer.
    """
    histogram = np.bincount(values.ravel().astype(np.int64) + top, minlength=2 * top + 1).astype(np.float64)
    spread = float(np.square(values.astype(np.float64)).mean()) if values.size else 0.0
    best, found = math.inf, Bell(top, 0, 0)
    for tail in range(len(TAILS)) if top <= _MANY else (len(TAILS) - 1,):
        # S / k is about twice the variance; wider bells are tried too, because those that fit are often cut off at the ends
        centre = int(np.searchsorted(WIDTHS, max(2 * TAILS[tail] * spread, 1)))
        for width in range(max(centre - 8, 0), min(centre + 17, len(WIDTHS)), 2 if top <= _MANY else 6):
            bell = Bell(top, width, tail)
            if (bits := bell.bits(histogram)) < best:
                best, found = bits, bell
    return found


def encode(parts: Iterable[tuple[np.ndarray, Bell]]) -> bytes:
    """All integers as one stream.

    Args:
        parts: (whole numbers, their model).

    Raises:
        UsageError: where the range coder is not installed.
    """
    stream = constriction().stream
    coder = stream.queue.RangeEncoder()
    for values, bell in parts:
        if bell.top:
            coder.encode((values.ravel() + bell.top).astype(np.int32), _categorical(bell))
    words: np.ndarray = coder.get_compressed()
    return words.astype(_WORD).tobytes()


class Decoder:
    """Reads what `encode` wrote, part by part.

    Args:
        data: The bytes.

    Raises:
        UsageError: where the range coder is not installed.
        ValueError: where they are no whole number of words.
    """

    def __init__(self, data: bytes) -> None:
        if len(data) % _WORD.itemsize:
            raise ValueError("its weights are cut off")
        words = np.frombuffer(data, _WORD).astype(np.uint32)
        self._coder = constriction().stream.queue.RangeDecoder(words)

    @property
    def done(self) -> bool:
        """Whether all that was written may have been read; false proves that something is left."""
        return bool(self._coder.maybe_exhausted())

    def read(self, count: int, bell: Bell) -> np.ndarray:
        """The next `count` integers, int32."""
        if not bell.top or not count:
            return np.zeros(count, np.int32)
        found: np.ndarray = self._coder.decode(_categorical(bell), count)
        return found.astype(np.int32) - bell.top


def _categorical(bell: Bell) -> Any:
    probabilities = (bell.counts() / 2**_TOTAL_BITS).astype(np.float32)
    return constriction().stream.model.Categorical(probabilities, perfect=False)


@functools.lru_cache(maxsize=512)
def _counts(top: int, width: int, tail: int) -> np.ndarray:
    size, exponent = WIDTHS[width], TAILS[tail]
    # 32 bits of S / (S + q^2), raised by squaring with the products cut to 32 bits: whole numbers below 2^64 throughout
    away = np.arange(1, top + 1, dtype=np.uint64)
    side = _fractions(size, size + away * away)
    while exponent > 1:
        side, exponent = (side * side) >> np.uint64(32), exponent // 2
    middle, room = 2**32, 2**_TOTAL_BITS - (2 * top + 1)
    whole = 2 * int(side.sum()) + middle
    counts = 1 + side * np.uint64(room) // np.uint64(whole)
    return np.concatenate([counts[::-1], [2**_TOTAL_BITS - 2 * int(counts.sum())], counts]).astype(np.float64)


def _fractions(size: int, wholes: np.ndarray) -> np.ndarray:
    """floor(2^32 size / whole) for wholes above `size` and below 2^48: long division by 16 bits at a time."""
    first, rest = np.divmod(np.uint64(size << 16), wholes)
    second = (rest << np.uint64(16)) // wholes
    found: np.ndarray = (first << np.uint64(16)) | second
    return found


def constriction() -> Any:
    """The range coder.

    Raises:
        UsageError: where it is not installed.
    """
    try:
        return importlib.import_module("constriction")
    except ImportError:
        raise UsageError("Packed models need the range coder constriction; pip install 'nint[pack]'.") from None
