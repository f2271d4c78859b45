"""Trying a network on a few points before a run, so that what it cannot do is said at once and by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nint.errors import UnsupportedFieldError
from nint.ntk.check import first_line
from nint.ntk.inputs import Whole, described, each_tensor, tensors_of
from nint.ntk.products import jvp_rows, vjp_rows

_TOLERANCE = 0.05
"""Of the two derivatives against each other: rounding is far below, a derivative that one of them misses is far above."""


def try_forward(field: nn.Module, coords: Any) -> object:
    """What the network returns for a few points, whatever it is; no graph.

    Args:
        field: Any module.
        coords: A handful of points `[m, d_in]`, or what the module takes instead of them.

    Raises:
        UnsupportedFieldError: where the call fails.
    """
    try:
        with torch.no_grad():
            return field(coords)
    except Exception as error:  # a module may fail in any way; the message says how
        raise UnsupportedFieldError(
            f"The network cannot be called with coordinates {described(coords)} of type {_type_name(coords)} ({first_line(error)}); "
            "it must map [n, d_in] to [n, d_out]."
        ) from error


def require_kernel(field: nn.Module, coords: Any, instead: str) -> None:
    """Tries J^T u and J v on two points and refuses a network for which either is missing, or which do not belong together.

    Args:
        field: A module `[n, d_in] -> [n, d_out]`.
        coords: Points `[m, d_in]`, of which two are taken.
        instead: What works with such a network, for the message.

    Raises:
        UnsupportedFieldError: for a custom function without a forward-mode derivative, or a part that only one of the two modes sees.
        UsageError: for a network without trainable parameters.

    Cost: a forward, a backward and a forward-mode pass of two points.
    """
    few = Whole(each_tensor(coords, lambda part: part[:2]))
    try:
        tangent = vjp_rows(field, few, lambda prediction, _: torch.ones_like(prediction), len(few))
        change = jvp_rows(field, few, tangent, len(few))
    except (RuntimeError, NotImplementedError) as error:
        raise UnsupportedFieldError(
            f"The network's forward-mode derivative, which K v needs, cannot be computed ({first_line(error)}); {instead}, or give the "
            "custom function a jvp."
        ) from error
    # <u, J v> = <J^T u, v>, here with v = J^T u.
    squared, product = sum(float(t.abs().square().sum()) for t in tangent.values()), float(change.sum())
    if abs(product - squared) > _TOLERANCE * max(abs(product), squared):
        raise UnsupportedFieldError(
            "The network's forward-mode and reverse-mode derivatives differ, so K v is not defined; in forward() use detach() where it "
            f"has torch.no_grad(), or {instead}."
        )


def _type_name(values: Any) -> str:
    return " and ".join(str(part.dtype).removeprefix("torch.") for part in tensors_of(values))
