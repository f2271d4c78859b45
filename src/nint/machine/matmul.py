"""Which library multiplies float32 matrices on a CPU.

PyTorch hands float32 products to MKL, which runs at half speed on some processors (AMD's), unless its oneDNN backend is
told that it may choose. On processors with bf16 units that permission also lets it round to bf16. So the permission is
given only where trial products show that the result stays as exact as float32 and comes faster, and only while nint computes.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import ParamSpec, TypeVar

import torch

from nint.errors import UsageError

MODES = ("auto", "default")
_VARIABLE = "NINT_MATMUL"
_TRIALS = 8
_CLEARLY = 1.25
"""How many times as fast oneDNN must be; on AMD's processors it is twice, on Intel's about as fast."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


def matmul_mode() -> str:
    """The mode asked for in the environment variable NINT_MATMUL: "auto" (default) or "default" (leave PyTorch alone).

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
    return "onednn" if _onednn_is_better() else "default"


@contextmanager
def _permission() -> Iterator[None]:
    backend = torch.backends.mkldnn.matmul
    before = backend.fp32_precision
    backend.fp32_precision = "bf16"
    try:
        yield
    finally:
        backend.fp32_precision = before


@functools.cache
def _onednn_is_exact() -> bool:
    """Whether products with the permission differ from float64 by no more than a few times what they do without it."""
    if not torch.backends.mkldnn.is_available() or not hasattr(getattr(torch.backends.mkldnn, "matmul", None), "fp32_precision"):
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

    Where the two are near each other PyTorch's own choice stays, so that every process of a machine decides alike.
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
                        start = time.perf_counter()
                        torch.mm(a, b, out=out)
                        seconds[permitted] = min(seconds[permitted], time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return seconds[True] * _CLEARLY < seconds[False]


def fast_matmul(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Decorator: float32 products inside `function` use the faster library where it is as exact; the setting is put back after."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        if matmul_mode() == "default" or not _onednn_is_better():
            return function(*args, **kwargs)
        with _permission():
            return function(*args, **kwargs)

    return wrapped
