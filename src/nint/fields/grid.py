"""GRID: a hybrid of feature grids at several resolutions and a small ReLU network.

Not in the paper, which names hybrids as future work. Source: Mueller et al., SIGGRAPH 2022 (Instant-NGP). Differs: where a level would
need hashing its resolution is bounded instead, so that no two vertices share an entry, unless `hashed` is set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.fields.aspect import factors, in_units
from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, hidden_stack, uniform_
from nint.machine.grids import MAX_AXES, Lattice
from nint.settings import setting


class FeatureGrid(nn.Module):
    """Interpolation of learned vertex features over [-1, 1]^d; points outside are clamped to the border.

    Written with a gather, because PyTorch's `grid_sample` has no forward-mode derivative and stops at three dimensions.

    Args:
        lattice: The vertices.
        features: Numbers per vertex.
        generator: CPU generator; features start as U(+-bound).
        bound: Of the features at the start.
    """

    def __init__(self, lattice: Lattice, features: int, generator: torch.Generator, bound: float = 1e-4) -> None:
        super().__init__()
        self.lattice = lattice
        self.table = nn.Parameter(torch.empty(lattice.rows, features))
        uniform_(self.table, bound, generator)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., features]`."""
        entry, weight = self.lattice.corners(x)
        return (weight.unsqueeze(-1) * nn.functional.embedding(entry, self.table)).sum(-2)


class MultiResolution(nn.Module):
    """The features of several grids side by side, `[..., d] -> [..., levels * features]`."""

    def __init__(self, grids: list[FeatureGrid]) -> None:
        super().__init__()
        self.grids = nn.ModuleList(grids)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., levels * features]`."""
        return torch.cat([grid(x) for grid in self.grids], dim=-1)


_MOST_ALONG = 2**24
"""Vertices along an axis, beyond which float32 does not tell neighbouring cells apart."""


@dataclass(frozen=True)
class Grid(FieldSpec):
    """Feature grids + ReLU network; the default has 255,255 parameters for 2 -> 3.

    Attributes:
        levels: Grids, coarse to fine.
        features: Numbers per vertex.
        base_resolution: Vertices per axis of the coarsest grid; with an aspect, the geometric mean over the axes.
        growth: Factor on the vertices per axis from one grid to the next.
        max_vertices: Most vertices of one grid. A finer grid is coarsened to that, or hashed into so many; one that then repeats the grid
            before it is left out. Parameters of the grids are therefore at most levels x features x max_vertices.
        hashed: Vertices of a grid finer than `max_vertices` share as many entries by a hash (the next power of two below).
        interpolation: "linear", or "cubic": uniform B-splines, whose first and second derivatives are continuous, for where derivatives
            of the network are wanted; 4^d instead of 2^d vertices a point and level, in PyTorch only.
        spread: Features start as U(+-spread).
        half_side: Of the cube about the origin that the grids cover; coordinates beyond it are clamped.
    """

    size: str = setting("2x64", "hidden layers x width of the network behind the grids, then a linear output layer")
    levels: int = setting(8, "grids, coarse to fine", symbol="L", at_least=1, at_most=32)
    features: int = setting(2, "numbers per vertex", symbol="F", at_least=1, at_most=64)
    base_resolution: int = setting(16, "vertices per axis of the coarsest grid", symbol="N_min", at_least=2, at_most=2**20)
    growth: float = setting(1.5, "vertices per axis from one grid to the next", symbol="b", at_least=1, at_most=8)
    max_vertices: int = setting(2**16, "most vertices of one grid; finer ones are coarsened to it", symbol="T", at_least=16, at_most=2**24)
    hashed: bool = setting(False, "finer grids share max_vertices entries by a hash instead of being coarsened")
    interpolation: str = setting("linear", "between vertices; cubic is smooth, and slower", choices=("linear", "cubic"))
    spread: float = setting(1e-4, "bound of the features at the start", above=0, at_most=1e3)
    half_side: float = setting(1.0, "of the cube that the grids cover (sounds: 5, shapes: 0.5)", above=0, at_most=1e6)

    default_lr = 1e-2
    builds_aspect = True
    start_settings = ("spread",)
    lr_source = "Mueller et al. 2022 (Instant-NGP): 1e-2 for images (1e-4 for signed distances); not in the paper"

    def lattices(self, in_features: int) -> list[Lattice]:
        """The grids that are built, coarse to fine.

        Raises:
            UsageError: unless there are 1 to 4 coordinates, and for levels too fine for 32-bit coordinates.
        """
        if not 1 <= in_features <= MAX_AXES:
            raise UsageError(f"grid: points have {in_features} coordinates, but a grid takes 1 to {MAX_AXES}; use siren or ffn.")
        relative, found = factors(self.aspect, in_features), []
        for level in range(self.levels):
            lattice = self._lattice(int(self.base_resolution * self.growth**level), relative)
            if max(lattice.vertices) > _MOST_ALONG:
                raise UsageError(
                    f"grid: level {level + 1} of {self.levels} has {max(lattice.vertices):,} vertices along an axis, more than "
                    f"{_MOST_ALONG:,}, beyond which 32-bit coordinates do not tell them apart; lower growth={self.growth:g} or levels."
                )
            if lattice not in found:
                found.append(lattice)
        return found

    def _lattice(self, mean: int, relative: tuple[float, ...]) -> Lattice:
        vertices, entries = _vertices(mean, relative), 0
        if math.prod(vertices) > self.max_vertices and self.hashed:
            entries = 2 ** int(math.log2(self.max_vertices))
        elif math.prod(vertices) > self.max_vertices:
            most = round(self.max_vertices ** (1 / len(relative)))
            while most > 2 and math.prod(_vertices(most, relative)) > self.max_vertices:
                most -= 1
            vertices = _vertices(most, relative)
        return Lattice(vertices, entries, self.interpolation == "cubic")

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        lattices = self.lattices(in_features)
        behind = dense_parameters(len(lattices) * self.features, out_features, self.hidden_layers, self.hidden_features)
        return sum(lattice.rows for lattice in lattices) * self.features + behind

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """The grids, then the ReLU layers."""
        grids = [FeatureGrid(lattice, self.features, generator, self.spread) for lattice in self.lattices(in_features)]
        layers = hidden_stack(len(grids) * self.features, out_features, self.hidden_layers, self.hidden_features, nn.ReLU, generator)
        return in_units(nn.Sequential(MultiResolution(grids), *layers), (1 / self.half_side,) * in_features)


def _vertices(mean: int, relative: tuple[float, ...]) -> tuple[int, ...]:
    """Vertices along each axis whose geometric mean is about `mean`, at least 2."""
    return tuple(max(round(mean * factor), 2) for factor in relative)
