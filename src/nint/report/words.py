"""Numbers and settings as text for a reader."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from nint.settings import value_text


def duration(seconds: float) -> str:
    """Seconds as text: "0.023 s", "4.1 s", "12 s", "3 min 20 s", "2 h 5 min"."""
    if seconds < 0.095:
        return f"{seconds:.2g} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def memory(size: float) -> str:
    """Bytes as text: "512 B", "37 KiB", "412 MiB", "1.2 GiB"."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def metric(name: str, value: float | None) -> str:
    """The value of a metric as text: "31.42 dB", "0.9123"."""
    if value is None or not math.isfinite(value):
        return "infinite" if value == math.inf else "-"
    return f"{value:.2f} dB" if name.startswith(("psnr", "si_snr")) else f"{value:.4f}"


def metric_label(name: str) -> str:
    """The name of a metric as text: "PSNR", "SI-SNR", "IoU", "PSNR held out"."""
    kept = name.removesuffix("_held_out")
    label = {"iou": "IoU", "chamfer": "Chamfer"}.get(kept, kept.upper().replace("_", "-"))
    return label + (" held out" if kept != name else "")


def every_setting(spec: Any, name: str) -> str:
    """The text form of a spec with its defaults written out."""
    settings = [f"{field.name}={value_text(getattr(spec, field.name))}" for field in dataclasses.fields(spec) if field.init]
    return f"{name}:{','.join(settings)}" if settings else name
