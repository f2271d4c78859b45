"""Models as files hold them: reading one, and building its network and layout again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec, build_field
from nint.files import check_regular, load_tensors, reason_of
from nint.packing.container import is_packed
from nint.packing.header import FORMAT
from nint.signals.base import Layout
from nint.version import __version__


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a model file, packed (`.nint`) or not (`.safetensors`).

    Raises:
        UsageError: for a file that is missing, damaged or not nint's, and for a pipe.
    """
    check_regular(path)
    if not path.is_dir() and is_packed(path):
        from nint.packing.unpack import load_packed

        return load_packed(path)
    return load_tensors(path)


def _check_size(spec: FieldSpec, layout: Layout, tensors: dict[str, Tensor], name: str) -> None:
    """Refuses a header that names a larger network than the file holds, before it is built.

    Raises:
        UsageError: names both sizes.
    """
    count = spec.parameter_count(layout.in_features, layout.out_features)
    held = sum(value.numel() for key, value in tensors.items() if key.startswith("field/"))
    if count is not None and count > held:
        raise UsageError(f"{name} is not a complete model: its header tells of {count:,} parameters, and it holds {held:,} numbers.")


def rebuilt(
    tensors: dict[str, Tensor], header: dict[str, Any], name: str, field: nn.Module | None = None
) -> tuple[nn.Module, FieldSpec | None, Layout, dict[str, float]]:
    """Network, its spec, layout and metrics from the contents of a file.

    Args:
        tensors: By name; those of the network start with "field/".
        header: As of `Fit.header`.
        name: The file, for messages.
        field: The module to fill, for a model whose network is not one of ours.

    Raises:
        UsageError: for contents that are damaged, of a newer version, or that need `field`.
    """
    from nint.signals.open import layout_from_json

    try:
        if header["format"] > FORMAT:
            raise UsageError(f"{name} was written by a newer nint ({header.get('nint')}); this is {__version__}.")
        layout = layout_from_json(header["layout"])
        spec: FieldSpec | None = None
        if header["field"] is not None:
            spec = FIELDS.parse(header["field"])
            _check_size(spec, layout, tensors, name)
            module = build_field(spec, layout.in_features, layout.out_features, torch.Generator().manual_seed(0))
        elif field is not None:
            module = field
        else:
            raise UsageError(f"{name} holds a {header['module']}, which is not one of nint's networks; pass it with field=...")
        state = {key.removeprefix("field/"): value for key, value in tensors.items() if key.startswith("field/")}
        module.load_state_dict(state)
    except UsageError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError, OverflowError) as error:
        raise UsageError(f"{name} is not a complete model: {reason_of(error)}.") from error
    metrics = header.get("metrics") or {}
    finite = {key: value for key, value in metrics.items() if value is not None}  # a file has no number for infinity
    return module, spec, layout, finite
