"""What a teacher hands to a training loop: the points of one step, and the loss on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.ntk.inputs import each_tensor, points_in
from nint.probe.objectives import Objective

_CHECKED = 4
_DIFFERS = 0.3


@dataclass(frozen=True)
class Batch:
    """What to train on now.

    Attributes:
        indices: Rows of the pool, `[b]`.
        coords: `[b, d_in]`, of several inputs a tuple or dict of tensors; asks for a gradient where the sampler needs d loss / d coords.
        values: `[b, d_out]`; zeros `[b, r]` where the loss is of residuals.
        objective: What to minimise: (prediction, values, indices) -> scalar.
        compute: Coords -> residuals `[b, r]`, where the loss is of residuals.
        compares: Whether `loss` makes sure, on a few points, that what it is given are these residuals.
        seen: The prediction or the residuals of which `loss` or `residual` was taken last, without a graph.
        factor: What the last backward pass multiplied `loss` by, as gradient scaling and accumulation do; empty where none has passed.
        weight: Of the objective's mean over the batch in the mean over the processes: 1 in one process; over several the number of
            processes times this one's part of all points, so that the average of the gradients is that of the whole batch.
    """

    indices: Tensor
    coords: Any
    values: Tensor
    objective: Objective
    compute: Callable[[Any], Tensor] | None = field(default=None, repr=False)
    compares: bool = field(default=False, repr=False)
    seen: list[Tensor] = field(default_factory=list, repr=False, compare=False)
    factor: list[Tensor] = field(default_factory=list, repr=False, compare=False)
    weight: float = 1.0

    def residual(self) -> Tensor:
        """The residuals of these points, with a graph, `[b, r]`.

        Raises:
            UsageError: where the teacher was made with values, or the residuals cannot be trained on.
        """
        if self.compute is None:
            raise UsageError("This teacher has values and no residual function; call your network on batch.coords yourself.")
        residual = self.compute(self.coords)
        self.seen[:] = [residual.detach()]
        return residual

    def loss(self, prediction: Tensor | None = None) -> Tensor:
        """The scalar to differentiate; b may be 0 over several processes.

        Args:
            prediction: `[b, d_out]` of `coords`; or the residuals `[b, r]`, which are computed if it is left out.

        Raises:
            UsageError: where shapes do not fit, or in a first step what was given are no residuals of these points.
        """
        if prediction is None:
            prediction = self.residual()
        else:
            check_prediction(prediction, self.values)
            if self.compares and self.compute is not None:
                self._compare(prediction.detach())
            self.seen[:] = [prediction.detach()]
        if len(self.indices) == 0:
            return prediction.sum()  # 0, with a graph, so that a gradient can be averaged with those of the other processes
        loss = self.objective(prediction, self.values, self.indices)
        if isinstance(self.coords, Tensor) and self.coords.requires_grad and loss.requires_grad and not torch.compiler.is_compiling():
            loss.register_hook(self._heard)  # type: ignore[no-untyped-call]
        return loss if self.weight == 1.0 else loss * self.weight

    def slope(self) -> Tensor | None:
        """D loss / d coords of these points as backward() has left it, without the factor of scaled losses; None where there is none."""
        if not isinstance(self.coords, Tensor) or self.coords.grad is None:
            return None
        gradient: Tensor = self.coords.grad
        usable = [factor for factor in self.factor if bool(torch.isfinite(factor)) and bool(factor != 0)]
        return gradient / usable[-1] if usable else gradient

    def _heard(self, gradient: Tensor) -> None:
        """A backward pass begins: its slope replaces that of an earlier one, as a closure of LBFGS makes several."""
        self.coords.grad = None
        self.factor[:] = [gradient.detach()]

    def _compare(self, given: Tensor) -> None:
        """Refuses predictions in place of residuals, which have the same shape often enough.

        Raises:
            UsageError: says how to call `loss`.
        """
        assert self.compute is not None
        count = min(_CHECKED, points_in(self.coords))
        own = self.compute(each_tensor(self.coords, lambda part: part[:count].detach())).detach()
        scale = torch.maximum(own.norm(), given[:count].norm())
        if float((own - given[:count]).norm()) > _DIFFERS * float(scale):
            raise UsageError(
                "batch.loss() was given something else than the residuals of batch.coords; call batch.loss() without arguments, or with "
                "what the residual function returns for batch.coords."
            )

    def to(self, device: Any) -> Batch:
        """The batch itself: its points lie where the network is, and frameworks that move batches leave it alone.

        Args:
            device: Where to.

        Raises:
            UsageError: for another device.
        """
        wanted = torch.device(device)
        if wanted.type != self.indices.device.type or wanted.index not in (None, self.indices.device.index):
            raise UsageError(
                f"The teacher's points are on {self.indices.device} and training is on {wanted}; move the network and the points there "
                "before the teacher is made."
            )
        return self


def check_prediction(prediction: Tensor, values: Tensor) -> None:
    """Refuses predictions that do not fit the values.

    Raises:
        UsageError: says both shapes.
    """
    if prediction.shape != values.shape:
        shapes = f"The prediction {tuple(prediction.shape)} must have the shape of the batch's values, {tuple(values.shape)}"
        if tuple(prediction.shape) == (1, *values.shape):
            raise UsageError(f"{shapes}; its first axis is one too many, which a DataLoader adds to batches unless it has batch_size=None.")
        raise UsageError(f"{shapes}.")
