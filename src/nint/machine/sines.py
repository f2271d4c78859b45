"""Sines with their derivatives in one pass over memory: native code where it was built, else PyTorch.

The native code (`_native.c`) is compiled when nint is installed, or comes in its wheel; nothing is compiled at run time. `NINT_NATIVE=off`
switches it off.
"""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError

_VARIABLE = "NINT_NATIVE"
_DATA = (Tensor, torch.nn.Parameter)


@functools.cache
def native() -> ModuleType | None:
    """The compiled module, or None where it was not built or is switched off.

    Raises:
        UsageError: for another value of NINT_NATIVE than on or off.
    """
    wanted = os.environ.get(_VARIABLE, "on")
    if wanted not in ("on", "off"):
        raise UsageError(f"{_VARIABLE}={wanted} is not known; use on or off.")
    if wanted == "off":
        return None
    try:
        return importlib.import_module("nint.machine._native")
    except ImportError:
        return None


def fits(*tensors: Tensor) -> bool:
    """Whether the native code takes these tensors: contiguous float32 on the CPU, and nothing but data."""
    return all(type(t) in _DATA and t.dtype is torch.float32 and t.is_cpu and t.is_contiguous() for t in tensors)


@dataclass(frozen=True)
class SineKernel:
    """sin(phase(z)), elementwise and in place, for tensors without a graph.

    The phase is z itself (SIREN, omega_0 folded into the weights), or omega_0 (|z| + 1) z with the factor a constant to every derivative
    (FINER).

    Args:
        omega_0: Of FINER's phase; None for z itself.
    """

    omega_0: float | None = None

    def value_(self, z: Tensor, bias: Tensor) -> Tensor:
        """Replaces z `[m, w]` by the sine at z + bias `[w]`."""
        compiled = native()
        if compiled is not None and fits(z, bias):
            compiled.value(z.data_ptr(), bias.data_ptr(), z.data_ptr(), *z.shape, self.omega_0 or 0.0)
            return z
        z += bias
        factor = self._factor(z)
        return (z if factor is None else z.mul_(factor)).sin_()

    def slope_(self, z: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
        """Replaces z `[m, w]` by the sine at z + bias and fills `slope` with its derivative."""
        compiled = native()
        if compiled is not None and fits(z, bias, slope):
            compiled.slope(z.data_ptr(), bias.data_ptr(), z.data_ptr(), slope.data_ptr(), *z.shape, self.omega_0 or 0.0)
            return z
        z += bias
        factor = self._factor(z)
        if factor is not None:
            z.mul_(factor)
        torch.cos(z, out=slope)
        if factor is not None:
            slope.mul_(factor)
        return z.sin_()

    def tangent_(self, z: Tensor, bias: Tensor, tangent: Tensor) -> Tensor:
        """Replaces z `[m, w]` by the sine at z + bias and multiplies `tangent` by its derivative."""
        compiled = native()
        if compiled is not None and fits(z, bias, tangent):
            compiled.tangent(z.data_ptr(), bias.data_ptr(), z.data_ptr(), tangent.data_ptr(), *z.shape, self.omega_0 or 0.0)
            return z
        slope = torch.empty_like(z)
        self.slope_(z, bias, slope)
        tangent.mul_(slope)
        return z

    def stacked_value_(self, z: Tensor, bias: Tensor) -> Tensor:
        """As `value_` for several networks: z `[s, m, w]`, bias `[s, w]`."""
        compiled = native()
        if compiled is not None and fits(z, bias):
            rows, columns = z.shape[1:]
            for at, b in _places(z, bias):
                compiled.value(at, b, at, rows, columns, self.omega_0 or 0.0)
            return z
        z += bias[:, None]
        factor = self._factor(z)
        return (z if factor is None else z.mul_(factor)).sin_()

    def stacked_slope_(self, z: Tensor, bias: Tensor, slope: Tensor) -> Tensor:
        """As `slope_` for several networks: z and slope `[s, m, w]`, bias `[s, w]`."""
        compiled = native()
        if compiled is not None and fits(z, bias, slope):
            rows, columns = z.shape[1:]
            for at, b, into in _places(z, bias, slope):
                compiled.slope(at, b, at, into, rows, columns, self.omega_0 or 0.0)
            return z
        return self.slope_(z, bias[:, None], slope)

    def stacked_tangent_(self, z: Tensor, bias: Tensor, tangent: Tensor) -> Tensor:
        """As `tangent_` for several networks: z and tangent `[s, m, w]`, bias `[s, w]`."""
        compiled = native()
        if compiled is not None and fits(z, bias, tangent):
            rows, columns = z.shape[1:]
            for at, b, into in _places(z, bias, tangent):
                compiled.tangent(at, b, at, into, rows, columns, self.omega_0 or 0.0)
            return z
        slope = torch.empty_like(z)
        self.slope_(z, bias[:, None], slope)
        tangent.mul_(slope)
        return z

    def _factor(self, z: Tensor) -> Tensor | None:
        return None if self.omega_0 is None else z.abs().add_(1).mul_(self.omega_0)


def chain_(cotangent: Tensor, slope: Tensor, sums: Tensor) -> None:
    """Multiplies `cotangent` `[m, w]` by `slope` and adds its column sums to `sums` `[w]`, in one pass."""
    compiled = native()
    if compiled is not None and fits(cotangent, slope, sums):
        compiled.chain(cotangent.data_ptr(), slope.data_ptr(), sums.data_ptr(), *cotangent.shape)
        return
    sums += cotangent.mul_(slope).sum(0)


def stacked_chain_(cotangent: Tensor, slope: Tensor, sums: Tensor) -> None:
    """As `chain_` for several networks: cotangent and slope `[s, m, w]`, sums `[s, w]`."""
    compiled = native()
    if compiled is not None and fits(cotangent, slope, sums):
        rows, columns = cotangent.shape[1:]
        for at, by, into in _places(cotangent, slope, sums):
            compiled.chain(at, by, into, rows, columns)
        return
    sums += cotangent.mul_(slope).sum(1)


def _places(*tensors: Tensor) -> Iterator[tuple[int, ...]]:
    """Addresses of the parts of contiguous tensors along their first axis."""
    steps = [tensor.stride(0) * tensor.element_size() for tensor in tensors]
    starts = [tensor.data_ptr() for tensor in tensors]
    return zip(*(range(start, start + len(tensors[0]) * step, step) for start, step in zip(starts, steps, strict=True)), strict=True)


class _SineWithCosine(torch.autograd.Function):
    """z -> (sin z, cos z); each is the other's derivative up to sign, so derivatives of every order and mode need no further sine."""

    @staticmethod
    def forward(z: Tensor) -> tuple[Tensor, Tensor]:
        value, slope = torch.empty_like(z), torch.empty_like(z)
        compiled = native()
        if compiled is None:
            return torch.sin(z, out=value), torch.cos(z, out=slope)
        columns = z.shape[-1] if z.ndim else 1
        none = z.new_zeros(columns)
        rows = z.numel() // max(columns, 1)
        compiled.slope(z.data_ptr(), none.data_ptr(), value.data_ptr(), slope.data_ptr(), rows, columns, 0.0)
        return value, slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def backward(ctx: Any, of_sine: Tensor | None, of_cosine: Tensor | None) -> Tensor | None:
        sine, cosine = ctx.saved_tensors
        if of_cosine is None:
            return None if of_sine is None else of_sine * cosine
        part = of_cosine * sine
        return -part if of_sine is None else torch.addcmul(-part, of_sine, cosine)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        if tangent is None:
            return None, None
        sine, cosine = ctx.saved_tensors
        return tangent * cosine, -(tangent * sine)


def sine(z: Tensor) -> Tensor:
    """Sin z with every derivative: one native pass computes the cosine that backward needs; elsewhere `torch.sin`."""
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:  # which writes such a pass, or can save none
        return torch.sin(z)
    if not (z.requires_grad and torch.is_grad_enabled() and native() is not None and fits(z)):
        return torch.sin(z)
    if torch._C._functorch.maybe_current_level() is not None or torch.autograd.forward_ad._current_level >= 0:
        return torch.sin(z)  # inside a transform or under forward mode, where the plain rule costs less
    value: Tensor = _SineWithCosine.apply(z)[0]  # type: ignore[no-untyped-call]
    return value
