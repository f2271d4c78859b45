"""PyTorch's forward-mode differentiation, with types, and one thread at a time.

PyTorch has a single level of forward mode in a process: while one thread is in it, another that enters fails ("Nested forward mode AD
is not supported"). nint's own threads wait for each other here; forward mode that a program uses itself beside a running fit
(`torch.func.jvp`, `torch.autograd.forward_ad`) is not covered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.autograd.forward_ad as forward_ad
from torch import Tensor


class _Level:
    lock = threading.RLock()


def _new_lock() -> None:
    _Level.lock = threading.RLock()


if hasattr(os, "register_at_fork"):  # a fork copies a lock that another thread holds, and nobody would release it
    os.register_at_fork(after_in_child=_new_lock)


@contextmanager
def dual_level() -> Iterator[None]:
    """Inside, tensors may carry a tangent. Waits while another thread is inside."""
    with _Level.lock, forward_ad.dual_level():
        yield


def make_dual(value: Tensor, tangent: Tensor) -> Tensor:
    """A tensor that carries a tangent of its own shape."""
    dual: Tensor = forward_ad.make_dual(value, tangent)  # type: ignore[no-untyped-call]  # PyTorch does not annotate it
    return dual


def unpack_dual(dual: Tensor) -> tuple[Tensor, Tensor | None]:
    """Value and tangent; the tangent is None where it does not depend on what carries one."""
    value, tangent = forward_ad.unpack_dual(dual)  # type: ignore[no-untyped-call]  # PyTorch does not annotate it
    return value, tangent


def nested_forward(function: Callable[[Any], Tensor], primal: Any, tangent: Any) -> tuple[Tensor, Tensor]:
    """Value and tangent by `torch.func.jvp`, inside which the function may use forward mode itself. Waits as `dual_level` does."""
    with _Level.lock:
        found: tuple[Tensor, Tensor] = torch.func.jvp(function, (primal,), (tangent,))[:2]
    return found
