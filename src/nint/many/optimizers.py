"""Optimizers of a stack: each signal's parameters move as they would alone. The averages that they keep are stacked too."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nint.machine.matmul import fast_matmul
from nint.many.passes import Params
from nint.training.optimizers import Adam, Muon, OptimizerSpec, is_hidden_matrix
from nint.training.updates import AdamUpdates, MuonUpdates, Updates, adjusted, orthogonalised_in_parts


class StackedMuon(MuonUpdates):
    """Muon on matrices of a stack `[s, a, b]`."""

    @fast_matmul
    def update(self, parameters: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], settings: dict[str, Any]) -> None:
        """One step; as `MuonUpdates.update`, with the matrices of all signals in one batch."""
        averages, momentum = [state["momentum_buffer"] for state in states], settings["momentum"]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        moved = torch._foreach_lerp(gradients, averages, momentum) if settings["nesterov"] else averages
        by_shape: dict[torch.Size, list[int]] = {}
        for number, p in enumerate(parameters):
            by_shape.setdefault(p.shape[1:], []).append(number)
        for shape, numbers in by_shape.items():
            update = orthogonalised_in_parts(torch.cat([moved[number] for number in numbers]), settings["ns_steps"])
            rate = settings["lr"] * adjusted(shape, settings["adjust"])
            signals = len(parameters[numbers[0]])
            for place, number in enumerate(numbers):
                parameters[number].add_(update[place * signals : (place + 1) * signals], alpha=-rate)


class StackedOptimizer:
    """The optimizer of a spec for stacked parameters.

    Args:
        spec: Adam or Muon; `stackable` says so.
        params: Stacked parameters of the trained names; replaced by leaves that share their memory.
    """

    def __init__(self, spec: OptimizerSpec, params: Params) -> None:
        self.leaves = {name: nn.Parameter(value, requires_grad=False) for name, value in params.items()}
        self._ratios: list[float] = []
        self._parts: list[Updates] = []
        hidden = [p for p in self.leaves.values() if isinstance(spec, Muon) and is_hidden_matrix(p[0])]
        rest = [p for p in self.leaves.values() if not any(p is other for other in hidden)]
        if isinstance(spec, Muon) and hidden:
            settings = {"momentum": spec.momentum, "nesterov": spec.nesterov, "ns_steps": spec.ns_steps, "adjust": spec.adjust}
            self._parts.append(StackedMuon(hidden, 0.0, **settings))
            self._ratios.append(spec.ratio)
        if rest and isinstance(spec, (Adam, Muon)):
            self._parts.append(AdamUpdates(rest, 0.0, betas=(spec.beta1, spec.beta2), eps=spec.eps))
            self._ratios.append(1.0)

    def step(self, gradients: Params, lr: float) -> None:
        """One update of every parameter that has a gradient."""
        for name, leaf in self.leaves.items():
            leaf.grad = gradients.get(name)
        for part, ratio in zip(self._parts, self._ratios, strict=True):
            part.param_groups[0]["lr"] = lr * ratio
            part.step()

    def keep(self, rows: Tensor) -> None:
        """Goes on with some of the signals `[k]`."""
        for leaf in self.leaves.values():
            leaf.grad = None
            leaf.data = leaf.data[rows]
        for part in self._parts:
            for state in part.state.values():
                for name, value in state.items():
                    if value.ndim:  # the number of steps is common to all
                        state[name] = value[rows]


def stackable(spec: OptimizerSpec) -> bool:
    """Whether an optimizer can move a stack."""
    return type(spec) in (Adam, Muon)
