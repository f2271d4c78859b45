"""GRID: a hybrid of dense feature grids at several resolutions and a small ReLU network.

Not in the paper, which names hybrids as future work. Source: Mueller et al., SIGGRAPH 2022 (Instant-NGP). Differs: plain PyTorch,
dense grids only; where a level would need hashing its resolution is bounded instead, so no two vertices share an entry.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.fields.base import FieldSpec
from nint.fields.layers import dense_parameters, hidden_stack, uniform_
from nint.settings import setting

_MAX_DIMS = 4


class FeatureGrid(nn.Module):
    """Multilinear interpolation of learned vertex features over [-1, 1]^d; points outside are clamped to the border.

    Written with a gather, because PyTorch's `grid_sample` has no forward-mode derivative and stops at three dimensions.

    Args:
        resolution: Vertices per axis, at least 2; the first and last lie at -1 and 1.
        in_features: d.
        features: Numbers per vertex.
        generator: CPU generator; features start as U(+-1e-4).
    """

    corners: Tensor
    strides: Tensor

    def __init__(self, resolution: int, in_features: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        self.resolution = resolution
        self.table = nn.Parameter(torch.empty(resolution**in_features, features))
        uniform_(self.table, 1e-4, generator)
        corners = torch.tensor(list(itertools.product((0, 1), repeat=in_features)))
        strides = resolution ** torch.arange(in_features - 1, -1, -1)
        self.register_buffer("corners", corners, persistent=False)
        self.register_buffer("strides", strides, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., features]`."""
        position = (x.clamp(-1, 1) + 1) * ((self.resolution - 1) / 2)
        cell = position.detach().floor().clamp(0, self.resolution - 2)
        inside = position - cell
        index = ((cell.long().unsqueeze(-2) + self.corners) * self.strides).sum(-1)
        linear = torch.where(self.corners.bool(), inside.unsqueeze(-2), 1 - inside.unsqueeze(-2))
        weight = functools.reduce(torch.mul, linear.unbind(-1))
        return (weight.unsqueeze(-1) * nn.functional.embedding(index, self.table)).sum(-2)


class MultiResolution(nn.Module):
    """The features of several grids side by side, `[..., d] -> [..., levels * features]`."""

    def __init__(self, grids: list[FeatureGrid]) -> None:
        super().__init__()
        self.grids = nn.ModuleList(grids)

    def forward(self, x: Tensor) -> Tensor:
        """`[..., d] -> [..., levels * features]`."""
        return torch.cat([grid(x) for grid in self.grids], dim=-1)


@dataclass(frozen=True)
class Grid(FieldSpec):
    """Feature grids + ReLU network; the default has 255,255 parameters for 2 -> 3.

    Attributes:
        levels: Grids, coarse to fine.
        features: Numbers per vertex.
        base_resolution: Vertices per axis of the coarsest grid.
        growth: Factor on the vertices per axis from one grid to the next.
        max_vertices: Most vertices of one grid. A finer grid is coarsened to that; one that then repeats the grid before it
            is left out. Parameters of the grids are therefore at most levels x features x max_vertices.
    """

    size: str = setting("2x64", "hidden layers x width of the network behind the grids, then a linear output layer")
    levels: int = setting(8, "grids, coarse to fine", symbol="L", at_least=1, at_most=32)
    features: int = setting(2, "numbers per vertex", symbol="F", at_least=1, at_most=64)
    base_resolution: int = setting(16, "vertices per axis of the coarsest grid", symbol="N_min", at_least=2, at_most=2**20)
    growth: float = setting(1.5, "vertices per axis from one grid to the next", symbol="b", at_least=1, at_most=8)
    max_vertices: int = setting(2**16, "most vertices of one grid; finer ones are coarsened to it", symbol="T", at_least=16, at_most=2**24)

    default_lr = 1e-2
    lr_source = "Mueller et al. 2022 (Instant-NGP): 1e-2 for images (1e-4 for signed distances); not in the paper"

    def resolutions(self, in_features: int) -> list[int]:
        """Vertices per axis of each grid that is built, ascending.

        Raises:
            UsageError: unless there are 1 to 4 coordinates.
        """
        if not 1 <= in_features <= _MAX_DIMS:
            raise UsageError(f"grid: points have {in_features} coordinates, but a dense grid takes 1 to {_MAX_DIMS}; use siren or ffn.")
        most = round(self.max_vertices ** (1 / in_features))
        most -= most**in_features > self.max_vertices
        wanted = (min(int(self.base_resolution * self.growth**level), most) for level in range(self.levels))
        return sorted(set(wanted))

    def parameter_count(self, in_features: int, out_features: int) -> int:
        """Trainable numbers of the network that `build` makes, without making it."""
        resolutions = self.resolutions(in_features)
        vertices: int = sum(points**in_features for points in resolutions)
        behind = dense_parameters(len(resolutions) * self.features, out_features, self.hidden_layers, self.hidden_features)
        return vertices * self.features + behind

    def build(self, in_features: int, out_features: int, generator: torch.Generator) -> nn.Module:
        """The grids, then the ReLU layers."""
        grids = [FeatureGrid(points, in_features, self.features, generator) for points in self.resolutions(in_features)]
        layers = hidden_stack(len(grids) * self.features, out_features, self.hidden_layers, self.hidden_features, nn.ReLU, generator)
        return nn.Sequential(MultiResolution(grids), *layers)
