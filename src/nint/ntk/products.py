"""K v = J (J^T v) without ever forming K or J, in chunks, so that memory does not grow with the number of points.

J is the Jacobian of all predictions with respect to all trainable parameters. One chunked vector-Jacobian product sums
J^T v over the points; one chunked Jacobian-vector product (forward mode) then gives K v point by point.
Source: Eq. 7-8 of the paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nint.errors import UsageError
from nint.fields.passes import Rows, room
from nint.fields.written_out import written_out
from nint.machine.forward_mode import dual_level, make_dual, unpack_dual
from nint.machine.matmul import fast_matmul
from nint.machine.precision import Forward
from nint.ntk.check import require_pointwise, require_tensor
from nint.settings import whole

Params = dict[str, Tensor]

Outputs = Callable[[Params], Tensor]
"""Parameters -> predictions `[m, d_out]` of some points."""

Tangents = Callable[[Outputs, Params, Params], Tensor]
"""(predictions, parameters, tangents) -> J v of those points, `[m, d_out]`."""

_CHUNK = {"cpu": 4096, "mps": 2**15}
_ACCELERATOR_CHUNK = 2**17


def chunk_size_for(device: torch.device) -> int:
    """Points per chunk: on a CPU few enough that activations stay in cache, elsewhere enough to use the whole device."""
    return _CHUNK.get(device.type, _ACCELERATOR_CHUNK)


def trainable(field: nn.Module) -> Params:
    """The parameters that K is taken over, detached: every named parameter that requires a gradient."""
    return {name: p.detach() for name, p in field.named_parameters() if p.requires_grad}


def row_chunks(n: int, chunk_size: int) -> Iterator[slice]:
    """Consecutive slices of at most `chunk_size` rows that cover n rows."""
    return (slice(start, min(start + chunk_size, n)) for start in range(0, n, chunk_size))


@fast_matmul
def forward_rows(field: Forward, coords: Any, chunk_size: int) -> Tensor:
    """Predictions `[n, d_out]` without a graph.

    Args:
        field: The network, or another way to call it (`nint.machine.compiled.Forwards`).
        coords: `[n, d_in]`, read by slices.
        chunk_size: Points at a time.

    Raises:
        UsageError: where there are no points.
    """
    n = len(coords)
    if n and (passes := written_out(field)) is not None:
        found = room(n, passes.out_features)
        passes.forward(Rows(coords), passes.chunks(n, chunk_size), found)
        return found
    out: Tensor | None = None
    with torch.no_grad():
        for rows in row_chunks(n, chunk_size):
            prediction = require_tensor(field(coords[rows]))
            if out is None:
                out = prediction.new_empty((n, prediction.shape[1]))
            out[rows] = prediction
    if out is None:
        raise UsageError("There are no points to predict.")
    return out


@fast_matmul
def vjp_rows(
    field: nn.Module,
    coords: Any,
    cotangent: Callable[[Tensor, slice], Tensor],
    chunk_size: int,
    forward: Forward | None = None,
) -> Params:
    """J^T u, summed over all points.

    Args:
        field: The network.
        coords: `[n, d_in]`, read by slices.
        cotangent: (prediction of the rows `[m, d_out]`, the rows) -> u of the rows `[m, d_out]`. Taking the prediction lets
            the loss gradient be formed from the same forward. May be called from several threads, each with rows of its own.
        chunk_size: Points at a time.
        forward: Another way to call the network, with a graph.

    Raises:
        UsageError: for a network without trainable parameters, or whose output does not depend on them.

    Cost: one forward and one backward per point.
    """
    if len(coords) and (passes := written_out(field if forward is None else forward)) is not None:
        return passes.gradient(Rows(coords), passes.chunks(len(coords), chunk_size), cotangent)[0]
    named = [(name, p) for name, p in field.named_parameters() if p.requires_grad]
    if not named:
        raise UsageError("The network has no trainable parameters, so its tangent kernel is zero.")
    names, leaves = [name for name, _ in named], [p for _, p in named]
    total = {name: torch.zeros_like(p, memory_format=torch.preserve_format) for name, p in named}
    for rows in row_chunks(len(coords), chunk_size):
        with torch.enable_grad():
            prediction = require_tensor((field if forward is None else forward)(coords[rows]))
        if not prediction.requires_grad:
            raise UsageError("The network's output does not depend on its trainable parameters, so its tangent kernel is zero.")
        weights = cotangent(prediction.detach(), rows).to(prediction.dtype)
        grads = torch.autograd.grad(prediction, leaves, weights, allow_unused=True)
        for name, grad in zip(names, grads, strict=True):
            if grad is not None:
                total[name] += grad
    return total


@fast_matmul
def jvp_rows(field: nn.Module, coords: Any, tangent: Params, chunk_size: int, tangents: Tangents | None = None) -> Tensor:
    """J v for a parameter tangent v, `[n, d_out]`.

    Args:
        field: The network.
        coords: `[n, d_in]`, read by slices.
        tangent: One tensor per trainable parameter, shaped like it.
        chunk_size: Points at a time.
        tangents: Another way to compute J v than forward mode (`nint.ntk.tangents`).

    Raises:
        UsageError: where there are no points.

    Cost: one forward-mode pass per point (a forward and its tangent, about three forwards' work).
    """
    n = len(coords)
    if n and (passes := written_out(field)) is not None:
        found = room(n, passes.out_features)
        passes.tangent(Rows(coords), passes.chunks(n, chunk_size), tangent, found)
        return found
    out: Tensor | None = None
    primal = trainable(field)
    if n and tangents is not None:
        return torch.cat([tangents(_outputs(field, coords[rows]), primal, tangent) for rows in row_chunks(n, chunk_size)])
    with torch.no_grad(), dual_level():
        duals = {name: make_dual(value, tangent[name]) for name, value in primal.items()}
        for rows in row_chunks(n, chunk_size):
            value, change = unpack_dual(functional_call(field, duals, (coords[rows],)))
            if out is None:
                out = value.new_zeros((n, value.shape[1]))
            if change is not None:
                out[rows] = change
    if out is None:
        raise UsageError("There are no points to score.")
    return out


def _outputs(field: nn.Module, points: Any) -> Outputs:
    def outputs(parameters: Params) -> Tensor:
        found: Tensor = functional_call(field, parameters, (points,))
        return found

    return outputs


def ntk_vector_product(field: nn.Module, coords: Tensor, vector: Tensor, chunk_size: int | None = None) -> Tensor:
    """K v = J (J^T v) over all trainable parameters, K never formed.

    Args:
        field: Any deterministic module that treats each point on its own, `[n, d_in] -> [n, d_out]`.
        coords: `[n, d_in]`.
        vector: `[n, d_out]`.
        chunk_size: Points at a time; None chooses for the device. It changes rounding, not the result.

    Returns:
        `[n, d_out]`. Channels are kept apart: entry (i, c) is the sum over (j, d) of <df_c(x_i)/dtheta, df_d(x_j)/dtheta> v_jd.

    Raises:
        UnsupportedFieldError: for a module without a kernel (BatchNorm, active dropout).
        UsageError: where shapes do not fit.

    Cost: a forward, a backward and a forward-mode pass per point. Memory beyond inputs and outputs is one chunk.
    Source: Eq. 7 of the paper.
    """
    require_pointwise(field)
    if coords.ndim != 2 or vector.ndim != 2 or coords.shape[0] != vector.shape[0]:
        raise UsageError(f"coords {tuple(coords.shape)} and vector {tuple(vector.shape)} must be [n, d_in] and [n, d_out] with the same n.")
    size = resolve_chunk_size(chunk_size, coords.device)

    def rows_of_vector(prediction: Tensor, rows: slice) -> Tensor:
        expected = (rows.stop - rows.start, vector.shape[1])
        if prediction.shape != expected:
            raise UsageError(f"The network gives {tuple(prediction.shape)} for {expected[0]} points but the vector needs {expected}.")
        return vector[rows].to(prediction.dtype)

    return jvp_rows(field, coords, vjp_rows(field, coords, rows_of_vector, size), size)


def resolve_chunk_size(chunk_size: int | None, device: torch.device) -> int:
    """A checked chunk size; None becomes the device's own.

    Raises:
        UsageError: for a size below 1.
    """
    if chunk_size is None:
        return chunk_size_for(device)
    return whole(chunk_size, "chunk_size")
