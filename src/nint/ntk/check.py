"""Checks that a module has a tangent kernel: it is deterministic and treats each point on its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from nint.errors import UnsupportedFieldError, UsageError, what_is
from nint.ntk.inputs import described, each_tensor, points_in

_MIXING = (_BatchNorm, _InstanceNorm, nn.RNNBase, nn.MultiheadAttention)


def require_module(field: Any, name: str = "field", also: str = "") -> nn.Module:
    """A network, if it is one.

    Args:
        field: What was given as the network.
        name: What the argument is called.
        also: What else it may be, for the message: "a text form, or ".

    Raises:
        UsageError: for a function, a class or anything else that is no module.
    """
    if isinstance(field, nn.Module):
        return field
    if isinstance(field, type):
        advice = (
            f"make one of it first, {field.__name__}(...)" if issubclass(field, nn.Module) else "give the network that is to be trained"
        )
    elif callable(field):
        advice = "wrap it in a module whose forward() calls it and which holds its weights as parameters"
    else:
        advice = "give the network that is to be trained"
    raise UsageError(f"{name} must be {also}a torch.nn.Module, not {what_is(field)}; {advice}.")


def require_pointwise(field: nn.Module) -> None:
    """Refuses well-known unsupported layers by type, without running the module.

    Raises:
        UnsupportedFieldError: for batch or instance normalisation, recurrence, attention, or dropout that is switched on.
    """
    for name, module in field.named_modules():
        where = f"{type(module).__name__} at '{name or 'the top'}'"
        if isinstance(module, _MIXING):
            raise UnsupportedFieldError(
                f"The network has {where}, which mixes the points of a batch, so its tangent kernel is not defined; "
                "use a point-wise layer such as LayerNorm."
            )
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            raise UnsupportedFieldError(
                f"The network has active {where}, so it is random and K v is not defined; set p=0 or call .eval() on it."
            )


def require_tensor(prediction: object) -> Tensor:
    """What a network has returned, if it is a tensor.

    Raises:
        UnsupportedFieldError: for a tuple, a dict or anything else.
    """
    if not isinstance(prediction, Tensor):
        raise UnsupportedFieldError(
            f"The network returns a {type(prediction).__name__}, but it must return one tensor [n, d_out]; wrap it in a module that "
            "returns the tensor to train on."
        )
    return prediction


def require_shape(field: nn.Module, coords: Any, out_features: int) -> Tensor:
    """Runs a few points, refuses outputs that do not fit the values, and returns them without a graph.

    Args:
        field: Any module `[n, d_in] -> [n, d_out]`.
        coords: A handful of points `[m, d_in]`, or what the module takes instead of them.
        out_features: Channels that the outputs must have.

    Raises:
        UnsupportedFieldError: if the outputs are not `[m, out_features]`, or not finite.

    Cost: a forward of m points.
    """
    with torch.no_grad():
        output = require_tensor(field(coords)).detach()
    expected = (points_in(coords), out_features)
    if output.shape != expected:
        raise UnsupportedFieldError(
            f"The network maps {described(coords)} to {tuple(output.shape)}; with these values it must give {expected}."
        )
    if not output.isfinite().all():
        raise UnsupportedFieldError("The network gives NaN or infinity before any training; check its initial weights.")
    return output


def require_pointwise_behaviour(field: nn.Module, coords: Any, out_features: int, name: str = "network") -> None:
    """Runs a few points together and apart, and refuses a module whose outputs differ.

    Args:
        field: Any module `[n, d_in] -> [n, d_out]`.
        coords: A handful of points `[m, d_in]`, or what the module takes instead of them.
        out_features: Channels that the outputs must have.
        name: What the module is, for the messages.

    Raises:
        UnsupportedFieldError: if the outputs are not `[m, out_features]`, change between two calls, or depend on other points of the batch.

    Cost: three forwards of m points.
    """
    together = require_shape(field, coords, out_features)
    with torch.no_grad():
        again = field(coords).detach()
        try:
            apart = torch.cat([field(_point(coords, number)).detach() for number in range(len(together))])
        except Exception as error:  # a module may fail in any way
            raise UnsupportedFieldError(
                f"The {name} cannot be called with a single point ({first_line(error)}); NTK scores need a point-wise {name}."
            ) from error
    scale = together.abs().max().clamp(min=1e-6)
    if not torch.equal(together, again):
        raise UnsupportedFieldError(
            f"The {name} gives different outputs for the same points, so it is random; NTK scores need a deterministic {name}."
        )
    if together.shape != apart.shape or ((together - apart).abs().max() / scale) > 1e-3:
        raise UnsupportedFieldError(
            f"The {name}'s output for a point depends on the other points of the batch; NTK scores need a point-wise {name}."
        )


def first_line(error: Exception) -> str:
    """What went wrong, without a full stop, so that it can stand in brackets."""
    text = str(error).strip().partition("\n")[0][:160].rstrip(".")
    return text or type(error).__name__


def _point(coords: Any, number: int) -> Any:
    return each_tensor(coords, lambda part: part[number : number + 1])
