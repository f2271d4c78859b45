"""Whether a network, or a residual, suits a sampler: what the sampler does not need is not demanded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nint.errors import UnsupportedFieldError, UsageError
from nint.machine.quiet import as_in_evaluation, generators_kept
from nint.ntk.check import first_line, require_pointwise, require_pointwise_behaviour, require_shape, require_tensor
from nint.ntk.inputs import each_tensor
from nint.ntk.products import Tangents
from nint.ntk.tangents import way_through
from nint.ntk.trial import require_kernel, try_forward
from nint.probe.called import Residual, ResidualFunction, SeveralInputs
from nint.signals.base import Pool
from nint.signals.inputs import Inputs

Others = Callable[[str], str]
"""A need -> the names of the samplers that do without it, "uniform, int"."""


@dataclass(frozen=True)
class Suited:
    """How a probe looks at a network.

    Attributes:
        module: What it calls, with the network's parameters.
        tangents: How it computes J v; None is forward mode.
        in_evaluation: Whether it looks at the network as in `eval()`.
        zeros: Targets of one point, `[1, r]`, where it looks at a residual; else None.
        alike: Whether each point is treated on its own, and alike in two calls, as far as that was looked at.
    """

    module: nn.Module
    tangents: Tangents | None = None
    in_evaluation: bool = False
    zeros: Tensor | None = None
    alike: bool = True


def suited(field: nn.Module, pool: Pool, needs: frozenset[str], others: Others) -> Suited:
    """Tries a network on a few points, and refuses it where the sampler cannot use it.

    Args:
        field: Any module.
        pool: The points, checked.
        needs: Of the sampler.
        others: Names samplers without a need.

    Raises:
        UnsupportedFieldError: says what is wrong, and which samplers work.

    Cost: a few forwards of four points, for K v also a backward and a forward-mode pass; nothing where the sampler never calls a network of
    several inputs.
    """
    few = _few(pool)
    module = SeveralInputs(field, few) if isinstance(pool.coords, Inputs) else field
    if "kernel" in needs:
        _explained(lambda: require_pointwise(field), others)
    by_type = _is_pointwise(field)
    in_evaluation = not by_type or _is_evaluating(field)
    if isinstance(pool.coords, Inputs) and not needs & {"prediction", "kernel"}:
        return Suited(module, in_evaluation=in_evaluation)
    with _beside(field, by_type):
        output = try_forward(module, few)
        if isinstance(output, Tensor):
            require_shape(module, few, pool.out_features)  # of any sampler, so without advice to take another one
        if isinstance(output, Tensor) and "kernel" in needs:
            _explained(lambda: require_pointwise_behaviour(module, few, pool.out_features), others)
        elif isinstance(output, Tensor):
            in_evaluation = in_evaluation or ("prediction" in needs and not _behaves(module, few, pool.out_features))
        elif "prediction" in needs:
            try:
                require_tensor(output)
            except UnsupportedFieldError as error:
                without = f"use a sampler that does not need it ({others('prediction')})"
                raise UnsupportedFieldError(f"{str(error).rstrip('.')}, or {without}.") from None
        if "kernel" in needs:
            require_kernel(module, few, f"use a sampler that does not need it ({others('kernel')})")
    return Suited(module, in_evaluation=in_evaluation)


def suited_residual(field: nn.Module, function: ResidualFunction, pool: Pool, needs: frozenset[str], others: Others) -> Suited:
    """Tries a residual on a few points, and refuses it where it cannot be trained, or the sampler cannot use it.

    Args:
        field: The network.
        function: (network, coords) -> residuals `[b, r]`.
        pool: The points, checked; its values are not looked at.
        needs: Of the sampler.
        others: Names samplers without a need.

    Raises:
        UsageError: where the function fails, or its result is no row of finite residuals a point that depends on the weights.
        UnsupportedFieldError: where the sampler needs K g and there is none, or it would be of another loss.

    Cost: a few residuals of four points and their gradients.
    """
    few, module, by_type = _few(pool), Residual(field, function), _is_pointwise(field)
    if "kernel" in needs:
        _explained(lambda: require_pointwise(field), others)
    with _beside(field, by_type):
        residual = module(few)
        if not residual.isfinite().all():
            raise UsageError(
                "The residual function gives NaN or infinity before any training; check it, and the network's initial weights."
            )
        _require_gradient(field, residual)
        columns = residual.shape[1]
        alike = _behaves(module, few, columns, "residual function")
        tangents = None
        if "kernel" in needs:
            _explained(lambda: require_pointwise_behaviour(module, few, columns, "residual function"), others)
            two = each_tensor(few, lambda part: part[:2])
            tangents = way_through(module, two, f"use a sampler that does not need it ({others('kernel')})")
    in_evaluation = not (by_type and alike) or _is_evaluating(field)
    # One that is random or mixes points gives other residuals at a second call; trained, it also changes by being called.
    return Suited(module, tangents, in_evaluation=in_evaluation, zeros=torch.zeros_like(residual[:1].detach()), alike=by_type and alike)


def _few(pool: Pool) -> Any:
    """Up to four points, not neighbours, which may have a coordinate in common."""
    apart = sorted({i * (len(pool) - 1) // 3 for i in range(4)})
    return pool.coords[torch.tensor(apart, device=pool.device)]


def _beside(field: nn.Module, by_type: bool) -> AbstractContextManager[None]:
    return generators_kept(field) if by_type else as_in_evaluation(field)


def _is_evaluating(field: nn.Module) -> bool:
    """Whether any part of a network is in evaluation now, in which state it is tried; what it does in training is not known then."""
    return not all(module.training for module in field.modules())


def _is_pointwise(field: nn.Module) -> bool:
    try:
        require_pointwise(field)
    except UnsupportedFieldError:
        return False
    return True


def _behaves(module: nn.Module, few: Any, columns: int, name: str = "network") -> bool:
    try:
        require_pointwise_behaviour(module, few, columns, name)
    except (UnsupportedFieldError, UsageError):
        return False
    return True


def _explained(check: Callable[[], None], others: Others) -> None:
    """Adds, to a refusal for lack of a kernel, who does without one.

    Raises:
        UnsupportedFieldError: what the check raises.
    """
    try:
        check()
    except UnsupportedFieldError as error:
        advice = f"or use a sampler that does not need the kernel ({others('kernel')})"
        raise UnsupportedFieldError(f"{str(error).rstrip('.')}, {advice}.") from error.__cause__


def _require_gradient(field: nn.Module, residual: Tensor) -> None:
    """Refuses a residual whose loss has no gradient.

    Raises:
        UsageError: says what is usually wrong.
    """
    leaves = [p for p in field.parameters() if p.requires_grad]
    if not leaves:
        raise UsageError("The network has no trainable parameters.")
    reached = False
    if residual.requires_grad:
        try:
            reached = any(g is not None for g in torch.autograd.grad(residual.sum(), leaves, allow_unused=True))
        except RuntimeError as error:
            raise UsageError(
                f"The residual cannot be differentiated with respect to the weights ({first_line(error)}); where it calls "
                "torch.autograd.grad, give that create_graph=True."
            ) from error
    if not reached:
        raise UsageError(
            "The residual does not depend on the network's trainable weights; its function must call the network that it is given, "
            "without detach() or torch.no_grad(), and with create_graph=True in torch.autograd.grad."
        )
