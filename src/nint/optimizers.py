"""Optimizers by text form, `adam:beta2=0.99`. Each is a frozen spec that builds a torch optimizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from nint.registry import Registry
from nint.settings import check, setting


@dataclass(frozen=True)
class OptimizerSpec(ABC):
    """Base of optimizer specs."""

    def __post_init__(self) -> None:
        check(self, type(self).__name__.lower())

    @abstractmethod
    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        """A torch optimizer whose learning rate the engine sets before each step."""


@dataclass(frozen=True)
class Adam(OptimizerSpec):
    """Adam (Kingma and Ba 2015), the paper's optimizer."""

    beta1: float = setting(0.9, "decay of the gradient average", at_least=0, at_most=0.99999)
    beta2: float = setting(0.999, "decay of the squared-gradient average", at_least=0, at_most=0.9999999)
    eps: float = setting(1e-8, "added to the denominator", above=0)

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=lr, betas=(self.beta1, self.beta2), eps=self.eps)


@dataclass(frozen=True)
class Sgd(OptimizerSpec):
    """Plain gradient descent, for checks of Eq. 7."""

    momentum: float = setting(0.0, "momentum", at_least=0, at_most=0.9999)

    def build(self, parameters: Iterable[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=lr, momentum=self.momentum)


OPTIMIZERS = Registry("optimizer", {"adam": "nint.optimizers:Adam", "sgd": "nint.optimizers:Sgd"})
