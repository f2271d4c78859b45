"""A network called beside its training: as in evaluation, and without drawing from anyone's random generators."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def generators_kept(field: nn.Module) -> Iterator[None]:
    """Inside, a network may draw random numbers; the global generators of its devices are put back after."""
    devices = {p.device.index for p in field.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(sorted(index for index in devices if index is not None)):
        yield


@contextmanager
def as_in_evaluation(field: nn.Module) -> Iterator[None]:
    """Inside, the network is in evaluation mode: no dropout, and normalisation by running statistics, which stay as they are."""
    training = [module for module in field.modules() if module.training]
    with generators_kept(field):
        try:
            for module in training:
                module.training = False
            yield
        finally:
            for module in training:
                module.training = True
