"""Optimizers by text form, `adam:beta2=0.99`. Each is a frozen spec that builds an optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nint.registry import Registry
from nint.settings import check, setting
from nint.training.updates import AdamUpdates, MuonUpdates, Optimizer, SparseAdamUpdates

_LEAST_SIDE = 16


@dataclass(frozen=True)
class OptimizerSpec(ABC):
    """Base of optimizer specs."""

    def __post_init__(self) -> None:
        check(self, type(self).__name__.lower())

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        """An optimizer whose learning rate the engine sets before each step."""


@dataclass(frozen=True)
class Adam(OptimizerSpec):
    """Adam (Kingma and Ba 2015), the paper's optimizer."""

    beta1: float = setting(0.9, "decay of the gradient average", at_least=0, at_most=0.99999)
    beta2: float = setting(0.999, "decay of the squared-gradient average", at_least=0, at_most=0.9999999)
    eps: float = setting(1e-8, "added to the denominator", above=0, at_most=1)
    sparse: bool = setting(False, "leave rows of a matrix whose gradient is 0 as they are, averages included")

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        """As for every optimizer."""
        kind = SparseAdamUpdates if self.sparse else AdamUpdates
        return kind(parameters, lr, betas=(self.beta1, self.beta2), eps=self.eps)


@dataclass(frozen=True)
class Sgd(OptimizerSpec):
    """Plain gradient descent, for checks of Eq. 7."""

    momentum: float = setting(0.0, "momentum", at_least=0, at_most=0.9999)

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        """As for every optimizer."""
        return torch.optim.SGD(parameters, lr=lr, momentum=self.momentum)


@dataclass(frozen=True)
class Muon(OptimizerSpec):
    """Muon (Jordan 2024) on the hidden matrices, Adam on the rest, at one learning rate.

    Muon makes the momentum of a matrix nearly orthogonal, so that every direction of a layer learns at the same speed.

    Attributes:
        momentum: mu of the average of gradients that is made orthogonal.
        ns_steps: Newton-Schulz steps; fewer are cheaper and less orthogonal.
        nesterov: Look one gradient ahead, as Muon's author does.
        ratio: Muon's learning rate over Adam's.
        adjust: How Muon's rate follows the shape of a matrix `[a, b]`: by sqrt(max(1, a/b)), or by 0.2 sqrt(max(a, b)), which gives an
            update the size of Adam's.
        beta1: Of Adam, likewise beta2 and eps.

    Cost: ns_steps times three products of a hidden matrix with itself, whatever the batch.
    Source: Jordan 2024; settings as of torch.optim.Muon (torch 2.9), without weight decay.
    """

    momentum: float = setting(0.95, "decay of the gradient average of hidden matrices", at_least=0, at_most=0.99999)
    ns_steps: int = setting(5, "Newton-Schulz steps", at_least=1, at_most=99)
    nesterov: bool = setting(True, "look one gradient ahead")
    ratio: float = setting(1.0, "learning rate of hidden matrices over that of the rest", above=0, at_most=1e6)
    adjust: str = setting("original", "how the rate follows a matrix's shape", choices=("original", "match_rms_adamw"))
    beta1: float = setting(0.9, "decay of Adam's gradient average", at_least=0, at_most=0.99999)
    beta2: float = setting(0.999, "decay of Adam's squared-gradient average", at_least=0, at_most=0.9999999)
    eps: float = setting(1e-8, "added to Adam's denominator", above=0, at_most=1)

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
        """As for every optimizer; parameters that are hidden matrices (`is_hidden_matrix`) go to Muon."""
        parameters = list(parameters)
        hidden = [p for p in parameters if is_hidden_matrix(p)]
        rest = [p for p in parameters if not is_hidden_matrix(p)]
        parts: list[tuple[Optimizer, float]] = []
        if hidden:
            settings = {"momentum": self.momentum, "nesterov": self.nesterov, "ns_steps": self.ns_steps, "adjust": self.adjust}
            parts.append((MuonUpdates(hidden, lr * self.ratio, **settings), self.ratio))
        if rest:
            parts.append((AdamUpdates(rest, lr, betas=(self.beta1, self.beta2), eps=self.eps), 1.0))
        return Joined(parts, lr)


class Joined:
    """Several optimizers, each for parameters of its own, that step as one.

    `param_groups` has one group a part; its "lr" is the common rate and its "ratio" what the part multiplies it by.

    Args:
        parts: (optimizer, its learning rate over the common one).
        lr: The common learning rate.
    """

    def __init__(self, parts: list[tuple[Optimizer, float]], lr: float) -> None:
        self.parts = [part for part, _ in parts]
        self.param_groups: list[dict[str, Any]] = [
            {"params": [p for g in part.param_groups for p in g["params"]], "ratio": ratio, "lr": lr} for part, ratio in parts
        ]

    def step(self) -> None:
        """One step of every part at the rates that stand in `param_groups`."""
        for part, group in zip(self.parts, self.param_groups, strict=True):
            for own in part.param_groups:
                own["lr"] = group["lr"] * group["ratio"]
            part.step()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of every part."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values: the common rates and the state of each part."""
        return {"lr": [group["lr"] for group in self.param_groups], "parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes `state_dict`.

        Raises:
            ValueError: for the state of other parts.
        """
        rates, states = state_dict["lr"], state_dict["parts"]
        if len(rates) != len(self.parts) or len(states) != len(self.parts):
            raise ValueError(f"the optimizer has {len(self.parts)} parts, its saved state {len(states)}")
        for group, part, rate, state in zip(self.param_groups, self.parts, rates, states, strict=True):
            group["lr"] = rate
            part.load_state_dict(state)


def is_hidden_matrix(parameter: Tensor) -> bool:
    """Whether Muon takes a parameter: a real matrix with both sides of at least 16, so no first or last layer of few columns or rows."""
    return parameter.ndim == 2 and parameter.is_floating_point() and min(parameter.shape) >= _LEAST_SIDE


OPTIMIZERS = Registry(
    "optimizer",
    {"adam": "nint.training.optimizers:Adam", "muon": "nint.training.optimizers:Muon", "sgd": "nint.training.optimizers:Sgd"},
)
