"""The network for a file size: as wide as fits at the bits that were measured to be worth it."""

from __future__ import annotations

import dataclasses
from typing import Any

from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec
from nint.packing.header import layout_bytes
from nint.settings import split_text
from nint.signals.base import Layout
from nint.signals.image.layout import ImageLayout

BITS, SOUND_BITS = 6.0, 8.0
"""Mean bits of a weight that are worth it; of a sound more, since the phases of its sines run over thousands of periods (speech/00, 34 kB,
a minute: 3.3 dB SI-SNR with 5x106 at 6 bits, 8.9 with 5x91 at 8, 8.4 with 5x84 at 9.5)."""

LAYERS = 5
"""Hidden layers, as of the networks of the paper."""

LEAST_BITS, MOST_BITS = 2.5, 12.0
"""Mean bits of a weight that can be asked for, before entropy coding."""

_LEAST, _USUAL = 0.25, 0.7  # of the fewest bits, after entropy coding: networks of nint took .62 to .87
_CODED = 0.97  # of the bits, after entropy coding
_OVERHEAD = 200  # bytes of header, models and checksum
_MUCH = 0.25  # of a file: what is told of a signal costs the weights less than two of six bits below this
_PER_ROW = 0.75  # bytes of a step size
_NARROWEST, _WIDEST = 4, 4096


def bits_for(kind: str) -> float:
    """Mean bits of a weight where none are named, for a kind of signal."""
    return SOUND_BITS if kind == "audio" else BITS


def weights_for(max_bytes: int, kind: str) -> int:
    """Weights that a file has room for at the bits of a kind of signal, where steps of single rows take next to nothing."""
    return max(int((max_bytes - _OVERHEAD) * 8 / (bits_for(kind) * _CODED)), 0)


def room(layout: Layout, max_bytes: int) -> int:
    """Bytes of a file that a network is chosen for: all of them, but for what is told of the signal where that is much of the file.

    Args:
        layout: Of the signal.
        max_bytes: Bytes of the file.

    Raises:
        UsageError: where it leaves none; names a colour profile.
    """
    told = layout_bytes(layout)
    left = max_bytes - told if told > _OVERHEAD and told > _MUCH * max_bytes else max_bytes
    if left < max_bytes and left <= _OVERHEAD:
        profile = len(layout.profile_bytes) if isinstance(layout, ImageLayout) else 0
        needed = f"allow more than the {told:,} bytes that it takes in the file"
        if 2 * profile > told:
            raise UsageError(
                f"The colour profile of the picture, of {profile:,} bytes, leaves no room for a network in {max_bytes:,} bytes; convert "
                f"the picture to sRGB, save it without its profile, or {needed}."
            )
        raise UsageError(f"What is told of the signal leaves no room for a network in {max_bytes:,} bytes; {needed}.")
    return left


def with_size(form: Any, layout: Layout, max_bytes: int, layers: int = LAYERS) -> Any:
    """A network in text form with the setting `size` that fills a file; one that names its size, and a ready one, stay as they are.

    Args:
        form: Text form, spec, class or module.
        layout: Of the signal.
        max_bytes: Bytes of the file.
        layers: Hidden layers.

    Raises:
        UsageError: where not even a narrow network fits.
    """
    if not isinstance(form, str) or "size" in split_text(form)[1]:
        return form
    name, raw = split_text(form)
    spec = FIELDS.parse(name)
    fitting = [width for width in range(_NARROWEST, _WIDEST + 1) if _bytes(spec, layout, layers, width) <= max_bytes]
    if not fitting:
        raise UsageError(f"No {name} network fits into {max_bytes:,} bytes; {_bytes(spec, layout, layers, _NARROWEST):,.0f} is the least.")
    return f"{name}:{','.join(f'{key}={value}' for key, value in (raw | {'size': f'{layers}x{fitting[-1]}'}).items())}"


def check_room(spec: FieldSpec, layout: Layout, max_bytes: int) -> None:
    """Refuses a network that is far too large for a file, before it is trained; what may just fit is tried.

    Raises:
        UsageError: with what it takes at the fewest bits.
    """
    count = spec.parameter_count(layout.in_features, layout.out_features) or 0
    fewest = count * LEAST_BITS / 8
    if _LEAST * fewest > max_bytes:
        raise UsageError(
            f"A network of {count:,} weights does not fit into {max_bytes:,} bytes: at {LEAST_BITS:g} bits each, the fewest, it takes some "
            f"{_USUAL * fewest:,.0f}; leave its size out, and one that fits is chosen."
        )


def _bytes(spec: FieldSpec, layout: Layout, layers: int, width: int) -> float:
    sized = dataclasses.replace(spec, size=f"{layers}x{width}")
    count = sized.parameter_count(layout.in_features, layout.out_features)
    if count is None:
        raise UsageError("This network does not tell its number of weights, so none can be chosen for a file size; give --size.")
    return _OVERHEAD + layers * width * _PER_ROW + count * bits_for(layout.kind) * _CODED / 8
