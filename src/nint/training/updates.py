"""Adam and Muon as plain loops over PyTorch's own kernels.

`torch.optim` loads PyTorch's compiler with the first optimizer, a second of processor time at the start of every run. State and settings
are laid out as there, so that the state of one loads into the other.
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from nint.machine.matmul import fast_matmul
from nint.machine.workers import share_out

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of Muon's quintic polynomial (Jordan 2024)."""

_LEAST_NORM = 1e-7

_LEAST_WORK = 2**22
"""Multiplications of a product that are worth a task of their own."""


class Optimizer(Protocol):
    """What the engine asks of an optimizer; those of `torch.optim` have it."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any:
        """One update from the gradients that the parameters have."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes `state_dict`."""


class Updates(ABC):
    """An optimizer of one group of parameters.

    Args:
        parameters: At least one.
        lr: Learning rate; the engine sets it before each step.
        **settings: Kept beside it.

    Raises:
        ValueError: without parameters.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, **settings: Any) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(parameters), "lr": lr, **settings}]
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        if not self.param_groups[0]["params"]:
            raise ValueError("an optimizer needs parameters")

    def step(self) -> None:
        """One update of every parameter that has a gradient."""
        group = self.param_groups[0]
        parameters = [p for p in group["params"] if p.grad is not None]
        with torch.no_grad():
            for p in parameters:
                if p not in self.state:
                    self.state[p] = self.start(p)
            if parameters:
                self.update(parameters, [p.grad for p in parameters], [self.state[p] for p in parameters], group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients, or makes them 0."""
        for p in self.param_groups[0]["params"]:
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad.detach_().zero_()

    def state_dict(self) -> dict[str, Any]:
        """As of `torch.optim`: the state by the parameter's number, and the settings."""
        group = self.param_groups[0]
        numbers = {p: number for number, p in enumerate(group["params"])}
        return {
            "state": {numbers[p]: dict(state) for p, state in self.state.items()},
            "param_groups": [{**{key: value for key, value in group.items() if key != "params"}, "params": list(numbers.values())}],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Undoes `state_dict`; also takes that of the optimizer of `torch.optim` with the same name.

        Raises:
            ValueError: for the state of other parameters.
        """
        parameters = self.param_groups[0]["params"]
        groups, state = state_dict["param_groups"], state_dict["state"]
        if len(groups) != 1 or len(groups[0]["params"]) != len(parameters):
            raise ValueError(f"the optimizer has {len(parameters)} parameters, its saved state {sum(len(g['params']) for g in groups)}")
        self.param_groups[0]["lr"] = groups[0]["lr"]
        self.state = {}
        for number, values in state.items():
            p = parameters[int(number)]
            wanted = self.start(p)
            if set(wanted) != set(values) or any(wanted[name].shape != values[name].shape for name in wanted):
                raise ValueError(f"the saved state of parameter {number} does not fit it")
            self.state[p] = {name: values[name].to(wanted[name].device, wanted[name].dtype).clone() for name in wanted}

    @abstractmethod
    def start(self, parameter: Tensor) -> dict[str, Tensor]:
        """The state of a parameter before its first step."""

    @abstractmethod
    def update(self, parameters: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], settings: dict[str, Any]) -> None:
        """Changes parameters and states in place."""


class AdamUpdates(Updates):
    """Adam (Kingma and Ba 2015) without weight decay, one kernel for all parameters where PyTorch has it.

    Settings: betas, eps.
    """

    def start(self, parameter: Tensor) -> dict[str, Tensor]:
        """Number of steps, and the averages of the gradient and of its square."""
        return {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }

    def update(self, parameters: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], settings: dict[str, Any]) -> None:
        """One step of Adam; real and imaginary parts of complex numbers are numbers of their own, as in PyTorch's."""
        parameters, gradients = _real(parameters), _real(gradients)
        first, second = (_real([state[name] for state in states]) for name in ("exp_avg", "exp_avg_sq"))
        steps = [state["step"] for state in states]
        (beta1, beta2), lr, eps = settings["betas"], settings["lr"], settings["eps"]
        torch._foreach_add_(steps, 1)
        if hasattr(torch, "_fused_adam_") and all(p.device.type in ("cpu", "cuda") for p in parameters):
            torch._fused_adam_(
                parameters, gradients, first, second, [], steps,
                amsgrad=False, lr=lr, beta1=beta1, beta2=beta2, weight_decay=0.0, eps=eps, maximize=False,
            )  # fmt: skip
            return
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        for p, average, square, step in zip(parameters, first, second, steps, strict=True):
            done = float(step)
            scale = (square.sqrt() / math.sqrt(1 - beta2**done)).add_(eps)
            p.addcdiv_(average, scale, value=-lr / (1 - beta1**done))


def _real(tensors: list[Tensor]) -> list[Tensor]:
    """Complex tensors as pairs of real numbers in the same memory."""
    return [torch.view_as_real(one) if one.is_complex() else one for one in tensors]


class SparseAdamUpdates(AdamUpdates):
    """Adam that leaves rows of a matrix alone in steps where their gradient is 0: the row-wise ("lazy") Adam of tables of features.

    Averages of such rows do not decay. As in `torch.optim.SparseAdam` the number of steps, by which averages are corrected, is that of the
    whole matrix. A step costs a look at the gradient and what its rows cost, which pays where a batch touches a small part of a table.
    """

    def update(self, parameters: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], settings: dict[str, Any]) -> None:
        """One step."""
        whole = []
        (beta1, beta2), lr, eps = settings["betas"], settings["lr"], settings["eps"]
        for number, (p, gradient, state) in enumerate(zip(parameters, gradients, states, strict=True)):
            rows = torch.nonzero(gradient.flatten(1).any(1))[:, 0] if p.ndim > 1 and not p.is_complex() else None
            if rows is None or len(rows) == len(p):
                whole.append(number)
                continue
            state["step"] += 1
            done, own = float(state["step"]), gradient[rows]
            average = torch.lerp(state["exp_avg"][rows], own, 1 - beta1)
            square = torch.lerp(state["exp_avg_sq"][rows], own * own, 1 - beta2)
            state["exp_avg"][rows], state["exp_avg_sq"][rows] = average, square
            scale = (square / (1 - beta2**done)).sqrt_().add_(eps)
            p.index_add_(0, rows, average.div_(scale), alpha=-lr / (1 - beta1**done))
        if whole:
            super().update([parameters[n] for n in whole], [gradients[n] for n in whole], [states[n] for n in whole], settings)


