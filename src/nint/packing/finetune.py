"""Training of weights that are whole numbers: each step rounds, takes the gradient there, and moves the unrounded weights.

Source: Bengio et al. 2013 (the straight-through estimator). Differs: Adam moves weights in units of their own step sizes, so that one rate
fits all tensors at all numbers of bits.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.fields.grid import FeatureGrid
from nint.machine.grad_mode import gradients_enabled
from nint.ntk.products import chunk_size_for
from nint.packing.levels import Levels, step_sizes
from nint.probe.cost import Cost
from nint.probe.objectives import make_loss
from nint.samplers.base import Selection
from nint.signals.base import Pool
from nint.training.gradient import accumulate_gradient
from nint.training.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class FineTuning:
    """How weights are trained once they are quantised.

    Attributes:
        steps: Steps; 0 leaves the weights rounded to the nearest; None is `steps_of` the network.
        rate: Of Adam at the start, in step sizes of a weight; it falls to 0 along a cosine.
        batch: Points of a step, drawn at random.
        seconds: Stop after this long; None goes by steps alone.
        seed: Of the batches.
    """

    steps: int | None = None
    rate: float = 0.15
    batch: int = 8192
    seconds: float | None = None
    seed: int = 0


STEPS, GRID_STEPS = 300, 1000
"""Of networks whose weights all learn from every point, and of feature grids, whose entries meet few points of a batch each; a step costs a
grid a fifth as much."""


def steps_of(field: nn.Module) -> int:
    """Steps of fine-tuning where none are named."""
    return GRID_STEPS if any(isinstance(module, FeatureGrid) for module in field.modules()) else STEPS


@gradients_enabled()
def finetuned(
    field: nn.Module, levels: Mapping[str, Levels], pool: Pool, settings: FineTuning, loss: str = "l2"
) -> tuple[dict[str, Levels], int]:
    """Levels near those given, at the same step sizes, with a lower loss on the pool; and the number of steps that were made.

    Args:
        field: The network; its parameters are overwritten.
        levels: Of every tensor of floats in its state.
        pool: What it is trained on; points without a value (NaN) are left out.
        settings: How.
        loss: Name of the point loss.

    Cost: one forward and backward over a batch for each step.
    """
    device = next(field.parameters()).device
    named = {name: p for name, p in field.named_parameters() if name in levels and p.requires_grad}
    sizes = {name: step_sizes(levels[name].steps).to(device).unsqueeze(1) for name in named}
    units = {name: nn.Parameter(levels[name].codes.to(device, torch.float32)) for name in named}
    optimizer = OPTIMIZERS.parse("adam:beta2=0.99").build(list(units.values()), settings.rate)
    generator = torch.Generator().manual_seed(settings.seed)
    rows, point_loss, chunk, began = _observed(pool), make_loss(loss), chunk_size_for(device), time.perf_counter()
    progress, done = 0.0, 0
    most = steps_of(field) if settings.steps is None else settings.steps
    for step in range(most):
        if settings.seconds is not None:
            progress = max(progress, (time.perf_counter() - began) / settings.seconds)
            if progress >= 1:
                break
        _write(named, units, sizes)
        optimizer.zero_grad(set_to_none=True)
        field.zero_grad(set_to_none=True)
        picked = _drawn(pool, rows, settings.batch, generator)
        accumulate_gradient(field, pool.coords, pool.values, Selection(picked), point_loss, chunk, Cost())
        for name, parameter in named.items():
            if parameter.grad is not None:
                units[name].grad = parameter.grad.reshape(units[name].shape) * sizes[name]
        share = max(step / most, progress)
        for group in optimizer.param_groups:
            group["lr"] = settings.rate * (1 + math.cos(math.pi * share)) / 2
        optimizer.step()
        done = step + 1
        with torch.no_grad():
            for name, unit in units.items():
                unit.clamp_(-levels[name].top, levels[name].top)
    _write(named, units, sizes)
    field.zero_grad(set_to_none=True)
    trained = {name: unit.detach().round().cpu().to(torch.int32) for name, unit in units.items()}
    found = {
        name: Levels(level.shape, level.top, trained[name], level.steps) if name in trained else level for name, level in levels.items()
    }
    return found, done


def _observed(pool: Pool) -> Tensor | None:
    """Rows of the pool that have a value; None where values are read on demand."""
    return (~torch.isnan(pool.values).any(dim=1)).nonzero().squeeze(1).cpu() if isinstance(pool.values, Tensor) else None


def _drawn(pool: Pool, rows: Tensor | None, batch: int, generator: torch.Generator) -> Tensor:
    """Random rows of the pool that have a value, with replacement."""
    count = len(pool) if rows is None else len(rows)
    picked = torch.randint(count, (min(batch, count),), generator=generator)
    if rows is not None:
        return rows[picked]
    return picked[~torch.isnan(pool.values[picked]).any(dim=1).cpu()]


def _write(named: Mapping[str, Tensor], units: Mapping[str, Tensor], sizes: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_((units[name].round() * sizes[name]).reshape(parameter.shape))
