"""Muon with the matrices of one shape through Newton-Schulz as one batched product, in the precision that the processor is fastest in."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from nint.machine.matmul import fast_matmul


def orthogonalised(matrices: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """Each matrix with its singular values near 1, by Newton-Schulz iteration.

    Args:
        matrices: `[k, a, b]`.
        coefficients: Of the quintic polynomial, (a, b, c).
        steps: Iterations.
        eps: Least norm to divide by.

    Returns:
        `[k, a, b]` in the type of `matrices`.

    Cost: `steps` times two products [s, s] x [s, l] and one [s, s] x [s, s], s the shorter side, for each matrix.
    Source: Jordan 2024 (Muon).
    """
    a, b, c = coefficients
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class BatchedMuon(torch.optim.Muon):
    """`torch.optim.Muon`, whose settings and state it has, with products batched by shape.

    The products are in bfloat16, as in torch's, where the processor multiplies it in hardware, else in float32, which is exact and faster
    there.
    """

    @torch.no_grad()
    @fast_matmul
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every matrix that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault(p.shape, []).append(p)
            for shape, parameters in by_shape.items():
                gradients = [p.grad for p in parameters if p.grad is not None]
                averages = [self.state[p].setdefault("momentum_buffer", torch.zeros_like(p)) for p in parameters]
                torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
                moved = torch._foreach_lerp(gradients, averages, group["momentum"]) if group["nesterov"] else averages
                stacked = torch.stack(list(moved)).to(_fastest_type(parameters[0].device.type))
                update = orthogonalised(stacked, group["ns_coefficients"], group["ns_steps"], group["eps"]).to(parameters[0].dtype)
                if group["weight_decay"]:
                    torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, list(update), alpha=-group["lr"] * _adjusted(shape, group["adjust_lr_fn"]))
        return loss


def _adjusted(shape: torch.Size, rule: str | None) -> float:
    """Factor on the rate of a matrix `[a, b]`."""
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(shape))
    return math.sqrt(max(1.0, shape[0] / shape[1]))


@functools.cache
def _fastest_type(device: str) -> torch.dtype:
    """Type of the products: bfloat16 where it is multiplied in hardware."""
    if device != "cpu":
        return torch.bfloat16
    asked = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return torch.bfloat16 if any(ask is not None and ask() for ask in asked) else torch.float32
