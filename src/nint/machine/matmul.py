"""Which library multiplies float32 matrices on a CPU.

PyTorch uses MKL for float32 products, which runs at half speed on some processors (AMD's), unless its oneDNN backend is
allowed reduced precision. On processors with bf16 instructions that permission also lets it round to bf16. So the permission is
given only where trial products show that the result stays as exact as float32 and comes faster, and only while nint computes.

The permission is a setting of the whole process. While several threads compute, it is given once and taken back when the last of
them has finished; products that other threads of the process make in the meantime have it too.
"""

from __future__ import annotations

import functools
import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar

import torch

from nint.errors import UsageError

MODES = ("auto", "default")
_VARIABLE = "NINT_MATMUL"
_LOCK = threading.RLock()
_CHOSEN: ContextVar[str | None] = ContextVar("library of matrix products", default=None)
_TRIALS = 8
_CLEARLY = 1.25
"""How many times as fast oneDNN must be; on AMD's processors it is twice, on Intel's about as fast."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def matmul_mode() -> str:
    """The mode that is set in the environment variable NINT_MATMUL: "auto" (default) or "default" (leave PyTorch alone).

    Raises:
        UsageError: for another word.
    """
    mode = os.environ.get(_VARIABLE, "auto")
    if mode not in MODES:
        raise UsageError(f"{_VARIABLE}={mode} is not known; use auto or default.")
    return mode


def matmul_backend(device: torch.device) -> str:
    """What multiplies float32 matrices in nint's own loops: "onednn" or "default". Goes into the record of a run."""
    if device.type != "cpu" or matmul_mode() == "default":
        return "default"
    return "onednn" if _onednn_may_multiply() else "default"


@contextmanager
def multiplying(backend: str | None) -> Iterator[None]:
    """Within it, products of this thread are made by the library named, as a resumed run needs it, rather than by the faster one.

    Args:
        backend: "onednn" (taken where it is as exact), "default", or None for the faster one. NINT_MATMUL=default wins over it.
    """
    token = _CHOSEN.set(backend)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


def _onednn_may_multiply() -> bool:
    chosen = _CHOSEN.get()
    if chosen is not None and chosen != "onednn":
        return False
    with _LOCK:  # one trial, before any thread has the permission
        return _onednn_is_exact() if chosen == "onednn" else _onednn_is_better()


def has_onednn() -> bool:
    """Whether this PyTorch was built with oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]  # PyTorch does not annotate it


def _setting() -> Any:
    """PyTorch's setting of oneDNN's float32 products, an object with the attribute `fp32_precision`; None where there is none."""
    return getattr(torch.backends.mkldnn, "matmul", None)


class _Permission:
    """The permission, given while at least one thread computes."""

    def __init__(self) -> None:
        self._users = 0
        self._before = ""

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with _LOCK:
            if self._users == 0:
                self._before = _setting().fp32_precision
                _setting().fp32_precision = "bf16"
            self._users += 1
        try:
            yield
        finally:
            with _LOCK:
                self._users -= 1
                if self._users == 0:
                    _setting().fp32_precision = self._before


_permission = _Permission()


@functools.cache
def _onednn_is_exact() -> bool:
    """Whether products with the permission differ from float64 by no more than a few times what they do without it."""
    if not has_onednn() or not hasattr(_setting(), "fp32_precision"):
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(256, 256, generator=generator), torch.randn(256, 256, generator=generator)
    exact = a.double() @ b.double()
    plain = (a @ b - exact).abs().max()
    with _permission():
        permitted = (a @ b - exact).abs().max()
    return bool(permitted <= 4 * plain)


@functools.cache
def _onednn_is_better() -> bool:
    """Whether oneDNN is as exact and clearly faster, by a trial of a layer's product, once a process (20 ms).

    Processor time is compared, which other programs change little, and where the two are near each other PyTorch's own choice stays, so
    that processes of a machine decide alike. Checkpoints keep the decision, so that a resumed run does not depend on that.
    """
    if not _onednn_is_exact():
        return False
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2048, 256, generator=generator), torch.randn(256, 256, generator=generator)
    out = torch.empty(2048, 256)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            seconds = {False: math.inf, True: math.inf}
            for _ in range(_TRIALS):
                for permitted in seconds:
                    with _permission() if permitted else nullcontext():
                        start = time.thread_time()
                        torch.mm(a, b, out=out)
                        seconds[permitted] = min(seconds[permitted], time.thread_time() - start)
    finally:
        torch.set_num_threads(threads)
    return seconds[True] * _CLEARLY < seconds[False]


def fast_matmul(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorator: float32 products inside `function` use the faster library where it is as exact; the setting is put back after."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if matmul_mode() == "default" or not _onednn_may_multiply():
            return function(*args, **kwargs)
        with _permission():
            return function(*args, **kwargs)

    return wrapped
