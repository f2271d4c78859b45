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
from nint.ntk.products import chunk_size_for, forward_rows
from nint.packing.allocation import allocated, output_errors
from nint.packing.codecs import sizes_of
from nint.packing.container import join
from nint.packing.finetune import FineTuning, finetuned
from nint.packing.header import short
from nint.packing.levels import Levels, quantise, top_of
from nint.packing.sizing import LEAST_BITS, MOST_BITS
from nint.packing.state import check_finite, encode_levels, raw
from nint.probe.objectives import make_loss
from nint.signals.base import Layout, Pool, Signal
from nint.signals.measure import spread_rows

_PROBES = 4096
_JUDGED = 2**16
_FINEST = 1 / 32
_TRIES = 4
_AIM, _FIRST = 0.995, 0.8
"""Part of the most bytes that is aimed at before fine-tuning, which changes the size a little; part of its seconds in the first attempt."""

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
        told: What its record says of the packing, and of other forms of the signal.
    """

    data: bytes
    bits: float
    field: nn.Module
    metrics: dict[str, float]
    told: dict[str, Any]


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

    if max_bytes is not None:
        expected = header | {"record": (header.get("record") or {}) | (_LIKELY if signal is not None else {"packing": _LIKELY["packing"]})}

        def size(mean: float) -> int:
            return len(coded(rounded(mean), expected))

        bits = _most_bits(size, max(int(_AIM * max_bytes), min(size(LEAST_BITS), max_bytes)))
    tuning, pool = tuning or FineTuning(), None if signal is None else signal.pool(next(field.parameters()).device)
    for attempt in range(_TRIES):
        levels, steps = rounded(bits), 0
        if pool is not None and tuning.steps != 0 and attempt < _TRIES - 1:
            levels, steps = _tuned(field, levels, pool, _part_of(tuning, attempt) if max_bytes is not None else tuning)
        _load(field, levels)
        metrics = {} if signal is None or predict is None else signal.evaluate(lambda rows: predict(field, rows))
        told = {"packing": {"bits": round(bits, 3), "steps": steps}}
        told |= {} if signal is None else {"sizes": sizes_of(signal, metrics, source)}
        about = header | {"metrics": metrics, "record": (header.get("record") or {}) | told}
        data = coded(levels, about)
        if max_bytes is None or len(data) <= max_bytes:
            return Packed(data, bits, field, metrics, told)
        bits = max(bits - max(2 * _FINEST, bits * 1.5 * (len(data) / max_bytes - 1)), LEAST_BITS)
    raise UsageError(f"The model does not fit into {max_bytes:,} bytes; its smallest packed form has {len(data):,}.")


def _part_of(tuning: FineTuning, attempt: int) -> FineTuning:
    """The fine-tuning of an attempt: where it has seconds, most of them go to the first, so that another one hardly takes longer."""
    if tuning.seconds is None:
        return tuning
    return dataclasses.replace(tuning, seconds=tuning.seconds * (_FIRST if attempt == 0 else 1 - _FIRST))


def _tuned(field: nn.Module, levels: dict[str, Levels], pool: Pool, tuning: FineTuning) -> tuple[dict[str, Levels], int]:
    """Fine-tuned levels and their steps, or the levels as they are where those have the lower error on points of the pool."""
    before = _error(field, levels, pool)
    trained, steps = finetuned(field, levels, pool, tuning)
    return (trained, steps) if _error(field, trained, pool) < before else (levels, 0)


def _error(field: nn.Module, levels: dict[str, Levels], pool: Pool) -> float:
    """Mean squared error on points of the pool, the same at every call."""
    _load(field, levels)
    rows = spread_rows(len(pool), min(_JUDGED, len(pool)))
    prediction = forward_rows(field, pool.coords[rows], chunk_size_for(pool.device))
    return float(make_loss("l2").point_loss(prediction, pool.values[rows].to(prediction)).nanmean())


def _load(field: nn.Module, levels: dict[str, Levels]) -> None:
    with torch.no_grad():
        for name, tensor in field.state_dict().items():
            if name in levels:
                tensor.copy_(levels[name].tensor())


def _most_bits(size: Callable[[float], int], most: int) -> float:
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
