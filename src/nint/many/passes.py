"""Passes of many networks of one shape at once: predictions, gradients and tangents, signal by signal side by side.

Parameters are stacked: name -> `[s, ...]` for s signals. All signals have the same coordinates; each has its own values, its own points of
a step and its own gradient, and nothing that one computes enters another's numbers.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from nint.fields.passes import SinePasses, sine_passes
from nint.machine.matmul import fast_matmul
from nint.machine.sines import SineKernel, stacked_chain_

Params = dict[str, Tensor]
Cotangent = Callable[[Tensor, slice, slice], Tensor]
"""(prediction `[s, m, c]`, which signals, which points of theirs) -> u of the same shape."""

CHUNK_VALUES = 2**18
"""Values of a layer of all signals of a chunk: a megabyte, which stays in the second cache of a core."""


class StackedPasses(ABC):
    """The passes of one kind of network.

    Attributes:
        width: Values of its widest layer at a point.
        out_features: Values of a prediction.
    """

    width: int
    out_features: int

    @abstractmethod
    def forward(self, params: Params, x: Tensor) -> Tensor:
        """Predictions `[s, m, c]` at x `[s, m, d]`, no graph."""

    @abstractmethod
    def backward(self, params: Params, x: Tensor, cotangent: Callable[[Tensor], Tensor]) -> Params:
        """J^T u of each signal at x `[s, m, d]`, where `cotangent` makes u of the prediction."""

    @abstractmethod
    def tangent(self, params: Params, tangent: Params, x: Tensor) -> Tensor:
        """J v of each signal at x `[s, m, d]`."""

    @fast_matmul
    def predict(self, params: Params, coords: Tensor) -> Tensor:
        """Predictions `[s, n, c]` at common coordinates `[n, d]`."""
        return self._by_chunks(params, coords, lambda part, x, which: self.forward(part, x))

    @fast_matmul
    def tangents(self, params: Params, tangent: Params, coords: Tensor) -> Tensor:
        """J v of each signal, `[s, n, c]`, at common coordinates `[n, d]`."""
        return self._by_chunks(params, coords, lambda part, x, which: self.tangent(part, taken(tangent, which), x))

    @fast_matmul
    def gradient(self, params: Params, coords: Tensor, indices: Tensor | None, cotangent: Cotangent) -> Params:
        """J^T u of each signal, summed over its points.

        Args:
            params: Stacked parameters.
            coords: `[n, d]`, common to all.
            indices: Points of each `[s, b]`, common ones `[b]`, or None for all.
            cotangent: Makes u.
        """
        signals = len(next(iter(params.values())))
        points = len(coords) if indices is None else indices.shape[-1]
        total: Params = {}
        for which, rows in chunks(signals, points, self.width):
            count = which.stop - which.start
            x = points_of(coords, indices, which, rows).expand(count, -1, -1)
            found = self.backward(taken(params, which), x, functools.partial(_of_chunk, cotangent, which, rows))
            for name, value in found.items():
                if name not in total:
                    total[name] = torch.zeros_like(params[name])
                if rows.start == 0:
                    total[name][which] = value
                else:
                    total[name][which] += value
        return total

    def _by_chunks(self, params: Params, coords: Tensor, work: Callable[[Params, Tensor, slice], Tensor]) -> Tensor:
        signals = len(next(iter(params.values())))
        out = coords.new_empty(signals, len(coords), self.out_features)
        for which, rows in chunks(signals, len(coords), self.width):
            x = coords[rows].expand(which.stop - which.start, -1, -1)
            out[which, rows] = work(taken(params, which), x, which)
        return out


def _of_chunk(cotangent: Cotangent, which: slice, rows: slice, prediction: Tensor) -> Tensor:
    return cotangent(prediction, which, rows)


def taken(params: Params, which: slice) -> Params:
    """The parameters of some of the signals."""
    return {name: value[which] for name, value in params.items()}


def points_of(coords: Tensor, indices: Tensor | None, which: slice, rows: slice) -> Tensor:
    """Coordinates of some points of some signals: `[m, d]` where all have the same points, else `[s, m, d]`."""
    if indices is None:
        return coords[rows]
    if indices.ndim == 1:
        return coords.index_select(0, indices[rows])
    chosen = indices[which, rows]
    return coords.index_select(0, chosen.reshape(-1)).view(*chosen.shape, -1)


def chunks(signals: int, points: int, width: int) -> Iterator[tuple[slice, slice]]:
    """How a stack is worked through: several signals with all their points at a time, or one with some of them.

    Yields:
        (signals, points) of each chunk.
    """
    together = max(CHUNK_VALUES // max(points * width, 1), 1)
    most = max(CHUNK_VALUES // max(width, 1), 1) if together == 1 else max(points, 1)
    for first in range(0, signals, together):
        for start in range(0, points, most):
            yield slice(first, min(first + together, signals)), slice(start, min(start + most, points))


class SineStack(StackedPasses):
    """Sine networks, written out: a batched product and one pass over the activations for each layer.

    Args:
        like: The passes of a network of the same shape.
        field: That network.
    """

    def __init__(self, like: SinePasses, field: nn.Module) -> None:
        self._kernel: SineKernel = like.kernel
        self._layers, self._by_axis = like.layers, like.by_axis
        shapes = dict(field.named_parameters())
        self.width = max(len(shapes[f"{name}.weight"]) for name, _ in self._layers)
        self.out_features = like.out_features

    def _folded(self, params: Params) -> list[tuple[Tensor, Tensor, Tensor]]:
        """(weight `[s, out, in]`, the same turned, bias `[s, out]`) of each layer, factors multiplied in."""
        found = []
        for name, factor in self._layers:
            weight, bias = params[f"{name}.weight"], params[f"{name}.bias"]
            if factor != 1:
                weight, bias = weight * factor, bias * factor
            found.append((weight, weight.mT.contiguous(), bias.contiguous()))
        return found

    def _in_one_unit(self, x: Tensor) -> Tensor:
        return x if self._by_axis is None else x * self._by_axis

    def forward(self, params: Params, x: Tensor) -> Tensor:
        """As in `StackedPasses`."""
        with torch.no_grad():
            *hidden, (_, turned, bias) = self._folded(params)
            x = self._in_one_unit(x)
            for _, layer, shift in hidden:
                x = self._kernel.stacked_value_(torch.bmm(x, layer), shift)
            return torch.baddbmm(bias[:, None], x, turned)

    def backward(self, params: Params, x: Tensor, cotangent: Callable[[Tensor], Tensor]) -> Params:
        """As in `StackedPasses`."""
        with torch.no_grad():
            layers = self._folded(params)
            inputs, slopes = [self._in_one_unit(x)], []
            for _, layer, shift in layers[:-1]:
                z = torch.bmm(inputs[-1], layer)
                slopes.append(torch.empty_like(z))
                inputs.append(self._kernel.stacked_slope_(z, shift, slopes[-1]))
            u = cotangent(torch.baddbmm(layers[-1][2][:, None], inputs[-1], layers[-1][1]))
            sums = u.sum(1)
            found: Params = {}
            for number in range(len(layers) - 1, -1, -1):
                name, factor = self._layers[number]
                slope = torch.bmm(u.mT, inputs[number])
                found[f"{name}.weight"] = slope.mul_(factor) if factor != 1 else slope
                found[f"{name}.bias"] = sums.mul_(factor) if factor != 1 else sums
                if number:
                    u = torch.bmm(u, layers[number][0])
                    sums = u.new_zeros(u.shape[0], u.shape[2])
                    stacked_chain_(u, slopes[number - 1], sums)
            return found

    def tangent(self, params: Params, tangent: Params, x: Tensor) -> Tensor:
        """As in `StackedPasses`."""
        with torch.no_grad():
            layers, moves = self._folded(params), self._folded(tangent)
            x = self._in_one_unit(x)
            change: Tensor | None = None
            for number, ((_, layer, shift), (_, move, drift)) in enumerate(zip(layers, moves, strict=True)):
                moved = torch.baddbmm(drift[:, None], x, move)  # d(W h + b) = dW h + db + W dh
                if change is not None:
                    moved = torch.baddbmm(moved, change, layer)
                if number < len(layers) - 1:
                    x = self._kernel.stacked_tangent_(torch.bmm(x, layer), shift, moved)
                change = moved
            return moved


class MappedStack(StackedPasses):
    """Any network, mapped over the stack by `torch.func.vmap`.

    Args:
        field: A network of the same shape; its own parameters do not matter.
        out_features: Values of a prediction.
    """

    def __init__(self, field: nn.Module, out_features: int) -> None:
        self._field = field
        self.out_features = out_features
        self.width = max([p.shape[0] for p in field.parameters() if p.ndim > 1] or [1])

    def _call(self, params: Params, x: Tensor) -> Tensor:
        def one(own: Params, points: Tensor) -> Any:
            return functional_call(self._field, own, (points,))

        result: Tensor = torch.func.vmap(one)(params, x)
        return result

    def forward(self, params: Params, x: Tensor) -> Tensor:
        """As in `StackedPasses`."""
        with torch.no_grad():
            return self._call(params, x)

    def backward(self, params: Params, x: Tensor, cotangent: Callable[[Tensor], Tensor]) -> Params:
        """As in `StackedPasses`."""
        leaves = {name: value.detach().requires_grad_(name in self._trained) for name, value in params.items()}
        with torch.enable_grad():
            out = self._call(leaves, x)
        wanted = [name for name in leaves if name in self._trained]
        slopes = torch.autograd.grad(out, [leaves[name] for name in wanted], cotangent(out.detach()), allow_unused=True)
        return {name: slope for name, slope in zip(wanted, slopes, strict=True) if slope is not None}

    def tangent(self, params: Params, tangent: Params, x: Tensor) -> Tensor:
        """As in `StackedPasses`."""
        moving = {name: params[name] for name in self._trained}
        still = {name: value for name, value in params.items() if name not in self._trained}
        with torch.no_grad():
            change: Tensor = torch.func.jvp(lambda own: self._call(still | own, x), (moving,), ({name: tangent[name] for name in moving},))[
                1
            ]
        return change

    @property
    def _trained(self) -> list[str]:
        return [name for name, p in self._field.named_parameters() if p.requires_grad]


def stacked_passes(field: nn.Module, out_features: int) -> StackedPasses:
    """The passes for a stack of networks like this one."""
    written = sine_passes(field)
    return MappedStack(field, out_features) if written is None else SineStack(written, field)
