"""From a trained network to the bytes of a small file."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.packing.allocation import allocated, output_errors
from nint.packing.choice import Choice, allows, as_it_is, error_of, fewer_bits, most_bits, part_of, tuned
from nint.packing.codecs import sizes_of
from nint.packing.container import join
from nint.packing.finetune import FineTuning
from nint.packing.header import before_packing, short
from nint.packing.levels import Levels, load, quantise, top_of
from nint.packing.sizing import LEAST_BITS, MOST_BITS, room
from nint.packing.state import check_finite, encode_levels, raw
from nint.signals.base import Layout, Signal
from nint.signals.open import layout_from_json

_PROBES = 4096
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
    exact = {name: tensor.clone() for name, tensor in field.state_dict().items()}
    floats = {name: tensor for name, tensor in exact.items() if tensor.is_floating_point() or tensor.is_complex()}
    check_finite(floats)
    whole = {name: tensor for name, tensor in exact.items() if name not in floats}
    coords = (torch.rand(_PROBES, len(extent), generator=torch.Generator().manual_seed(0)) * 2 - 1) * extent.cpu()
    errors = output_errors(field, coords.to(next(field.parameters()).device))
    counts = {name: tensor.numel() for name, tensor in floats.items()}
    shapes = [[name, list(tensor.shape)] for name, tensor in floats.items()]

    def rounded(mean: float) -> dict[str, Levels]:
        given = allocated(errors, counts, mean)
        return {name: quantise(tensor, top_of(given[name])) for name, tensor in floats.items()}

    def coded(levels: dict[str, Levels], about: dict[str, Any]) -> bytes:
        tables, stream = encode_levels(levels)
        extra = {"x": raw(whole)} if whole else {}
        named = {} if header["field"] is not None else {"n": shapes}
        return join(short(about) | {"t": tables} | extra | named, stream)

    known = before_packing(header.get("record") or {}, (*(header.get("metrics") or {}), *(() if signal is None else signal.metrics)))

    def built(choice: Choice) -> Packed:
        load(field, choice.levels)
        metrics = {} if signal is None or predict is None else signal.evaluate(lambda rows: predict(field, rows))
        record = known | {"packing": {"bits": round(choice.bits, 3), "steps": choice.steps}}
        record |= {} if signal is None else {"sizes": sizes_of(signal, metrics, source)}
        return Packed(coded(choice.levels, header | {"metrics": metrics, "record": record}), choice.bits, field, metrics, record)

    expected = header | {"record": known | _likely(signal)}

    def size(mean: float) -> int:
        return len(coded(rounded(mean), expected))

    as_was = as_it_is(floats)
    if max_bytes is None:
        as_was = as_was if as_was is not None and allows(bits, as_was) else None
    else:
        room(layout_from_json(header["layout"]), max_bytes)
        as_was = as_was if as_was is not None and len(coded(as_was.levels, expected)) <= max_bytes else None
        least = size(LEAST_BITS)
        aim = max(int(_AIM * max_bytes), min(least, max_bytes))
        bits = LEAST_BITS if as_was is not None and least > max_bytes else most_bits(size, aim)
    tuning, pool = tuning or FineTuning(), None if signal is None else signal.pool(next(field.parameters()).device)
    total = sum(counts.values())
    plain = as_was or Choice(rounded(bits), bits)
    best: tuple[Choice, float, Packed] | None = None
    if pool is not None and tuning.steps != 0:
        mean, tried = bits, list[tuple[float, int]]()
        for attempt in range(_TRIES - 1):
            choice, error = tuned(field, Choice(rounded(mean), mean), pool, tuning if max_bytes is None else part_of(tuning, attempt))
            packed = built(choice)
            if max_bytes is None or len(packed.data) <= max_bytes:
                best = choice, error, packed
                break
            if mean <= LEAST_BITS:
                break
            tried.append((mean, len(packed.data)))
            mean = fewer_bits(tried, _AIM * max_bytes, total)
    if best is None or pool is None or error_of(field, plain, pool) < best[1]:
        for _ in range(_TRIES):
            packed = built(plain)
            if max_bytes is None or len(packed.data) <= max_bytes:
                return packed
            mean = fewer_bits([(bits if plain is as_was else plain.bits, len(packed.data))], max_bytes, total)
            plain = Choice(rounded(mean), mean)
    if best is None:
        raise UsageError(f"The model does not fit into {max_bytes:,} bytes; its smallest packed form has {len(packed.data):,}.")
    load(field, best[0].levels)
    return best[2]


def _likely(signal: Signal | None) -> dict[str, Any]:
    if signal is None:
        return {"packing": _LIKELY["packing"]}
    return _LIKELY | {"sizes": _LIKELY["sizes"] | ({"read": dict(signal.read_with)} if signal.read_with else {})}


def checked_bytes(bits: float, max_kilobytes: float | None) -> int | None:
    """Bytes of `max_kilobytes`, once it and `bits` are known to be possible.

    Raises:
        UsageError: names the one that is out of range.
    """
    if not LEAST_BITS <= bits <= MOST_BITS:
        raise UsageError(f"bits={bits:g} is out of range; it must be from {LEAST_BITS:g} to {MOST_BITS:g}.")
    if max_kilobytes is None:
        return None
    if not (math.isfinite(max_kilobytes) and max_kilobytes > 0):
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
