"""Loading anything that can be fitted: the kind is told by the source's type or file ending."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nint.errors import UsageError, nearest
from nint.files import check_regular, in_utf8
from nint.settings import current_options
from nint.signals import kinds
from nint.signals.base import Layout, Signal
from nint.signals.observed import observed_only

_PARTLY = ("max_side", "start", "duration")
"""Options that may leave out part of a file."""


def open_signal(source: Any, *, kind: str | None = None, hold_out: float | None = None, **options: Any) -> Signal:
    """Loads whatever can be fitted.

    Args:
        source: A file's path, `sample:NAME`, a numpy array, a torch tensor, a PIL image, the content of an image file (`EncodedImage`), or
            a signal (returned as it is).
        kind: What the source is, where its ending does not tell; see `nint.signals.kinds`.
        hold_out: Fraction of the points to keep out of training and measure apart.
        **options: Those of the kind's loader (images: max_side); None counts as not given.

    Raises:
        UsageError: for a source that is of no known kind, cannot be read or cannot be fitted, and for options that its kind
            does not have.
    """
    given = {key: value for key, value in current_options(options).items() if value is not None}
    return observed_only(_open(source, kind, given), hold_out)


def _open(source: Any, kind: str | None, given: dict[str, Any]) -> Signal:
    if isinstance(source, Signal):
        if given:
            raise UsageError(f"{', '.join(given)} has no effect on a signal that is already loaded; give it where the signal is loaded.")
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fsdecode(source), kind, given)
    if isinstance(source, torch.Tensor):
        return _open_array(_tensor_to_array(source), "tensor", kind, given)
    if isinstance(source, np.ndarray):
        return _open_array(source, "array", kind, given)

    from PIL import Image

    if isinstance(source, Image.Image):
        _check_kind(kind, ("image",), "A PIL image")
        from nint.signals.image.loader import from_pil

        return from_pil(source, **_of_pixels("PIL images", given))

    from nint.signals.image.files import EncodedImage

    if isinstance(source, EncodedImage):
        _check_kind(kind, ("image",), "An image in a table")
        from nint.signals.image.loader import load_image

        return load_image(source, **_options("image", "images", given))
    raise UsageError(f"A {type(source).__name__} cannot be fitted; give a path, sample:NAME, an array, a tensor, a PIL image or a signal.")


def layout_from_json(data: dict[str, Any]) -> Layout:
    """Rebuilds a layout from what `Layout.to_json` gave.

    Raises:
        UsageError: for an unknown kind, and for settings that are unknown, missing or out of range.
    """
    values = dict(data) if isinstance(data, dict) else {}
    kind = values.pop("kind", None)
    cls: type[Layout] = kinds.resolve(kinds.kind_named(str(kind)).layout)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in values:
        if key not in fields:
            raise UsageError(f"The {kind} layout has no setting '{key}'.{nearest(str(key), fields)}")
    none = dataclasses.MISSING
    missing = [name for name, field in fields.items() if name not in values and field.default is none and field.default_factory is none]
    if missing:
        raise UsageError(f"The {kind} layout lacks {', '.join(missing)}.")
    return cls(**values)


def _open_path(text: str, kind: str | None, options: dict[str, Any]) -> Signal:
    if text.startswith(kinds.PREFIX):
        from nint.signals.samples.images import load_sample

        if kind is not None:
            raise UsageError(f"--kind has no effect on {text}, whose kind is known; leave it away.")
        return load_sample(text.removeprefix(kinds.PREFIX), **options)
    path = Path(text)
    check_regular(path)  # of every kind, so that no reader waits for a pipe or reads an endless device
    if not path.exists():
        raise UsageError(f"There is no file '{text}'.")
    if kind is None:
        kind = kinds.detect_kind(path)
        if kind == "volume" and options.get("in_dims", 3) != 3:
            kind = "array"  # what is named are other axes than those of a volume
    signal: Signal = kinds.load(kind, path, options)
    signal.read_with = {name: options[name] for name in _PARTLY if name in options}
    signal.name = in_utf8(signal.name)  # pictures, pages and records are in UTF-8, file names need not be
    return signal


def _open_array(array: np.ndarray, name: str, kind: str | None, options: dict[str, Any]) -> Signal:
    _check_kind(kind, ("image", "array", "volume"), "An array")
    if kind == "volume":
        from nint.signals.grid.volume import VolumeSignal

        given = _options("volume", "volumes", options)
        if given.get("in_dims", 3) != 3:
            raise UsageError(f"in_dims={given['in_dims']} does not fit a volume, which has three coordinates; leave the kind away.")
        return VolumeSignal(array, name=name)
    if kind == "array" or "in_dims" in options:
        from nint.signals.grid.array import ArraySignal

        return ArraySignal(array, name=name, in_dims=_options("array", "arrays", options).get("in_dims"))
    from nint.signals.image.loader import from_array

    return from_array(array, name, **_of_pixels("arrays of pixels", options))


def _check_kind(kind: str | None, possible: tuple[str, ...], what: str) -> None:
    if kind is not None and kind not in possible:
        raise UsageError(f"{what} cannot be read as kind '{kind}'; it can be {', '.join(possible)}. Give a path for other kinds.")


def _options(kind: str, what: str, options: dict[str, Any]) -> dict[str, Any]:
    return kinds.given_options(kinds.resolve(kinds.KINDS[kind].load), what, options)


def _of_pixels(what: str, options: dict[str, Any]) -> dict[str, Any]:
    """The options of images, but for the limit on what a file may claim, which pixels in memory have passed."""
    return {key: value for key, value in _options("image", what, options).items() if key != "max_points"}


def _tensor_to_array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # unknown to numpy
        tensor = tensor.float()
    return tensor.numpy()
