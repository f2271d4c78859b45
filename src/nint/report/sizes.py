"""How small a model is, beside other forms of the same signal."""

from __future__ import annotations

from typing import Any

from nint.report.facts import number, part
from nint.report.words import metric, metric_label

_NAMES = {"jpeg": "JPEG", "webp": "WebP", "opus": "Opus", "flac": "FLAC", "nii.gz": "NIfTI.gz"}
_LOSSY = ("jpeg", "webp", "opus")
_PARTLY = ("max_side", "start", "duration")
"""Options of `nint.signals.open.open_signal` that may leave out part of a file; records of earlier versions name them among others."""

_UNITS = {"image": "pixel", "audio": "instant", "volume": "voxel", "video": "pixel"}


def size_rows(record: dict[str, Any], own: int | None, layout: Any, name: str = "model") -> list[tuple[str, str]]:
    """Bytes and bits a sample of a model, its input's own file and classical codecs, as (label, value).

    Args:
        record: Of the run; its "sizes" are those of `nint.packing.codecs.sizes_of`.
        own: Bytes of the model's file; None leaves it out.
        layout: Of the signal.
        name: What the model is called.
    """
    sizes = part(record, "sizes")
    rows = [(f"size of the {name}", density(own, layout))] if own else []
    if (given := number(sizes, "input")) is not None:
        rows.append(("size of the input file", _of_the_file(given, record, layout)))
    at = "".join(f" at the same {metric_label(key)} ({metric(key, value)})" for key, value in part(sizes, "at").items())
    for key, said in _NAMES.items():
        if (size := number(sizes, key)) is not None:
            label = said + (at if key in _LOSSY else ", lossless")
            rows.append((label, density(size, layout) + _times(size, own)))
    if part(sizes, "at"):
        for key in _missing(sizes, layout):
            rows.append((_NAMES[key] + at, "not reached at any setting"))
    return rows


def packed_rows(record: dict[str, Any], layout: Any) -> list[tuple[str, str]]:
    """The packed model of a fit, where there is one, as (label, value)."""
    packed = part(record, "packed")
    size = number(packed, "bytes")
    if size is None:
        return []
    quality = ", ".join(f"{metric_label(key)} {metric(key, number(packed, key))}" for key in ("psnr", "si_snr") if key in packed)
    rows = size_rows(packed, int(size), layout, "packed model")
    said = [(label, f"{value}, {quality}" if label.startswith("size of the packed") and quality else value) for label, value in rows]
    return [(label, value) for label, value in said if "input file" not in label]


def density(size: float, layout: Any) -> str:
    """Bytes, and bits a sample where the signal has a number of samples: "20,113 bytes, 0.409 bits a pixel"."""
    samples = getattr(layout, "samples", None)
    unit = _UNITS.get(getattr(layout, "kind", ""), "sample")
    return f"{size:,.0f} bytes" + (f", {8 * size / samples:.3g} bits {'an' if unit[0] in 'aeiou' else 'a'} {unit}" if samples else "")


def _of_the_file(size: float, record: dict[str, Any], layout: Any) -> str:
    """Bytes of the input file, with bits a sample where all its samples were fitted."""
    options = part(part(record, "settings"), "options")
    read = part(part(record, "sizes"), "read") or {name: options[name] for name in _PARTLY if name in options}
    if not read:
        return density(size, layout)
    return f"{size:,.0f} bytes, all of it; it was read with {', '.join(f'{name}={value}' for name, value in read.items())}"


def _times(size: float, own: int | None) -> str:
    if not own:
        return ""
    factor = own / size
    return f"; the model is {factor:.3g} times that" if factor >= 1 else f"; the model is {1 / factor:.3g} times smaller"


def _missing(sizes: dict[str, Any], layout: Any) -> list[str]:
    return [key for key in ("jpeg", "webp") if key not in sizes] if getattr(layout, "kind", "") == "image" else []
