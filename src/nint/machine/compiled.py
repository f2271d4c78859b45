"""A network's forward and backward as code that `torch.compile` writes for it; parameters and state stay those of the plain module.

The gain is fewer passes over memory and, on a CPU, a faster sine: PyTorch's own float32 sine comes from MKL, which is slow on some
processors (AMD's). Matrix products use the same library as before. Forward mode (J v) is not compiled.
"""

from __future__ import annotations

import time
import types
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.machine.matmul import fast_matmul
from nint.machine.precision import Forward, with_precision

_HOW = "install one (g++ or clang++), or leave --compile out (compile=False)"

_TRIAL_POINTS = 4096
"""About as many as a chunk: PyTorch chooses its kernels by the first number of points."""


class Forwards:
    """The ways in which a network is called: for training, and for scoring, which only needs a ranking.

    Both call the plain module until `compile`.

    Args:
        field: The network.
        precision: Of scoring, see `nint.machine.precision`.

    Attributes:
        training: With a graph, for gradients.
        scoring: Without a graph.
        compile_seconds: Spent on compiling so far.
    """

    def __init__(self, field: nn.Module, precision: str = "float32") -> None:
        self._field = field
        self.precision = precision
        self.training: Forward = field
        self.scoring = with_precision(field, precision)
        self.compile_seconds = 0.0
        self._compiled: set[tuple[str, bool]] = set()

    def compile(self, coords: Any, *, scoring: bool, coord_gradient: bool) -> None:
        """Compiles what is not compiled yet, by running it once; call it with the training clock stopped.

        One version serves every number of points but one (batches grow under a schedule, and last chunks are shorter); a single point goes
        to the plain module.

        Args:
            coords: Points to try it on, read by rows `[n, d_in]`; at least two, or nothing is done.
            scoring: Also compile the scoring forward. On CUDA it is recorded as a CUDA graph; training is not, because the gradients of one
                chunk must outlive the next one's forward.
            coord_gradient: Whether training asks for d / d coords too.

        Raises:
            UsageError: where there is no compiler, or the network cannot be compiled.
        """
        wanted = {("training", coord_gradient)} | ({("scoring", False)} if scoring else set())
        if wanted <= self._compiled or len(coords) < 2:
            return
        start = time.perf_counter()
        x = _whole(coords[: min(len(coords), _TRIAL_POINTS)])
        check_compiler(x.device)
        if ("training", coord_gradient) not in self._compiled:
            compiled = _compiled(self._field, x.device, graphs=False)
            _try(lambda: _backward(compiled, x, list(self._field.parameters()), coord_gradient), self._field)
            self.training = _for_several(compiled, self._field)
        if scoring and ("scoring", False) not in self._compiled:
            plain = with_precision(self._field, self.precision)
            # In one piece: a break in the graph would lose the precision on the way.
            scored = _compiled(
                with_precision(self._field, self.precision, keep=False), x.device, graphs=True, whole=self.precision != "float32"
            )
            _try(lambda: _without_graph(scored, x), self._field)
            self.scoring = _for_several(scored, plain)
        self._compiled |= wanted
        self.compile_seconds += time.perf_counter() - start


def check_compiler(device: torch.device) -> None:
    """Refuses where `torch.compile` has nothing to compile with.

    Raises:
        UsageError: says what is missing.
    """
    if device.type == "cuda":
        from torch.utils._triton import has_triton

        if not has_triton():
            raise UsageError("--compile needs the package triton on CUDA; install it, or leave --compile out (compile=False).")
    elif device.type == "cpu":
        try:
            from torch._inductor.cpp_builder import get_cpp_compiler

            get_cpp_compiler()
        except (RuntimeError, ImportError, OSError) as error:
            raise UsageError(f"--compile needs a C++ compiler, and there is none; {_HOW}.") from error


def _compiled(function: Forward, device: torch.device, *, graphs: bool, whole: bool = False) -> Forward:
    # Not more processes than needed: on a small machine starting them takes longer than what they save.
    options: dict[str, Any] = {"compile_threads": 1}
    if device.type == "cuda" and graphs:
        options["triton.cudagraphs"] = True
    return torch.compile(_with_own_code(lambda x: function(x)), dynamic=True, fullgraph=whole, options=options)


def _with_own_code(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy with a code object of its own.

    PyTorch keeps what it compiled with the code object, eight versions at most, and silently gives up after: the ninth network of a
    process would not be compiled any more.
    """
    code = function.__code__.replace()
    return types.FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)


def _for_several(compiled: Forward, plain: Forward) -> Forward:
    def forward(x: Tensor) -> Tensor:
        return compiled(_whole(x)) if len(x) > 1 else plain(x)

    return forward


def _whole(x: Tensor) -> Tensor:
    """Rows that are not part of a larger tensor: PyTorch would compile anew for each relation to its size."""
    return x.clone(memory_format=torch.contiguous_format) if x._is_view() else x


def _try(trial: Callable[[], None], field: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about itself
        try:
            trial()
        except Exception as error:
            reason = str(error).strip().partition("\n")[0][:200]
            name = type(field).__name__
            raise UsageError(f"--compile does not work for this {name} here ({reason}); leave it out (compile=False).") from error


@fast_matmul
def _backward(forward: Forward, coords: Tensor, parameters: list[nn.Parameter], coord_gradient: bool) -> None:
    x = coords.detach().requires_grad_(True) if coord_gradient else coords
    with torch.enable_grad():
        prediction = forward(x)
    leaves = [p for p in parameters if p.requires_grad] + ([x] if coord_gradient else [])
    torch.autograd.grad(prediction, leaves, torch.ones_like(prediction), allow_unused=True)


@fast_matmul
def _without_graph(forward: Forward, coords: Tensor) -> None:
    with torch.no_grad():
        forward(coords)
