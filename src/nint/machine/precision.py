"""Forwards that only score points: their large matrix products may run in bf16, everything else stays as it is.

A ranking tolerates rounding that a gradient does not: the products of bf16 numbers are summed in float32 and rounded once, so that the
same points rank highest, except for a few near the threshold. Training and evaluation never use it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from nint.errors import UsageError, nearest
from nint.machine.matmul import has_onednn

PRECISIONS = ("float32", "bf16")
_SMALLEST_SIDE = 32
"""Matrices with a shorter side keep float32: the first layer, whose phases are largest, and the last one, which gives the errors."""

Forward = Callable[[Tensor], Tensor]


def check_precision(precision: str) -> None:
    """Refuses an unknown precision.

    Raises:
        UsageError: names the nearest one.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"There is no score precision called '{precision}'.{nearest(str(precision), PRECISIONS)}")


def multiplies_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bf16 products; without them they are slower than float32, though as exact as with them."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu" or not has_onednn():
        return False
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(ask is not None and ask() for ask in asked)


def with_precision(field: Forward, precision: str, *, keep: bool = True) -> Forward:
    """The network's forward at a precision, `[n, d_in] -> [n, d_out]`; "float32" is the network itself.

    Args:
        field: The network.
        precision: "float32" or "bf16".
        keep: As in `Bf16Products`.

    Raises:
        UsageError: for an unknown word.
    """
    check_precision(precision)
    if precision == "float32":
        return field

    def forward(coords: Tensor) -> Tensor:
        with Bf16Products(keep):
            prediction: Tensor = _widened(field(coords))
        return prediction

    return forward


class Bf16Products(TorchFunctionMode):
    """Inside, `torch.nn.functional.linear` multiplies large float32 matrices in bf16, whatever network calls it.

    The product stays bf16 for sines, cosines and ReLUs, which compute in float32 from it and round once, as the next layer would anyway
    (on AMD's processors PyTorch's bf16 sine is also twice as fast as its float32 one), and for what writes in place. Every other
    function gets float32 back. Complex and double-precision layers, convolutions and products written as `x @ w` are left alone.

    Args:
        keep: False gives every function float32 back at once, which is the same to the next product; a compiler then fuses the rounding.
    """

    def __init__(self, keep: bool = True) -> None:
        super().__init__()
        self._keep = keep

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = {} if kwargs is None else kwargs
        if func is functional.linear:
            return _linear(*args, **kwargs) if self._keep else _widened(_linear(*args, **kwargs))
        if not self._keep or func in _KEPT or "out" in kwargs:
            return func(*args, **kwargs)
        return func(*_all_widened(args), **{key: _all_widened((value,))[0] for key, value in kwargs.items()})


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    exact = (torch.float32, torch.bfloat16)
    if weight.dtype == torch.float32 and x.dtype in exact and min(weight.shape) >= _SMALLEST_SIDE:
        return functional.linear(x.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16())
    return functional.linear(_widened(x), _widened(weight), None if bias is None else _widened(bias))


def _in_place(holder: Any) -> set[Any]:
    """Functions that change their argument: `mul_`, `__iadd__`, `__setitem__`."""
    names = [name for name in dir(holder) if name.endswith("_") and not name.endswith("__")]
    names += [name for name in dir(holder) if re.fullmatch("__i(add|sub|mul|truediv|floordiv|mod|pow)__|__setitem__", name)]
    return {function for function in (getattr(holder, name) for name in names) if callable(function)}


# What may change its argument must get the tensor itself and not a float32 copy.
_KEPT = frozenset({torch.sin, torch.cos, torch.relu, functional.relu} | _in_place(Tensor) | _in_place(torch) | _in_place(functional))


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value


def _all_widened(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(type(v)(map(_widened, v)) if type(v) in (list, tuple) else _widened(v) for v in values)
