"""How a probe calls what it looks at: a network with several inputs, or the residual of somebody's own loss."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nint.errors import NintError, UsageError
from nint.ntk.check import first_line
from nint.ntk.inputs import each_tensor, points_in

ResidualFunction = Callable[[Any, Any], Tensor]
"""(network, coords of b points) -> residuals `[b, r]`, whose mean square is the loss."""


class SeveralInputs(nn.Module):
    """A network that takes the inputs of a point apart, called with all of them in one: `forward((a, b))` is `field(a, b)`.

    Args:
        field: Takes a tuple as positional arguments, a dict as named ones; or either as a single argument, if it cannot take them so.
        example: Inputs of a few points.
    """

    def __init__(self, field: nn.Module, example: Any) -> None:
        super().__init__()
        self.field = field
        try:
            signature = inspect.signature(field.forward)
            signature.bind(**example) if isinstance(example, Mapping) else signature.bind(*example)
            self._apart = True
        except (TypeError, ValueError):
            self._apart = False

    def forward(self, inputs: Any) -> Any:
        """What the network returns for these points."""
        if not self._apart:
            return self.field(inputs)
        return self.field(**inputs) if isinstance(inputs, Mapping) else self.field(*inputs)


class Residual(nn.Module):
    """The residual of somebody's own loss as a module of the network's parameters, `[n, d_in] -> [n, r]`.

    Args:
        field: The network.
        function: (network, coords) -> residuals; it may differentiate the network by its coordinates with `torch.func` or `torch.autograd`.
    """

    def __init__(self, field: nn.Module, function: ResidualFunction) -> None:
        super().__init__()
        self.field = field
        self.function = function

    def forward(self, coords: Any) -> Tensor:
        """Residuals `[b, r]`, with a graph.

        Raises:
            UsageError: where the function fails, or does not return one row of residuals a point.
            NintError: what the function itself raises of nint's errors.
        """
        count = points_in(coords)
        try:
            with torch.enable_grad():
                residual = self.function(self.field, each_tensor(coords, _own))
        except NintError:
            raise
        except Exception as error:  # somebody's function may fail in any way
            raise UsageError(f"The residual function fails on {count} points: {type(error).__name__} ({first_line(error)}).") from error
        if not isinstance(residual, Tensor):
            raise UsageError(
                f"The residual function returns a {type(residual).__name__}; it must return one tensor [b, r], for example "
                "torch.cat([first, second], dim=1)."
            )
        if residual.ndim != 2 or len(residual) != count or residual.shape[1] == 0:
            raise UsageError(
                f"The residual function returns {tuple(residual.shape)} for {count} points; it must return [b, r], one row a point, for "
                "example residual[:, None]."
            )
        return residual


def _own(points: Tensor) -> Tensor:
    """A tensor of the function's own, which may ask for a gradient without the pool's tensors noticing."""
    return points.detach().clone() if not points.requires_grad else points
