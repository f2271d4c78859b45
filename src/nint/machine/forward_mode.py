"""PyTorch's forward-mode differentiation, with types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.autograd.forward_ad as forward_ad
from torch import Tensor


@contextmanager
def dual_level() -> Iterator[None]:
    """Inside, tensors may carry a tangent."""
    with forward_ad.dual_level():
        yield


def make_dual(value: Tensor, tangent: Tensor) -> Tensor:
    """A tensor that carries a tangent of its own shape."""
    dual: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]  # PyTorch does not annotate it
    return dual


def unpack_dual(dual: Tensor) -> tuple[Tensor, Tensor | None]:
    """Value and tangent; the tangent is None where it does not depend on what carries one."""
    value, tangent = forward_ad.unpack_dual(dual)  # type: ignore[no-untyped-call]  # PyTorch does not annotate it
    return value, tangent
