"""From a trained network to the bytes of a small file."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nint.arguments import finite
from nint.errors import UsageError
from nint.packing.choice import Choice, allows, as_it_is, error_of, fewer_bits, most_bits, part_of, tuned
from nint.packing.codecs import sizes_of
from nint.packing.coding import Coding, coding_of
from nint.packing.finetune import FineTuning
from nint.packing.header import before_packing
from nint.packing.levels import load
from nint.packing.sizing import LEAST_BITS, MOST_BITS, room
from nint.signals.base import Layout, Pool, Signal
from nint.signals.open import layout_from_json

_TRIES = 4
_AIM = 0.995
"""Part of the most bytes that is aimed at before fine-tuning, which changes the size."""

_LIKELY: dict[str, Any] = {
    "packing": {"bits": 6.125, "steps": 300},
    "sizes": {"input": 2**20, "at": {"psnr": 30.123}, "jpeg": 2**17, "webp": 2**17},
}
"""What the record will say, in as many bytes: it is known only once the weights are trained, for which the number of bits must be."""


@dataclass(frozen=True)
class Packed:
    """A packed model.

    Attributes:
        data: The bytes of its file.
        bits: Mean bits of a weight before entropy coding.
        field: The network as the file holds it.
        metrics: Its quality on the signal; {} without one.
        record: What was known before that holds for these weights too, the packing, and other forms of the signal.
    """

    data: bytes
    bits: float
    field: nn.Module
    metrics: dict[str, float]
    record: dict[str, Any]


def pack(
    field: nn.Module,
    header: dict[str, Any],
    extent: Tensor,
    *,
    bits: float = 6.0,
    max_bytes: int | None = None,
    signal: Signal | None = None,
    predict: Callable[[nn.Module, Any], Tensor] | None = None,
    tuning: FineTuning | None = None,
    source: str = "",
) -> Packed:
    """Quantises, fine-tunes and codes a model.

    Args:
        field: The network; left as it is.
        header: As of `Fit.header`.
        extent: `[d_in]` largest absolute coordinates, within which the sensitivity of each tensor is measured.
        bits: Mean bits of a weight; without `max_bytes`.
        max_bytes: Largest file, for which the number of bits is chosen.
        signal: What the network was fitted to; None leaves the weights rounded to the nearest, and unmeasured.
        predict: (network, rows of coordinates) -> predictions, for measuring; needed with `signal`.
        tuning: Fine-tuning; None is the default.
        source: File of the signal, whose size is told beside the model's; "" where there is none.

    Raises:
        UsageError: for weights that are not finite, a network that is too large for `max_bytes`, and missing packages.
    """
    field = copy.deepcopy(field).float()
    coding = coding_of(field, header, extent)
    known = before_packing(header.get("record") or {}, (*(header.get("metrics") or {}), *(() if signal is None else signal.metrics)))

    def built(choice: Choice) -> Packed:
        load(field, choice.levels)
        metrics = {} if signal is None or predict is None else signal.evaluate(lambda rows: predict(field, rows))
        record = known | {"packing": {"bits": round(choice.bits, 3), "steps": choice.steps}}
        record |= {} if signal is None else {"sizes": sizes_of(signal, metrics, source)}
        data = coding.data(choice.levels, header | {"metrics": metrics, "record": record})
        return Packed(data, choice.bits, field, metrics, record)

    as_was, bits = _start(coding, header | {"record": known | _likely(signal)}, bits, max_bytes)
    plain = as_was or coding.rounded(bits)
    tuning, pool = tuning or FineTuning(), None if signal is None else signal.pool(next(field.parameters()).device)
    best = None if pool is None or tuning.steps == 0 else _finetuned(coding, field, bits, pool, tuning, max_bytes, built)
    if best is None or pool is None or error_of(field, plain, pool) < best.error:
        packed = _untuned(coding, plain, bits, max_bytes, built)
        if max_bytes is None or len(packed.data) <= max_bytes:
            return packed
        if best is None:
            raise UsageError(f"The model does not fit into {max_bytes:,} bytes; its smallest packed form has {len(packed.data):,}.")
    load(field, best.choice.levels)
    return best.packed


@dataclass(frozen=True)
class _Tuned:
    choice: Choice
    error: float
    packed: Packed


def _start(coding: Coding, expected: dict[str, Any], bits: float, max_bytes: int | None) -> tuple[Choice | None, float]:
    """The weights as they are, where they lie on a grid and may stay so, and the bits to begin with.

    Raises:
        UsageError: for a network that is too large for `max_bytes`.
    """
    as_was = as_it_is(coding.floats)
    if max_bytes is None:
        return (as_was if as_was is not None and allows(bits, as_was) else None), bits
    room(layout_from_json(coding.header["layout"]), max_bytes)
    if as_was is not None and len(coding.data(as_was.levels, expected)) > max_bytes:
        as_was = None
    least = coding.size(LEAST_BITS, expected)
    if as_was is not None and least > max_bytes:
        return as_was, LEAST_BITS
    aim = max(int(_AIM * max_bytes), min(least, max_bytes))
    return as_was, most_bits(lambda mean: coding.size(mean, expected), aim)


def _finetuned(
    coding: Coding,
    field: nn.Module,
    bits: float,
    pool: Pool,
    tuning: FineTuning,
    max_bytes: int | None,
    built: Callable[[Choice], Packed],
) -> _Tuned | None:
    """Fine-tuned weights whose file fits; None where those of every attempt are too large."""
    tried: list[tuple[float, int]] = []
    for attempt in range(_TRIES - 1):
        choice, error = tuned(field, coding.rounded(bits), pool, tuning if max_bytes is None else part_of(tuning, attempt))
        packed = built(choice)
        if max_bytes is None or len(packed.data) <= max_bytes:
            return _Tuned(choice, error, packed)
        if bits <= LEAST_BITS:
            return None
        tried.append((bits, len(packed.data)))
        bits = fewer_bits(tried, _AIM * max_bytes, coding.total)
    return None


def _untuned(coding: Coding, plain: Choice, bits: float, max_bytes: int | None, built: Callable[[Choice], Packed]) -> Packed:
    """Weights without fine-tuning, with fewer bits where their file is too large; the last attempt where none fits."""
    packed = built(plain)
    for _ in range(_TRIES - 1):
        if max_bytes is None or len(packed.data) <= max_bytes:
            break
        bits = fewer_bits([(bits, len(packed.data))], max_bytes, coding.total)
        packed = built(coding.rounded(bits))
    return packed


def _likely(signal: Signal | None) -> dict[str, Any]:
    if signal is None:
        return {"packing": _LIKELY["packing"]}
    return _LIKELY | {"sizes": _LIKELY["sizes"] | ({"read": dict(signal.read_with)} if signal.read_with else {})}


def checked_bytes(bits: float, max_kilobytes: float | None) -> int | None:
    """Bytes of `max_kilobytes`, once it and `bits` are known to be possible.

    Raises:
        UsageError: names the one that is out of range.
    """
    if not LEAST_BITS <= finite(bits, "bits") <= MOST_BITS:
        raise UsageError(f"bits={bits:g} is out of range; it must be from {LEAST_BITS:g} to {MOST_BITS:g}.")
    if max_kilobytes is None:
        return None
    if finite(max_kilobytes, "max_kilobytes") <= 0:
        raise UsageError(f"max_kilobytes={max_kilobytes:g} must be a finite number above 0.")
    return int(1000 * max_kilobytes)


class _Seen(Exception):
    """Carries the coordinates that a layout asks for."""

    def __init__(self, coords: Tensor) -> None:
        self.coords = coords


def extent_of(layout: Layout) -> Tensor:
    """`[d_in]` largest absolute coordinates at which a layout decodes: those of its first and last rows."""

    def look(coords: Any) -> Tensor:
        last = len(coords) - 1
        raise _Seen(torch.cat([torch.as_tensor(coords[:1]), torch.as_tensor(coords[last:])]))

    try:
        layout.decode(look)
    except _Seen as seen:
        found = seen.coords.float().abs().amax(dim=0)
        return torch.where(found > 0, found, 1.0)
    except UsageError:  # a layout without points of its own
        pass
    return torch.ones(layout.in_features)


def replaced(tuning: FineTuning, **changes: Any) -> FineTuning:
    """Fine-tuning with the settings that were given; None leaves one as it is."""
    return dataclasses.replace(tuning, **{name: value for name, value in changes.items() if value is not None})
