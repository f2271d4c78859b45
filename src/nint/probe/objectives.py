"""What a training step minimises.

A `PointLoss` is the mean of one number a point, so its gradient can be summed chunk by chunk. Any other objective may
couple the points of a batch (a Laplacian, weights from batch statistics) and is differentiated in one piece.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError, what_is


class Objective(ABC):
    """(prediction `[b, c]`, values `[b, c]`, pool rows `[b]`) -> scalar."""

    @abstractmethod
    def __call__(self, prediction: Tensor, values: Tensor, indices: Tensor) -> Tensor:
        """The scalar to minimise, differentiable."""


class PointLoss(Objective):
    """Mean over the batch of one loss a point, itself a mean over channels.

    Attributes:
        saturates: Whether g stops growing with the error, so that its size does not tell the worst points.
    """

    saturates = False

    @abstractmethod
    def point_loss(self, prediction: Tensor, values: Tensor) -> Tensor:
        """`[b]`, differentiable."""

    @abstractmethod
    def point_gradient(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Derivative of `point_loss` with respect to the prediction, `[b, c]`: the g of the paper."""

    def __call__(self, prediction: Tensor, values: Tensor, indices: Tensor) -> Tensor:
        """Mean of `point_loss` over the batch."""
        return self.point_loss(prediction, values).mean()


class L2(PointLoss):
    """Mean squared error."""

    def point_loss(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Mean over channels of the squared residual, `[b]`."""
        return (prediction - values).square().mean(1)

    def point_gradient(self, prediction: Tensor, values: Tensor) -> Tensor:
        """2 residual / c, `[b, c]`."""
        return (prediction - values) * (2 / values.shape[1])


class L1(PointLoss):
    """Mean absolute error."""

    saturates = True

    def point_loss(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Mean over channels of the absolute residual, `[b]`."""
        return (prediction - values).abs().mean(1)

    def point_gradient(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Sign(residual) / c, `[b, c]`."""
        return torch.sign(prediction - values) / values.shape[1]


class Huber(PointLoss):
    """Squared below `delta`, linear above it; in units of the values."""

    saturates = True

    def __init__(self, delta: float = 0.1) -> None:
        self.delta = delta

    def point_loss(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Mean over channels of the Huber loss, `[b]`."""
        error = (prediction - values).abs()  # PyTorch's own fails in its backward where the two are of different types
        return torch.where(error <= self.delta, 0.5 * error * error, self.delta * (error - 0.5 * self.delta)).mean(1)

    def point_gradient(self, prediction: Tensor, values: Tensor) -> Tensor:
        """The residual clamped to +-delta, / c, `[b, c]`."""
        return (prediction - values).clamp(-self.delta, self.delta) / values.shape[1]


LOSSES: dict[str, type[PointLoss]] = {"l2": L2, "l1": L1, "huber": Huber}


_KNOWN = "l2 (mean square), l1 (mean absolute error) and huber"


def make_loss(loss: Any, own: str = "") -> PointLoss:
    """The point loss behind a name ("l2", "l1", "huber").

    Args:
        loss: A name or a loss.
        own: How a loss of one's own is given where that is possible, as the end of a message: "another loss is ...".

    Raises:
        UsageError: for an unknown name, and what is neither a name nor a loss.
    """
    if isinstance(loss, PointLoss):
        return loss
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]()
    ending = f"; {own}." if own else "."
    if isinstance(loss, str):
        raise UsageError(f"There is no loss called '{loss}'. Known: {_KNOWN}{ending}")
    if isinstance(loss, type) and issubclass(loss, PointLoss):
        raise UsageError(f"loss= must be a PointLoss, not {what_is(loss)}; make one of it, {loss.__name__}().")
    raise UsageError(f"loss= must be a name, not {what_is(loss)}. Known: {_KNOWN}{ending}")
