"""One training gradient: forward, objective and backward over a batch, in chunks that stay in cache.

Separable objectives are summed chunk by chunk. Joint ones need every prediction before their gradient: the chunks' graphs
are kept where they fit a memory budget, else the batch is forwarded twice.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nint.fields.grid import FeatureGrid
from nint.fields.passes import Rows, room
from nint.fields.written_out import Passes, written_out
from nint.machine.matmul import fast_matmul
from nint.machine.precision import Forward
from nint.ntk.products import forward_rows, row_chunks
from nint.probe.cost import Cost
from nint.probe.objectives import Objective, PointLoss
from nint.samplers.base import Feedback, Selection
from nint.signals.base import RowSubset

_KEPT_GRAPH_BYTES = 2**30
_CORNER_BYTES = 24
"""Of a corner of a grid's cell in a graph: its entry (8 bytes), its weight and what that was multiplied from."""


@fast_matmul
def accumulate_gradient(
    field: nn.Module,
    coords: Any,
    values: Any,
    selection: Selection,
    loss: PointLoss,
    chunk_size: int,
    cost: Cost,
    want_coord_gradient: bool = False,
    forward: Forward | None = None,
) -> Feedback:
    """Adds the gradient of the selection's objective to `.grad` of the parameters.

    Args:
        field: The network.
        coords: Pool coordinates `[n, d_in]`, read by rows.
        values: Pool values `[n, d_out]`, read by rows.
        selection: Which points, and their objective (None: `loss`).
        loss: The run's own loss.
        chunk_size: Points at a time.
        cost: Meter of points forwarded and backwarded.
        want_coord_gradient: Also return d objective / d coords.
        forward: Another way to call the network, with a graph (`nint.machine.compiled.Forwards`).

    Cost: b forwards and b backwards; a joint objective whose graphs do not fit costs b forwards more.
    """
    objective: Objective = loss if selection.objective is None else selection.objective
    indices = selection.indices
    cost.forward += len(indices)
    cost.backward += len(indices)
    call = field if forward is None else forward
    if isinstance(objective, PointLoss):
        prediction, point_loss, slopes = _separable(call, coords, values, indices, objective, loss, chunk_size, want_coord_gradient)
    else:
        per_point = _graph_bytes_per_point(field)
        prediction, point_loss, slopes = _joint(
            call, coords, values, indices, objective, loss, chunk_size, per_point, cost, want_coord_gradient
        )
    gradient = {name: p.grad for name, p in field.named_parameters() if p.grad is not None}
    return Feedback(prediction, point_loss, _joined(slopes) if slopes else None, gradient)


def _inputs(coords: Any, rows: Tensor, want_coord_gradient: bool) -> Tensor:
    x: Tensor = coords[rows]
    return x.detach().requires_grad_(True) if want_coord_gradient else x


def _backward(output: Tensor, cotangent: Tensor | None = None) -> None:
    torch.autograd.backward([output], None if cotangent is None else [cotangent])


def _gradient_of(leaf: Tensor) -> Tensor:
    """The gradient of a leaf; zero where the output does not depend on it."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _separable(
    forward: Forward, coords: Any, values: Any, indices: Tensor, objective: PointLoss, loss: PointLoss, chunk_size: int, want: bool
) -> tuple[Tensor, Tensor, list[Tensor]]:
    total = len(indices)
    if (passes := written_out(forward)) is not None:
        return _written_out(passes, forward, coords, values, indices, objective, loss, chunk_size, want)
    predictions, losses, slopes = [], [], []
    for part in row_chunks(total, chunk_size):
        rows = indices[part]
        x, y = _inputs(coords, rows, want), values[rows]
        prediction = forward(x)
        point_loss = objective.point_loss(prediction, y)
        _backward(point_loss.sum() / total)
        predictions.append(prediction.detach())
        losses.append(point_loss.detach() if objective is loss else loss.point_loss(prediction.detach(), y))
        if want:
            slopes.append(_gradient_of(x))
    return _joined(predictions), _joined(losses), slopes


def _written_out(
    passes: Passes,
    field: Any,
    coords: Any,
    values: Any,
    indices: Tensor,
    objective: PointLoss,
    loss: PointLoss,
    chunk_size: int,
    want: bool,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """As `_separable`, by the network's written-out passes."""
    total = len(indices)
    predictions, losses = room(total, passes.out_features), room(total)
    targets = Rows(values, indices)

    def cotangent(prediction: Tensor, part: slice) -> Tensor:
        y = targets[part]
        predictions[part], losses[part] = prediction, loss.point_loss(prediction, y)
        return objective.point_gradient(prediction, y).div_(total)

    gradient, slopes = passes.gradient(Rows(coords, indices), passes.chunks(total, chunk_size), cotangent, want)
    for name, parameter in field.named_parameters():
        parameter.grad = gradient[name] if parameter.grad is None else parameter.grad.add_(gradient[name])
    return predictions, losses, [slope for slope in slopes if slope is not None]


def _joint(
    forward: Forward,
    coords: Any,
    values: Any,
    indices: Tensor,
    objective: Objective,
    loss: PointLoss,
    chunk_size: int,
    graph_bytes_per_point: int,
    cost: Cost,
    want: bool,
) -> tuple[Tensor, Tensor, list[Tensor]]:
    parts = list(row_chunks(len(indices), chunk_size))
    keep = len(indices) * graph_bytes_per_point <= _KEPT_GRAPH_BYTES
    inputs: list[Tensor] = []
    graphs: list[Tensor | None] = []
    if keep:
        outputs = []
        for part in parts:
            inputs.append(_inputs(coords, indices[part], want))
            outputs.append(forward(inputs[-1]))
        prediction = _joined([output.detach() for output in outputs])
        graphs += outputs
        del outputs
    else:
        prediction = forward_rows(forward, RowSubset(coords, indices), chunk_size)
        cost.forward += len(indices)
    y = values[indices]
    leaf = prediction.requires_grad_(True)
    _backward(objective(leaf, y, indices))
    cotangent = _gradient_of(leaf)
    slopes = []
    for number, part in enumerate(parts):
        x = inputs[number] if keep else _inputs(coords, indices[part], want)
        graph = graphs[number] if keep else None
        _backward(forward(x) if graph is None else graph, cotangent[part])
        if keep:
            graphs[number] = None  # frees the chunk's activations before the next backward
        del graph
        if want:
            slopes.append(_gradient_of(x))
    prediction = leaf.detach()
    return prediction, loss.point_loss(prediction, y), slopes


def _graph_bytes_per_point(field: nn.Module) -> int:
    """Rough size of a point's graph: two activations for every output of every layer; of a grid, its corners with weights and entries."""
    total = 0
    for module in field.modules():
        if isinstance(module, FeatureGrid):
            total += module.lattice.corner_count * (_CORNER_BYTES + 3 * module.table.shape[1] * module.table.element_size())
        else:
            total += 3 * sum(p.shape[0] * p.element_size() for p in module.parameters(recurse=False) if p.ndim >= 2)
    return total
