"""The passes of a sine network written out: for each layer one matrix product and one pass over its activations.

Autograd records, checks and stores some ten operations a layer; a small batch spends more time on them than on arithmetic. Here a layer is
a product and a native sine that yields the derivative with it (`nint.machine.sines`). Products over chunks of points go to worker threads
(`nint.machine.workers`); gradients are summed in an order that depends on the chunks alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nint.fields.aspect import Unit
from nint.machine.sines import SineKernel, chain_
from nint.machine.workers import share_out

GROUPS = 8
"""Sums of gradients that are kept apart, whatever the number of workers, so that it does not change a bit."""


LEAST = 512
"""Points of the smallest chunk: below it the cost of calls weighs more than what further workers gain."""


class SineLayer(nn.Module):
    """x -> sine(W x + b): base of the layers whose passes can be written out.

    Args:
        layer: W and b.
        omega_0: Frequency factor.
    """

    def __init__(self, layer: nn.Linear, omega_0: float) -> None:
        super().__init__()
        self.linear = layer
        self.omega_0 = omega_0

    def activation(self, z: Tensor) -> Tensor:
        """What the layer makes of z = W x + b, with its derivatives.

        Raises:
            NotImplementedError: a kind of layer has its own.
        """
        raise NotImplementedError

    @property
    def kernel(self) -> SineKernel:
        """What is computed of W x + b once `fold` has gone into W and b."""
        return SineKernel()

    @property
    def fold(self) -> float:
        """Factor that goes into W and b."""
        return self.omega_0


def sine_passes(field: Any) -> SinePasses | None:
    """The written-out passes of a sine network, or None where they do not apply.

    They apply to sine layers of one kind and a linear output layer in an `nn.Sequential`, in float32 on the CPU, as they were built: no
    hooks, no parametrisation, and all parameters trained.
    """
    if type(field) is not nn.Sequential or len(field) < 2:
        return None
    *hidden, (last_name, last) = field._modules.items()
    by_axis: Tensor | None = None
    if isinstance(hidden[0][1], Unit):
        unit = hidden.pop(0)[1]
        by_axis = unit.factors if isinstance(unit, Unit) else None
    if not hidden:
        return None
    first, layers = hidden[0][1], []
    if not isinstance(first, SineLayer):
        return None
    for name, layer in hidden:
        if not isinstance(layer, SineLayer) or not _is_whole(type(layer)) or (layer.kernel, layer.fold) != (first.kernel, first.fold):
            return None
        layers.append((f"{name}.linear", layer.linear))
    if not isinstance(last, nn.Linear):
        return None
    layers.append((last_name, last))
    if hooked_or_repeated(field):
        return None
    for _, linear in layers:
        if type(linear) is not nn.Linear or linear.bias is None or not (plain(linear.weight) and plain(linear.bias)):
            return None
    return SinePasses(first.kernel, first.fold, layers, by_axis)


def _is_whole(layer: type[SineLayer]) -> bool:
    """Whether a kernel says all of what a layer computes: not where someone else's subclass has changed a part of it only."""
    owners = {next(one for one in layer.__mro__ if part in vars(one)) for part in ("forward", "activation", "kernel", "fold")}
    return len(owners) == 1 or all(one.__module__.partition(".")[0] == "nint" for one in owners)


def hooked_or_repeated(field: nn.Module) -> bool:
    """Whether a module of a network has hooks, or a module or parameter of it is in two places."""
    modules = list(field.modules())
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, kind) for module in modules for kind in kinds):
        return True
    below = [id(child) for module in modules for child in module._modules.values() if child is not None]
    held = [id(own) for module in modules for own in module._parameters.values() if own is not None]
    return len(set(below)) < len(below) or len(set(held)) < len(held)


def room(*shape: int) -> Tensor:
    """Memory for numbers of a network that is written out: float32 on the CPU, whatever the defaults are."""
    return torch.empty(*shape, dtype=torch.float32, device="cpu")


def plain(parameter: Tensor) -> bool:
    """Whether written-out passes can train a parameter: contiguous float32 on the CPU, and nothing but a parameter."""
    if type(parameter) is not nn.Parameter or not parameter.requires_grad:
        return False
    if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
        return False
    return parameter.dtype == torch.float32 and parameter.device.type == "cpu" and parameter.is_contiguous()


@dataclass
class _Layer:
    """Weight `[out, in]` and bias `[out]` of a layer, or something of their shapes."""

    weight: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Factor:
    """What goes into a layer's weight, a number or one for each input, and into its bias."""

    weight: float | Tensor
    bias: float


