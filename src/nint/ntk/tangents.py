"""J v of functions that differentiate inside themselves, such as the residual of a differential equation.

Forward mode with dual numbers, as `nint.ntk.products` has it for networks, also goes through `torch.autograd.grad` and `torch.func.grad`
inside a function. Where the function uses forward mode itself (`torch.func.jvp`, `jacfwd`, `hessian`) the outer one must be that of
`torch.func`; where something has no forward mode at all, reverse mode twice gives J v too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nint.errors import UnsupportedFieldError
from nint.machine.forward_mode import dual_level, make_dual, nested_forward, unpack_dual
from nint.ntk.check import first_line
from nint.ntk.inputs import each_tensor
from nint.ntk.products import Outputs, Params, Tangents, trainable

_EXACT, _ROUNDED = 1e-6, 1e-3
"""Largest difference of two derivatives, relative, in double precision and in the network's own."""

_STEP = 1e-5
"""Of a difference quotient, relative to the weights; its error is about its square."""


def by_dual_numbers(outputs: Outputs, primal: Params, tangent: Params) -> Tensor:
    """J v by forward mode."""
    with torch.no_grad(), dual_level():
        value, change = unpack_dual(outputs({name: make_dual(p, tangent[name]) for name, p in primal.items()}))
        return torch.zeros_like(value).detach() if change is None else change.detach()


def by_torch_func(outputs: Outputs, primal: Params, tangent: Params) -> Tensor:
    """J v by `torch.func.jvp`, for functions that use forward mode themselves."""
    return nested_forward(outputs, primal, tangent)[1].detach()


def by_reverse_twice(outputs: Outputs, primal: Params, tangent: Params) -> Tensor:
    """J v as the derivative of J^T w with respect to w, for functions without forward mode."""
    with torch.enable_grad():
        leaves = {name: value.detach().requires_grad_(True) for name, value in primal.items()}
        output = outputs(leaves)
        cotangent = torch.zeros_like(output, requires_grad=True)
        pulled = torch.autograd.grad(output, list(leaves.values()), cotangent, create_graph=True, allow_unused=True)
        pairs = [(grad, tangent[name]) for grad, name in zip(pulled, leaves, strict=True) if grad is not None and grad.requires_grad]
        if not pairs:
            return torch.zeros_like(output).detach()
        (change,) = torch.autograd.grad([grad for grad, _ in pairs], cotangent, [t for _, t in pairs], allow_unused=True)
    return torch.zeros_like(output).detach() if change is None else change.detach()


def way_through(field: nn.Module, coords: Any, instead: str) -> Tangents:
    """The way to compute J v that goes through a residual, tried on a few points.

    In double precision where the function allows it, so that a term that one derivative misses is seen however small it is.

    Args:
        field: A module that gives residuals, `[n, r]`.
        coords: A handful of points.
        instead: What works without a kernel, for the message.

    Raises:
        UnsupportedFieldError: where no way works, or the result is not the derivative of the residual.

    Cost: a forward, a backward and up to three passes for J v of these points, at most twice.
    """
    try:
        return _found(field, coords, instead, double=True)
    except UnsupportedFieldError:
        raise
    except Exception:  # a function that insists on its own precision
        return _found(field, coords, instead, double=False)


def _found(field: nn.Module, coords: Any, instead: str, *, double: bool) -> Tangents:
    widen = _widened if double else _same
    state = {name: widen(t.detach()) for name, t in (*field.named_parameters(), *field.named_buffers())}
    primal = {name: state[name] for name in trainable(field)}
    points = each_tensor(coords, widen)

    def outputs(parameters: Params) -> Tensor:
        found: Tensor = functional_call(field, {**state, **parameters}, (points,))
        return found

    pulled, pushed = _pulled(outputs, primal), 0.0
    squared = _product(pulled, pulled)
    reasons: list[Exception] = []
    for way in (by_dual_numbers, by_torch_func, by_reverse_twice):
        try:
            pushed = float(way(outputs, primal, pulled).cpu().double().sum())
        except Exception as error:  # the next way may go through
            reasons.append(error)
            continue
        if way is by_reverse_twice and double:  # it sees what J^T u sees; only the residual itself can contradict both
            squared = _quotient(outputs, primal, pulled, squared)
        if abs(pushed - squared) > (_EXACT if double else _ROUNDED) * max(abs(pushed), abs(squared)):
            raise UnsupportedFieldError(
                "Two ways to differentiate the residual with respect to the weights differ, so its K g would be of another loss; "
                f"give torch.autograd.grad create_graph=True, use detach() where it has torch.no_grad(), or {instead}."
            )
        return way
    raise UnsupportedFieldError(
        f"The residual cannot be differentiated as K g needs ({first_line(reasons[0])}); write it with operations that PyTorch can "
        f"differentiate twice, or {instead}."
    ) from reasons[0]


def _same(values: Tensor) -> Tensor:
    return values


def _widened(values: Tensor) -> Tensor:
    inexact = values.is_floating_point() or values.is_complex()
    return values.to(torch.promote_types(values.dtype, torch.float64)) if inexact else values


def _pulled(outputs: Callable[[Params], Tensor], primal: Params) -> Params:
    """J^T u with u all ones."""
    with torch.enable_grad():
        leaves = {name: value.clone().requires_grad_(True) for name, value in primal.items()}
        grads = torch.autograd.grad(outputs(leaves).sum(), list(leaves.values()), allow_unused=True)
    return {name: torch.zeros_like(p) if grad is None else grad for (name, p), grad in zip(primal.items(), grads, strict=True)}


def _product(left: Params, right: Params) -> float:
    return sum(float((left[name].conj() * right[name]).real.cpu().double().sum()) for name in left)


def _quotient(outputs: Callable[[Params], Tensor], primal: Params, tangent: Params, squared: float) -> float:
    """The sum of J v by a difference quotient of the residuals."""
    step = _STEP * math.sqrt(max(_product(primal, primal), 1e-12)) / max(math.sqrt(squared), 1e-30)
    ahead, behind = (outputs({name: p + side * tangent[name] for name, p in primal.items()}).detach() for side in (step, -step))
    return float((ahead - behind).sum()) / (2 * step)
