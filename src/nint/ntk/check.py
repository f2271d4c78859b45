"""Checks that a module has a tangent kernel: it is deterministic and treats each point on its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.modules.instancenorm import _InstanceNorm

from nint.errors import UnsupportedFieldError

_MIXING = (_BatchNorm, _InstanceNorm, nn.RNNBase, nn.MultiheadAttention)


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


def require_pointwise_behaviour(field: nn.Module, coords: Tensor, out_features: int) -> None:
    """Runs a few points together and apart, and refuses a module whose outputs differ.

    Args:
        field: Any module `[n, d_in] -> [n, d_out]`.
        coords: A handful of points `[m, d_in]`.
        out_features: Channels that the outputs must have.

    Raises:
        UnsupportedFieldError: if the outputs are not `[m, out_features]`, change between two calls, or depend on other points of the batch.

    Cost: three forwards of m points.
    """
    with torch.no_grad():
        together = require_tensor(field(coords))
        expected = (coords.shape[0], out_features)
        if together.shape != expected:
            raise UnsupportedFieldError(
                f"The network maps {tuple(coords.shape)} to {tuple(together.shape)}; with these values it must give {expected}."
            )
        again = field(coords)
        apart = torch.cat([field(coords[i : i + 1]) for i in range(coords.shape[0])])
    if not together.isfinite().all():
        raise UnsupportedFieldError("The network gives NaN or infinity before any training; check its initial weights.")
    scale = together.abs().max().clamp(min=1e-6)
    if not torch.equal(together, again):
        raise UnsupportedFieldError(
            "The network gives different outputs for the same points, so it is random; NTK scores need a deterministic network."
        )
    if ((together - apart).abs().max() / scale) > 1e-3:
        raise UnsupportedFieldError(
            "The network's output for a point depends on the other points of the batch; NTK scores need a point-wise network."
        )