class SinePasses:
    """Passes of one network at its current parameters.

    Args:
        kernel: What the sine layers compute.
        fold: Factor on their weights and biases.
        layers: (name, layer), output layer last.
        by_axis: Factor on the coordinates of each axis, `[d]`; goes into the first weights like `fold`.
    """

    def __init__(self, kernel: SineKernel, fold: float, layers: list[tuple[str, nn.Linear]], by_axis: Tensor | None = None) -> None:
        self._kernel, self._names, self.by_axis = kernel, [name for name, _ in layers], by_axis
        self._factors = [_Factor(fold, fold) for _ in layers[:-1]] + [_Factor(1.0, 1.0)]
        if by_axis is not None:
            self._factors[0] = _Factor(fold * by_axis, fold)
        self._layers = [
            _Layer(layer.weight.detach() * factor.weight, layer.bias.detach() * factor.bias)
            for (_, layer), factor in zip(layers, self._factors, strict=True)
        ]
        # [in, out] in memory: products with it are a third faster than with the transposed view.
        self._turned = [layer.weight.t().contiguous() for layer in self._layers]
        self._own = threading.local()

    @property
    def kernel(self) -> SineKernel:
        """What the sine layers compute."""
        return self._kernel

    @property
    def layers(self) -> list[tuple[str, float]]:
        """(name, factor on its weight and bias) of each linear layer, output layer last, but for `by_axis`."""
        return [(name, factor.bias) for name, factor in zip(self._names, self._factors, strict=True)]

    @property
    def out_features(self) -> int:
        """Values of a prediction."""
        return self._layers[-1].weight.shape[0]

    def chunks(self, n: int, chunk_size: int) -> list[slice]:
        """How n points are divided: into slices of at most `chunk_size`, and of fewer where layers are wide."""
        widest = max(layer.weight.shape[0] for layer in self._layers)
        return chunks_of(n, min(chunk_size, max(_LAYER_VALUES // widest, LEAST)))

    def forward(self, coords: Any, chunks: list[slice], out: Tensor) -> None:
        """Predictions of all rows into `out` `[n, d_out]`."""

        def task(rows: slice) -> Callable[[], None]:
            def run() -> None:
                with torch.no_grad():
                    h = coords[rows]
                    for number, layer in enumerate(self._layers[:-1]):
                        z = torch.mm(h, self._turned[number], out=self._memory("z", number % 2, h.shape[0], layer))
                        h = self._kernel.value_(z, layer.bias)
                    torch.addmm(self._layers[-1].bias, h, self._turned[-1], out=out[rows])

            return run

        share_out([task(rows) for rows in chunks])

    def gradient(
        self,
        coords: Any,
        chunks: list[slice],
        cotangent: Callable[[Tensor, slice], Tensor],
        want_slope: bool = False,
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
        groups = [range(first, len(chunks), GROUPS) for first in range(min(GROUPS, len(chunks)))]
        sums: list[list[_Layer]] = [[] for _ in groups]

        def task(number: int) -> Callable[[], None]:
            def run() -> None:
                with torch.no_grad():
                    for index in groups[number]:
                        slopes[index] = self._chunk(coords[chunks[index]], chunks[index], cotangent, sums[number], want_slope)

            return run

        share_out([task(number) for number in range(len(groups))])
        total: dict[str, Tensor] = {}
        for position, (name, factor) in enumerate(zip(self._names, self._factors, strict=True)):
            for part in ("weight", "bias"):
                first = getattr(sums[0][position], part)
                for other in sums[1:]:
                    first += getattr(other[position], part)
                by = getattr(factor, part)
                total[f"{name}.{part}"] = first if isinstance(by, float) and by == 1 else first.mul_(by)
        return total, slopes

    def tangent(self, coords: Any, chunks: list[slice], tangent: Mapping[str, Tensor], out: Tensor) -> None:
        """J v of all rows into `out` `[n, d_out]`, for a parameter tangent v by name."""
        moves = [
            _Layer(tangent[f"{name}.weight"] * factor.weight, tangent[f"{name}.bias"] * factor.bias)
            for name, factor in zip(self._names, self._factors, strict=True)
        ]
        turned = [move.weight.t().contiguous() for move in moves]

        def task(rows: slice) -> Callable[[], None]:
            def run() -> None:
                with torch.no_grad():
                    h, change = coords[rows], None
                    for number, (layer, move) in enumerate(zip(self._layers, moves, strict=True)):
                        last = number == len(self._layers) - 1
                        moved = out[rows] if last else self._memory("dz", number % 2, h.shape[0], layer)
                        torch.addmm(move.bias, h, turned[number], out=moved)  # d(W h + b) = dW h + db + W dh
                        if change is not None:
                            moved.addmm_(change, self._turned[number])
                        if last:
                            return
                        z = torch.mm(h, self._turned[number], out=self._memory("z", number % 2, h.shape[0], layer))
                        h, change = self._kernel.tangent_(z, layer.bias, moved), moved

            return run

        share_out([task(rows) for rows in chunks])

    def _chunk(
        self, x: Tensor, rows: slice, cotangent: Callable[[Tensor, slice], Tensor], sums: list[_Layer], want_slope: bool
    ) -> Tensor | None:
        """Forward and backward of one chunk; adds its gradients to `sums`, which the first chunk of a group fills."""
        inputs, slopes, count = [x], [], x.shape[0]
        for number, layer in enumerate(self._layers[:-1]):
            z = torch.mm(inputs[-1], self._turned[number], out=self._memory("h", number, count, layer))
            slope = self._memory("slope", number, count, layer)
            inputs.append(self._kernel.slope_(z, layer.bias, slope))
            slopes.append(slope)
        prediction = torch.addmm(self._layers[-1].bias, inputs[-1], self._turned[-1])
        u = cotangent(prediction, rows).to(prediction.dtype)  # targets may be of another precision
        first = not sums
        if first:
            sums += [_Layer(torch.empty_like(layer.weight), torch.zeros_like(layer.bias)) for layer in self._layers]
        sums[-1].bias += u.sum(0)
        for number in range(len(self._layers) - 1, -1, -1):
            into = sums[number].weight
            if first:
                torch.mm(u.t(), inputs[number], out=into)
            else:
                into.addmm_(u.t(), inputs[number])
            if number:
                back = self._memory("back", number % 2, count, self._layers[number - 1])
                torch.mm(u, self._layers[number].weight, out=back)
                chain_(back, slopes[number - 1], sums[number - 1].bias)
                u = back
        return u @ self._layers[0].weight if want_slope else None

    def _memory(self, use: str, number: int, rows: int, layer: _Layer) -> Tensor:
        """Scratch memory `[rows, width of the layer]` of this thread, kept from chunk to chunk."""
        columns = layer.weight.shape[0]
        kept: dict[Any, Tensor] = self._own.__dict__
        found = kept.get((use, number))
        if found is not None and found.shape[0] == rows and found.shape[1] == columns:
            return found
        whole = kept.get((use, number, "whole"))
        if whole is None or whole.shape[0] < rows or whole.shape[1] != columns:
            whole = kept[use, number, "whole"] = room(rows, columns)
        found = kept[use, number] = whole[:rows]
        return found


class Rows:
    """Rows that several threads may read: of a tensor at once, of anything else (a file, a cache) one after another.

    Args:
        source: `[n, ...]`, read by slices or indices.
        indices: Where given, row i is `source[indices[i]]`.
    """

    def __init__(self, source: Any, indices: Tensor | None = None) -> None:
        self._source, self._indices = source, indices
        self._lock = nullcontext() if isinstance(source, Tensor) else threading.Lock()

    def __getitem__(self, rows: slice) -> Tensor:
        if self._indices is not None and isinstance(self._source, Tensor):
            return self._source.index_select(0, self._indices[rows])  # a quarter of the time of [indices]
        wanted = rows if self._indices is None else self._indices[rows]
        with self._lock:
            found: Tensor = self._source[wanted]
        return found


def chunks_of(n: int, most: int, least: int = LEAST) -> list[slice]:
    """Consecutive slices of at most `most` rows that cover n rows, all of about one length and so many that workers end together.

    Their number is 1, 2, 4 or a multiple of `GROUPS`: the largest of the first four with at least `least` rows each, more where `most`
    asks for it.
    """
    wanted = min(max(n // least, 1), GROUPS)
    number = max(2 ** (wanted.bit_length() - 1), -(-n // most))
    if number > GROUPS:
        number = -(-number // GROUPS) * GROUPS
    size = max(-(-n // number), 1)
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


_LAYER_VALUES = 2**18
"""Values of a layer that a chunk has at most: a megabyte, which stays in the second cache of a core."""
