"""A network as ONNX, written operation by operation; one input `coords` `[n, d_in]`, one output `values` `[n, d_out]`."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.export.program import Step, lattices_of
from nint.machine.grids import FACTORS, Lattice

OPSET = 18
IR_VERSION = 8
"""Of ONNX 1.13 (2022), so that older runtimes read the files too."""


def onnx_bytes(steps: Sequence[Step], in_features: int, out_features: int, about: dict[str, str]) -> bytes:
    """The bytes of an ONNX file.

    Args:
        steps: As from `nint.export.program.program_of`.
        in_features: d_in.
        out_features: d_out.
        about: Texts that the file carries, by name.

    Raises:
        UsageError: where the package onnx is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise UsageError("ONNX files need the package onnx; pip install 'nint[onnx]'.") from None

    graph = _Graph(onnx, in_features)
    last = "coords"
    for step in steps:
        last = graph.add(step, last)
    graph.node("Identity", [last], "values")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    made = helper.make_graph(
        graph.nodes,
        "nint",
        [helper.make_tensor_value_info("coords", kind, ["n", in_features])],
        [helper.make_tensor_value_info("values", kind, ["n", out_features])],
        graph.weights,
    )
    model = helper.make_model(made, producer_name="nint", opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    helper.set_model_props(model, about)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data


class _Graph:
    """Nodes and weights under construction; methods return the names of results."""

    def __init__(self, onnx: Any, in_features: int) -> None:
        self._onnx, self._axes = onnx, in_features
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: Sequence[str], name: str = "", **settings: Any) -> str:
        name = name or f"h{len(self.nodes)}"
        self.nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **settings))
        return name

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        name = f"c{len(self.weights)}"
        self.weights.append(self._onnx.numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, step: Step, h: str) -> str:
        values = step.numbers
        if step.kind == "linear":
            weights = [self.constant(step.tensors[name].numpy()) for name in ("weight", "bias")]
            return self.node("Gemm", [h, *weights], transB=1)
        if step.kind == "sine":
            return self.node("Sin", [self._times(h, values["omega"])])
        if step.kind == "finer":
            growing = self.node("Add", [self.node("Abs", [h]), self.constant(1)])
            return self.node("Sin", [self.node("Mul", [self._times(growing, values["omega"]), h])])
        if step.kind == "gauss":
            return self.node("Exp", [self._times(self.node("Mul", [h, h]), -(values["scale"] ** 2))])
        if step.kind == "relu":
            return self.node("Relu", [h])
        if step.kind == "half":
            return self._half(h, 0)
        if step.kind == "fourier":
            phase = self._times(self.node("MatMul", [h, self.constant(step.tensors["weight"].numpy().T)]), 2 * math.pi)
            return self._joined([self.node("Sin", [phase]), self.node("Cos", [phase])])
        if step.kind == "positional":
            scaled = [self._times(h, 2.0**k) for k in range(int(values["frequencies"]))]
            return self._joined([h, *(self.node(kind, [z]) for z in scaled for kind in ("Sin", "Cos"))])
        if step.kind == "gabor":
            return self._gabor(h, values)
        if step.kind == "unit":
            return self.node("Mul", [h, self.constant([list(values.values())])])
        tables = ((step.tensors[f"table{level}"].numpy(), lattice) for level, lattice in enumerate(lattices_of(values)))
        return self._joined([self._grid(h, table, lattice) for table, lattice in tables])

    def _times(self, h: str, factor: float) -> str:
        return self.node("Mul", [h, self.constant(factor)])

    def _joined(self, parts: Sequence[str]) -> str:
        return self.node("Concat", parts, axis=1)

    def _half(self, h: str, number: int) -> str:
        names = [f"h{len(self.nodes)}{side}" for side in "ab"]
        self.nodes.append(self._onnx.helper.make_node("Split", [h], names, axis=1, num_outputs=2))
        return names[number]

    def _gabor(self, h: str, values: dict[str, float]) -> str:
        omega, sigma = values["omega"], values["sigma"]
        real = self._half(h, 0) if values["complex"] else h
        size = self._times(self.node("Mul", [real, real]), -(sigma**2))
        if values["complex"]:
            imaginary = self._half(h, 1)
            squared = self._times(self.node("Mul", [imaginary, imaginary]), -(sigma**2))
            size = self.node("Sum", [size, squared, self._times(imaginary, -omega)])
        height, phase = self.node("Exp", [size]), self._times(real, omega)
        return self._joined([self.node("Mul", [height, self.node(kind, [phase])]) for kind in ("Cos", "Sin")])

    def _grid(self, x: str, table: np.ndarray, lattice: Lattice) -> str:
        bounds = [self.constant(side) for side in (-1, 1)]
        last = np.array([lattice.vertices]) - 1
        shifted = self.node("Add", [self.node("Clip", [x, *bounds]), self.constant(1)])
        position = self.node("Mul", [shifted, self.constant(last / 2)])
        cell = self.node("Min", [self.node("Floor", [position]), self.constant(last - 1)])
        inside = self.node("Sub", [position, cell])
        outside = self.node("Sub", [self.constant(1), inside])
        whole = self.node("Cast", [cell], to=self._onnx.TensorProto.INT64)
        rows, axes = self.constant(table), self.constant([1], np.int64)
        found = []
        for corner in itertools.product((0, 1), repeat=self._axes):
            place = self.node("Add", [whole, self.constant([corner], np.int64)])
            index = self._hashed(place, lattice.entries) if lattice.entries else self._in_order(place, lattice.vertices)
            sides = self.node("Where", [self.constant([corner], bool), inside, outside])
            weight = self.node("ReduceProd", [sides, axes], keepdims=1)
            found.append(self.node("Mul", [weight, self.node("Gather", [rows, index], axis=0)]))
        return self.node("Sum", found)

    def _in_order(self, place: str, vertices: tuple[int, ...]) -> str:
        strides = [math.prod(vertices[axis + 1 :]) for axis in range(len(vertices))]
        row = self.node("MatMul", [place, self.constant(np.array(strides)[:, None], np.int64)])
        return self.node("Squeeze", [row, self.constant([1], np.int64)])

    def _hashed(self, place: str, entries: int) -> str:
        scattered = self.node("Mul", [place, self.constant([FACTORS[: self._axes]], np.int64)])
        parts = [self.node("Gather", [scattered, self.constant(axis, np.int64)], axis=1) for axis in range(self._axes)]
        row = parts[0]
        for part in parts[1:]:
            row = self.node("BitwiseXor", [row, part])
        return self.node("BitwiseAnd", [row, self.constant([entries - 1], np.int64)])
