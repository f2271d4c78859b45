"""The header of a packed model: what `Fit.header` tells, in as few bytes as decoding needs, and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from nint.packing.container import compressed
from nint.signals import kinds
from nint.signals.base import Layout

FORMAT = 1
"""Of the header of a model, packed or not."""

COORDINATES = "one column an axis, slowest axis first; inclusive linspace between the layout's limits ([-1, 1] for images)"

_KEPT_OF_RECORD = ("settings", "sizes", "packing")
_KEPT_OF_SETTINGS = ("input",)
_OF_THE_SIGNAL = ("input", "read", "flac", "nii.gz")
"""Of the record's sizes, those that no model has a part in; the others are of files that are as good as one."""

_OF_OTHER_WEIGHTS = ("sizes", "packing", "packed", "curve", "half")
_DIGITS = 5


def short(header: dict[str, Any]) -> dict[str, Any]:
    """Short keys, no defaults, and of the run's record only the input's name, sizes and packing.

    Args:
        header: As of `Fit.header`.
    """
    record = header.get("record") or {}
    kept: dict[str, Any] = {key: record[key] for key in _KEPT_OF_RECORD if record.get(key)}
    if "settings" in kept:
        kept["settings"] = {key: kept["settings"][key] for key in _KEPT_OF_SETTINGS if key in kept["settings"]}
    return {
        "v": header["nint"],
        "f": header["field"],
        "l": _without_defaults(header["layout"]),
        "q": {name: float(f"{value:.{_DIGITS}g}") for name, value in (header.get("metrics") or {}).items()},
        "r": kept,
        **({} if header["field"] is not None else {"m": header["module"]}),
    }


def before_packing(record: dict[str, Any], metrics: Iterable[str]) -> dict[str, Any]:
    """What the record of a run says that holds for other weights too: nothing that was measured of its own.

    Args:
        record: Of the run, or of a packed model.
        metrics: Names of what was measured.
    """
    gone = {*_OF_OTHER_WEIGHTS, *metrics}
    kept = {key: value for key, value in record.items() if key not in gone}
    sizes = of_the_signal(record.get("sizes") or {})
    return kept | ({"sizes": sizes} if sizes else {})


def of_the_signal(sizes: dict[str, Any]) -> dict[str, Any]:
    """Those of a record's sizes that hold whatever the quality of the model."""
    return {key: size for key, size in sizes.items() if key in _OF_THE_SIGNAL}


def layout_bytes(layout: Layout) -> int:
    """Bytes that what is told of a signal takes in a file.

    Raises:
        UsageError: where it is too long for one.
    """
    return len(compressed({"l": _without_defaults(layout.to_json())}))


def full(found: dict[str, Any], in_features: int, out_features: int, value_range: tuple[float, float]) -> dict[str, Any]:
    """Undoes `short`, as far as it kept.

    Args:
        found: As from `short`.
        in_features: Of the layout, likewise the next two.
        out_features: Values a point.
        value_range: Of the targets.
    """
    return {
        "format": FORMAT,
        "nint": found["v"],
        "field": found["f"],
        "module": found.get("m", ""),
        "in_features": in_features,
        "out_features": out_features,
        "coordinates": COORDINATES,
        "value_range": list(value_range),
        "layout": found["l"],
        "metrics": dict(found["q"]),
        "record": _measured(dict(found["r"]), found["q"]),
    }


def _measured(record: dict[str, Any], metrics: dict[str, float]) -> dict[str, Any]:
    """The record of a file; without a quality its sizes at one are those of another model, as older versions wrote them."""
    return record | ({"sizes": of_the_signal(record["sizes"])} if record.get("sizes") and not metrics else {})


def _without_defaults(layout: dict[str, Any]) -> dict[str, Any]:
    cls = kinds.resolve(kinds.kind_named(layout["kind"]).layout)
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    return {key: value for key, value in layout.items() if key == "kind" or value != defaults.get(key, dataclasses.MISSING)}
