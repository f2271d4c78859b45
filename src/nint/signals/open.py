"""One door for everything that can be fitted: the kind is told by the source's type or file ending."""

from __future__ import annotations

import dataclasses
import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nint.errors import UsageError, nearest
from nint.signals.base import Layout, Signal

LOADERS = {ending: "nint.signals.image:load_image" for ending in (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")}
"""File ending -> "module:function"; the function takes (path, max_side)."""

LAYOUTS = {"image": "nint.signals.image:ImageLayout"}
"""Kind -> "module:Class", as in the checkpoint's header."""


def open_signal(source: Any, *, max_side: int | None = None) -> Signal:
    """Loads whatever can be fitted.

    Args:
        source: A file's path, `sample:NAME`, a numpy array, a torch tensor, a PIL image, or a signal (returned as it is).
        max_side: Longest side of an image in pixels; larger ones are averaged down.

    Raises:
        UsageError: for a source that is of no known kind, cannot be read or cannot be fitted.
    """
    if isinstance(source, Signal):
        if max_side is not None:
            raise UsageError("max_side has no effect on a signal that is already loaded; give it where the signal is loaded.")
        return source
    if isinstance(source, (str, os.PathLike)):
        return _open_path(os.fspath(source), max_side)

    from nint.signals.image import ImageSignal

    if isinstance(source, torch.Tensor):
        return ImageSignal.from_array(_tensor_to_array(source), "tensor", max_side)
    if isinstance(source, np.ndarray):
        return ImageSignal.from_array(source, "array", max_side)

    from PIL import Image

    if isinstance(source, Image.Image):
        return ImageSignal.from_pil(source, max_side=max_side)
    raise UsageError(f"A {type(source).__name__} cannot be fitted; give a path, sample:NAME, an array, a tensor, a PIL image or a signal.")


def layout_from_json(data: dict[str, Any]) -> Layout:
    """Rebuilds a layout from what `Layout.to_json` gave.

    Raises:
        UsageError: for an unknown kind, and for settings that are unknown, missing or out of range.
    """
    values = dict(data) if isinstance(data, dict) else {}
    kind = values.pop("kind", None)
    if not isinstance(kind, str) or kind not in LAYOUTS:
        raise UsageError(f"There is no kind of layout called '{kind}'.{nearest(str(kind), LAYOUTS)}")
    cls = _resolve(LAYOUTS[kind])
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in values:
        if key not in fields:
            raise UsageError(f"The {kind} layout has no setting '{key}'.{nearest(str(key), fields)}")
    none = dataclasses.MISSING
    missing = [name for name, field in fields.items() if name not in values and field.default is none and field.default_factory is none]
    if missing:
        raise UsageError(f"The {kind} layout lacks {', '.join(missing)}.")
    return cls(**values)


def _open_path(source: str | bytes, max_side: int | None) -> Signal:
    from nint.signals import samples

    text = os.fsdecode(source)
    if text.startswith(samples.PREFIX):
        return samples.load_sample(text.removeprefix(samples.PREFIX), max_side)
    path = Path(text)
    if not path.exists():
        raise UsageError(f"There is no file '{text}'.")
    if path.is_dir():
        raise UsageError(f"'{text}' is a folder; give a file.")
    ending = path.suffix.lower()
    if ending not in LOADERS:
        raise UsageError(f"'{text}' has an ending that is not known.{nearest(ending, LOADERS)}")
    return _resolve(LOADERS[ending])(path, max_side)


def _resolve(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _tensor_to_array(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    if tensor.dtype == torch.bfloat16:  # unknown to numpy
        tensor = tensor.float()
    return tensor.numpy()
