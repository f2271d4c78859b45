"""The passes of a grid network written out: gathers for all levels of a chunk, then the layers behind; backward one scatter a level.

Autograd would keep the corners of every point at every level and add their gradients with atomic or sorted sums. Here corners are found
again in the backward, where that is cheaper than reading them, and each level's table is summed by one worker in the order of the points.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nint.fields.aspect import Unit
from nint.fields.grid import FeatureGrid, MultiResolution
from nint.fields.passes import GROUPS, LEAST, chunks_of, hooked_or_repeated, plain, room
from nint.machine.grids import Levels
from nint.machine.workers import share_out

_LAYER_VALUES = 2**18
_LEAST = 2**11
"""Points of the smallest chunk: layers are narrow, so that calls weigh more than in a sine network."""

_BLOCK = 2**20
"""Points whose gradients of features are kept at a time."""


def grid_passes(field: Any) -> GridPasses | None:
    """The written-out passes of a grid network, or None where they do not apply.

    They apply to `MultiResolution`, behind factors on the coordinates or not, then linear layers with a ReLU between them, in an
    `nn.Sequential`, in float32 on the CPU, as they were built: no hooks, no parametrisation, and all parameters trained.
    """
    if type(field) is not nn.Sequential or len(field) < 2:
        return None
    children = list(field._modules.items())
    first = children[0][1]
    by_axis = first.factors if isinstance(first, Unit) else None
    (encoding_name, encoding), *rest = children[1:] if isinstance(first, Unit) else children
    if type(encoding) is not MultiResolution or len(rest) % 2 == 0:
        return None
    grids = [grid for grid in encoding.grids if type(grid) is FeatureGrid]
    linears = [(name, layer) for name, layer in rest[::2] if type(layer) is nn.Linear and layer.bias is not None]
    if len(grids) < len(encoding.grids) or len(linears) < len(rest[::2]) or any(type(layer) is not nn.ReLU for _, layer in rest[1::2]):
        return None
    if hooked_or_repeated(field) or not all(plain(p) for p in field.parameters()):
        return None
    names = [f"{encoding_name}.grids.{number}.table" for number in range(len(grids))]
    return GridPasses(list(zip(names, grids, strict=True)), linears, by_axis)


class GridPasses:
    """Passes of one network at its current parameters.

    Args:
        grids: (name of the table, grid) of each level.
        layers: (name, layer), output layer last.
        by_axis: Factors on the coordinates `[d]`, if any.
    """

    def __init__(self, grids: list[tuple[str, FeatureGrid]], layers: list[tuple[str, nn.Linear]], by_axis: Tensor | None = None) -> None:
        self._by_axis = by_axis
        self._names, self._lattices = [name for name, _ in grids], [grid.lattice for _, grid in grids]
        self._tables = [grid.table.detach() for _, grid in grids]
        self._levels = Levels(self._lattices, self._tables)
        self._layers = [(name, layer.weight.detach(), layer.bias.detach()) for name, layer in layers]
        self._turned = [weight.t().contiguous() for _, weight, _ in self._layers]
        self._own = threading.local()

    @property
    def out_features(self) -> int:
        """Values of a prediction."""
        return self._layers[-1][1].shape[0]

    def chunks(self, n: int, chunk_size: int) -> list[slice]:
        """How n points are divided: into slices of at most `chunk_size`, and of fewer where layers are wide."""
        widest = max(self._levels.width, *(weight.shape[0] for _, weight, _ in self._layers))
        return chunks_of(n, min(chunk_size, max(_LAYER_VALUES // widest, LEAST)), _LEAST)

    def forward(self, coords: Any, chunks: list[slice], out: Tensor) -> None:
        """Predictions of all rows into `out` `[n, d_out]`."""

        def task(rows: slice) -> Callable[[], None]:
            def run() -> None:
                with torch.no_grad():
                    h = self._features(self._points(coords, rows))
                    for number in range(len(self._layers) - 1):
                        h = self._hidden(h, number)
                    torch.addmm(self._layers[-1][2], h, self._turned[-1], out=out[rows])

            return run

        share_out([task(rows) for rows in chunks])

    def gradient(
        self, coords: Any, chunks: list[slice], cotangent: Callable[[Tensor, slice], Tensor], want_slope: bool = False
    ) -> tuple[dict[str, Tensor], list[Tensor | None]]:
        """J^T u, summed over all points.

        Args:
            coords: `[n, d_in]`, read by slices from the workers' threads.
            chunks: Consecutive slices that cover the points.
            cotangent: (prediction of a chunk `[m, d_out]`, its rows) -> u `[m, d_out]`, called from the workers' threads.
            want_slope: Also return J_x^T u, the derivative with respect to the coordinates, of each chunk.

        Returns:
            Parameter name -> gradient, and the chunks' coordinate derivatives (None each where they are not wanted).
        """
        slopes: list[Tensor | None] = [None] * len(chunks)
        sums: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(min(GROUPS, len(chunks)))]
        into = [torch.zeros_like(table) for table in self._tables]
        adding = Levels(self._lattices, into)
        for block in _blocks(chunks):
            start = chunks[block[0]].start
            points = {index: room(0) for index in block}
            to_features = room(chunks[block[-1]].stop - start, self._levels.width)

            def through_layers(number: int, of: range, x: dict[int, Tensor], features: Tensor, first: int) -> Callable[[], None]:
                def run() -> None:
                    with torch.no_grad():
                        for index in (index for index in of if index % GROUPS == number):
                            rows = chunks[index]
                            x[index] = self._points(coords, rows)
                            back = features[rows.start - first : rows.stop - first]
                            self._chunk(x[index], rows, cotangent, sums[number], back)
                            if want_slope:
                                slopes[index] = self._slope(x[index], back)

                return run

            share_out([through_layers(number, block, points, to_features, start) for number in range(len(sums))])
            x = points[block[0]] if len(points) == 1 else torch.cat(list(points.values()))
            share_out([_adding(adding, level, x, to_features) for level in range(len(adding))])
        total = {}
        for position, (name, _, _) in enumerate(self._layers):
            for part, suffix in enumerate(("weight", "bias")):
                first = sums[0][position][part]
                for other in sums[1:]:
                    first += other[position][part]
                total[f"{name}.{suffix}"] = first
        return {**dict(zip(self._names, into, strict=True)), **total}, slopes

    def tangent(self, coords: Any, chunks: list[slice], tangent: Mapping[str, Tensor], out: Tensor) -> None:
        """J v of all rows into `out` `[n, d_out]`, for a parameter tangent v by name."""
        moves = [(tangent[f"{name}.weight"].t().contiguous(), tangent[f"{name}.bias"]) for name, _, _ in self._layers]
        moved_tables = Levels(self._lattices, [tangent[name].contiguous() for name in self._names])

        def task(rows: slice) -> Callable[[], None]:
            def run() -> None:
                with torch.no_grad():
                    x = self._points(coords, rows)
                    h, change = self._features(x), self._features(x, moved_tables, "change")
                    for number, (weight, bias) in enumerate(moves):
                        moved = torch.addmm(bias, h, weight).addmm_(change, self._turned[number])  # d(W h + b) = dW h + db + W dh
                        if number == len(moves) - 1:
                            out[rows] = moved
                            return
                        h = self._hidden(h, number)
                        change = moved.mul_(h > 0)

            return run

        share_out([task(rows) for rows in chunks])

    def _chunk(
        self,
        x: Tensor,
        rows: slice,
        cotangent: Callable[[Tensor, slice], Tensor],
        sums: list[tuple[Tensor, Tensor]],
        to_features: Tensor,
    ) -> None:
        """Forward and backward of one chunk; adds its gradients to `sums`, which the first chunk of a group fills."""
        inputs = [self._features(x)]
        for number in range(len(self._layers) - 1):
            inputs.append(self._hidden(inputs[-1], number))
        prediction = torch.addmm(self._layers[-1][2], inputs[-1], self._turned[-1])
        u = cotangent(prediction, rows).to(prediction.dtype)  # targets may be of another precision
        first = not sums
        if first:
            sums += [(torch.empty_like(weight), torch.zeros_like(bias)) for _, weight, bias in self._layers]
        for number in range(len(self._layers) - 1, -1, -1):
            weight, bias = sums[number]
            bias += u.sum(0)
            if first:
                torch.mm(u.t(), inputs[number], out=weight)
            else:
                weight.addmm_(u.t(), inputs[number])
            if number:
                back = torch.mm(u, self._layers[number][1], out=self._memory("back", number % 2, len(x), inputs[number].shape[1]))
                u = torch.ops.aten.threshold_backward.grad_input(back, inputs[number], 0, grad_input=back)
            else:
                torch.mm(u, self._layers[0][1], out=to_features)

    def _slope(self, x: Tensor, to_features: Tensor) -> Tensor:
        """The derivative with respect to the coordinates `[m, d]`, by autograd through the corners' weights."""
        with torch.enable_grad():
            leaf = x.detach().requires_grad_(True)
            total = x.new_zeros(())
            for lattice, table, column in zip(self._lattices, self._tables, self._levels.columns, strict=False):
                entry, weight = lattice.corners(leaf)
                total = total + ((weight[..., None] * table[entry]).sum(-2) * to_features[:, column : column + table.shape[1]]).sum()
            (slope,) = torch.autograd.grad(total, leaf)
        return slope if self._by_axis is None else slope * self._by_axis

    def _points(self, coords: Any, rows: slice) -> Tensor:
        """Coordinates as the grids take them."""
        x: Tensor = coords[rows]
        return x.contiguous() if self._by_axis is None else (x * self._by_axis).contiguous()

    def _features(self, x: Tensor, levels: Levels | None = None, use: str = "features") -> Tensor:
        out = self._memory(use, 0, len(x), self._levels.width)
        (self._levels if levels is None else levels).gather_(x, out)
        return out

    def _hidden(self, h: Tensor, number: int) -> Tensor:
        _, weight, bias = self._layers[number]
        return torch.addmm(bias, h, self._turned[number], out=self._memory("h", number, len(h), weight.shape[0])).relu_()

    def _memory(self, use: str, number: int, rows: int, columns: int) -> Tensor:
        """Scratch memory of this thread, kept from chunk to chunk."""
        kept: dict[Any, Tensor] = self._own.__dict__
        found = kept.get((use, number))
        if found is None or found.shape[0] != rows or found.shape[1] != columns:
            found = kept[use, number] = room(rows, columns)
        return found


def _blocks(chunks: list[slice]) -> list[range]:
    """Consecutive chunks of together at most `_BLOCK` points (or one chunk): what is kept between the layers and the tables."""
    blocks, first = [], 0
    for index, rows in enumerate(chunks):
        if rows.stop - chunks[first].start > _BLOCK and index > first:
            blocks.append(range(first, index))
            first = index
    return [*blocks, range(first, len(chunks))]


def _adding(levels: Levels, level: int, x: Tensor, values: Tensor) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad():
            levels.scatter_(level, x, values)

    return run
