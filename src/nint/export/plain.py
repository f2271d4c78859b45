"""The operations of a network in plain PyTorch: what `torch.export` traces, and what other forms are checked against."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nint.export.program import Step, lattices_of
from nint.machine.grids import FACTORS, Lattice


class Plain(nn.Module):
    """A network made of plain operations, `[n, d_in] -> [n, d_out]`.

    Args:
        steps: As from `nint.export.program.program_of`.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        super().__init__()
        self.kinds = [(step.kind, dict(step.numbers)) for step in steps]
        for number, step in enumerate(steps):
            for name, tensor in step.tensors.items():
                self.register_buffer(f"{name}_{number}", tensor)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, d_in] -> [n, d_out]`."""
        for number, (kind, values) in enumerate(self.kinds):
            x = self._step(number, kind, values, x)
        return x

    def _step(self, number: int, kind: str, values: dict[str, float], h: Tensor) -> Tensor:
        if kind == "linear":
            return nn.functional.linear(h, self._tensor("weight", number), self._tensor("bias", number))
        if kind == "sine":
            return torch.sin(values["omega"] * h)
        if kind == "finer":
            return torch.sin(values["omega"] * (h.abs() + 1) * h)
        if kind == "gauss":
            return torch.exp(h * h * -(values["scale"] ** 2))
        if kind == "relu":
            return torch.relu(h)
        if kind == "half":
            return h[:, : h.shape[1] // 2]
        if kind == "fourier":
            phase = 2 * math.pi * nn.functional.linear(h, self._tensor("weight", number))
            return torch.cat([torch.sin(phase), torch.cos(phase)], dim=1)
        if kind == "positional":
            scaled = [2.0**k * h for k in range(int(values["frequencies"]))]
            return torch.cat([h, *(part for z in scaled for part in (torch.sin(z), torch.cos(z)))], dim=1)
        if kind == "gabor":
            return _gabor(h, values)
        if kind == "unit":
            return h * torch.tensor(list(values.values()))
        lattices = lattices_of(values)
        return torch.cat([_grid(h, self._tensor(f"table{level}", number), lattice) for level, lattice in enumerate(lattices)], dim=1)

    def _tensor(self, name: str, number: int) -> Tensor:
        found: Tensor = getattr(self, f"{name}_{number}")
        return found


def _gabor(h: Tensor, values: dict[str, float]) -> Tensor:
    omega, sigma = values["omega"], values["sigma"]
    real, size = h, -((sigma * h) ** 2)
    if values["complex"]:
        real, imaginary = h.chunk(2, dim=1)
        size = -omega * imaginary - (sigma * real) ** 2 - (sigma * imaginary) ** 2
    return torch.cat([torch.exp(size) * torch.cos(omega * real), torch.exp(size) * torch.sin(omega * real)], dim=1)


def _grid(x: Tensor, table: Tensor, lattice: Lattice) -> Tensor:
    last = torch.tensor(lattice.vertices) - 1
    position = (x.clamp(-1, 1) + 1) * (last / 2)
    cell = torch.minimum(position.floor().clamp(min=0), last - 1)
    inside, whole, found = position - cell, cell.long(), torch.zeros(1)
    for corner in itertools.product((0, 1), repeat=len(lattice.vertices)):
        row, weight = torch.zeros(1, dtype=torch.int64), torch.ones(1)
        for axis, side in enumerate(corner):
            place = whole[:, axis] + side
            row = row ^ (place * FACTORS[axis]) if lattice.entries else row * lattice.vertices[axis] + place
            weight = weight * (inside[:, axis] if side else 1 - inside[:, axis])
        row = row & (lattice.entries - 1) if lattice.entries else row
        found = found + weight.unsqueeze(1) * table[row]
    return found
