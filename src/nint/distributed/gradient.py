"""The gradient of a batch whose points several processes hold, and what they tell one another with it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nint.distributed.group import Group


def reduce_gradient(field: nn.Module, points: int, loss: Tensor, group: Group, told: list[float]) -> tuple[float, list[float]]:
    """Makes `.grad` of every parameter the mean over the points of all processes, by one sum.

    Args:
        field: The network; `.grad` holds the mean over this process's points, None where it has none.
        points: This process's points.
        loss: Their losses, `[points]`.
        group: The processes.
        told: Numbers to sum over the processes along with it.

    Returns:
        The mean loss over all points, and the sums of `told`.

    Cost: one sum of as many numbers as there are parameters, and a few more.
    """
    parameters = [p for p in field.parameters() if p.requires_grad]
    told_now = [points, float(loss.double().sum()) if points else 0.0, *told]
    parts: list[Tensor] = [_weighted(p, points) for p in parameters]
    dtype = torch.float64 if any(part.dtype == torch.float64 for part in parts) else torch.float32
    tail = torch.tensor(told_now, dtype=dtype, device=parts[0].device)
    flat = group.sum_(torch.cat([part.to(dtype) for part in parts] + [tail]))
    sums: list[Any] = flat[-len(tail) :].tolist()
    total = max(sums[0], 1.0)
    flat /= total
    begin = 0
    for p in parameters:
        count = p.numel() * (2 if p.is_complex() else 1)
        piece = flat[begin : begin + count]
        whole = torch.view_as_complex(piece.view(-1, 2)) if p.is_complex() else piece
        p.grad = whole.view(p.shape).to(p.dtype, copy=True)
        begin += count
    return sums[1] / total, sums[2:]


def _weighted(parameter: nn.Parameter, points: int) -> Tensor:
    """The sum over the points from their mean, flat and real."""
    if parameter.grad is None or points == 0:
        return torch.zeros(
            parameter.numel() * (2 if parameter.is_complex() else 1), device=parameter.device, dtype=_real_type(parameter.dtype)
        )
    gradient = parameter.grad.detach()
    flat = torch.view_as_real(gradient.contiguous()).reshape(-1) if gradient.is_complex() else gradient.reshape(-1)
    return flat * points


def _real_type(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype in (torch.float64, torch.complex128) else torch.float32