class MuonUpdates(Updates):
    """Muon (Jordan 2024) without weight decay; matrices of one shape go through Newton-Schulz as batched products, which workers share.

    Settings: momentum, nesterov, ns_steps, adjust (`nint.training.optimizers.Muon`). The products are in bfloat16 where the processor
    multiplies it in hardware, else in float32, which is exact and faster there.
    """

    def start(self, parameter: Tensor) -> dict[str, Tensor]:
        """The average of the gradient."""
        return {"momentum_buffer": torch.zeros_like(parameter)}

    @fast_matmul
    def update(self, parameters: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], settings: dict[str, Any]) -> None:
        """One step of Muon."""
        averages, momentum = [state["momentum_buffer"] for state in states], settings["momentum"]
        torch._foreach_lerp_(averages, gradients, 1 - momentum)
        moved: Sequence[Tensor] = torch._foreach_lerp(gradients, averages, momentum) if settings["nesterov"] else averages
        by_shape: dict[torch.Size, list[int]] = {}
        for number, p in enumerate(parameters):
            by_shape.setdefault(p.shape, []).append(number)
        for shape, numbers in by_shape.items():
            update = orthogonalised_in_parts(torch.stack([moved[number] for number in numbers]), settings["ns_steps"])
            rate = settings["lr"] * adjusted(shape, settings["adjust"])
            torch._foreach_add_([parameters[number] for number in numbers], list(update), alpha=-rate)


def orthogonalised(matrices: Tensor, steps: int) -> Tensor:
    """Each matrix with its singular values near 1, by Newton-Schulz iteration.

    Args:
        matrices: `[k, a, b]`.
        steps: Iterations.

    Returns:
        `[k, a, b]` in the type of `matrices`.

    Cost: for each matrix and step two products [s, s] x [s, l] and one [s, s] x [s, s], s the shorter side, l the longer.
    Source: Jordan 2024 (Muon).
    """
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True).clamp(min=_LEAST_NORM)
    for _ in range(steps):
        gram = x @ x.mT.contiguous()  # MKL is half as fast on the transposed view of small matrices
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def orthogonalised_in_parts(matrices: Tensor, steps: int) -> Tensor:
    """`orthogonalised` in the fastest type, by the worker threads, in the type of `matrices`."""
    return _shared_out(matrices.to(_fastest_type(matrices.device.type)), steps).to(matrices.dtype)


def _shared_out(matrices: Tensor, steps: int) -> Tensor:
    """`orthogonalised`, by the worker threads; which matrices go together depends on their shape alone."""
    together = max(1, round(_LEAST_WORK / math.prod(matrices.shape[1:]) / min(matrices.shape[1:])))
    parts = torch.split(matrices, together)
    if matrices.device.type != "cpu" or len(parts) == 1:
        return orthogonalised(matrices, steps)
    out = torch.empty_like(matrices)

    def task(part: Tensor, into: Tensor) -> Callable[[], None]:
        def run() -> None:
            with torch.no_grad():
                into.copy_(orthogonalised(part, steps))

        return run

    share_out([task(part, into) for part, into in zip(parts, torch.split(out, together), strict=True)])
    return out


def adjusted(shape: torch.Size, rule: str) -> float:
    """Factor on the rate of a matrix `[a, b]`."""
    return 0.2 * math.sqrt(max(shape)) if rule == "match_rms_adamw" else math.sqrt(max(1.0, shape[0] / shape[1]))


@functools.cache
def _fastest_type(device: str) -> torch.dtype:
    """Type of Muon's products: bfloat16 where it is multiplied in hardware."""
    if device != "cpu":
        return torch.bfloat16
    asked = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return torch.bfloat16 if any(ask is not None and ask() for ask in asked) else torch.float32
