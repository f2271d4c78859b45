"""Soft Mining: walkers that follow the loss by Langevin Monte Carlo, and a loss that partly corrects the bias.

Source: Kheradmand et al., CVPR 2024. See the method card docs/samplers/soft-mining.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from nint.errors import UsageError
from nint.probe.objectives import L2, Objective
from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, Feedback, Selection
from nint.scores.edges import luma_8bit, sobel_magnitude
from nint.settings import setting

_RESIDUAL_FLOOR = 9.8e-4
_WEIGHT_FLOOR = 0.2
_FAR = 1e6
_EDGE_FLOOR = 1e-5
_EDGE_UNITS = 1_000_000


class SoftMiningLoss(Objective):
    """Mean of c_i l_i: l_i the mean squared residual of a point, c_i a detached weight that falls with its absolute residual.

    c_i = (1 / max(mean_c |r_ic|, 9.8e-4))^rho, clamped to [0.2, mean + standard deviation over the batch].

    Args:
        rho: Exponent; 0 is the plain mean squared error.
        values: Targets of the batch, `[m, c]`, kept so that the step's own losses follow from its predictions.
    """

    def __init__(self, rho: float, values: Tensor) -> None:
        self.rho = rho
        self.values = values

    def __call__(self, prediction: Tensor, values: Tensor, indices: Tensor) -> Tensor:
        """Mean of `point_terms` over the batch."""
        return self.point_terms(prediction, values).mean()

    def point_terms(self, prediction: Tensor, values: Tensor) -> Tensor:
        """c_i l_i for every point of the batch, `[m]`, differentiable in l_i only."""
        residual = prediction - values
        weight = residual.detach().abs().mean(1).clamp(min=_RESIDUAL_FLOOR).pow(-self.rho)
        spread = weight.std(correction=min(len(weight) - 1, 1))
        weight = torch.minimum(weight.clamp(min=_WEIGHT_FLOOR), weight.mean() + spread)
        return weight * residual.square().mean(1)


@dataclass(frozen=True)
class SoftMiningState:
    """The walkers and what the last step has reported of them.

    Attributes:
        walkers: Positions in [0, 1]^2, (row, column), `[m, 2]`.
        edges: Running sum over the pixels of the Sobel magnitude, whole numbers, `[n]`.
        axes: Coordinate change from the first to the last grid point of each axis, `[2, d_in]`.
        epoch: Pool epoch of all this.
        losses: c_i l_i of the last step, `[m]`, or None before there was one.
        slopes: d log(c_i l_i) / d walker of the last step divided by m, `[m, 2]`.
    """

    walkers: Tensor
    edges: Tensor
    axes: Tensor
    epoch: int
    losses: Tensor | None = None
    slopes: Tensor | None = None


@dataclass(frozen=True)
class SoftMining(BatchSampler[SoftMiningState]):
    """M = ceil(batch_share * N) walkers on the image square; the batch is the pixel nearest to each, so pixels may repeat.

    Each step moves a walker by a times the slope of its log loss, divided by M, plus noise of standard deviation b; then the last
    10 % are replaced by uniform draws, and the 10 % of lowest loss and all that left the square are redrawn where the target has
    edges.

    Cost: no forwards; the backward also goes to the coordinates.
    Differs: the slope is taken in the unit of the walkers, the square [0, 1]^2 (published: per pixel); in that unit a log loss gets so
    steep that late in training nearly all walkers would leave the square, so the step along it is cut to `longest_step`.
    """

    step_size: float = setting(
        20.0, "walker step along the slope of the log loss, before the division by M", symbol="a", at_least=0, at_most=1e9
    )
    noise: float = setting(0.02, "standard deviation of a walker's noise per step, image side = 1", symbol="b", at_least=0, at_most=1)
    longest_step: float | None = setting(
        0.02, "longest step along the slope, image side = 1; none: no limit, as published", above=0, at_most=1
    )
    uniform_share: float = setting(0.1, "fraction of the walkers replaced by uniform draws at each step", at_least=0, at_most=1)
    redraw_share: float = setting(0.1, "fraction of the walkers, lowest loss first, redrawn from the edges", at_least=0, at_most=1)
    exponent: float = setting(0.6, "largest exponent rho of the loss weights", symbol="alpha", at_least=0, at_most=1)
    ramp_steps: int = setting(1000, "the exponent is step / ramp_steps until it is the largest", at_least=1, at_most=2**31)

    State = SoftMiningState
    works_on_subpools = False
    needs = frozenset({"grid2d", "coord_gradient"})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule != "constant":
            raise UsageError(
                f"soft-mining: schedule={self.schedule} is not possible, because the number of walkers is fixed; use constant."
            )

    def note(self, probe: Probe) -> str:
        """That a loss other than L2 is not what it trains on."""
        if isinstance(probe.loss, L2):
            return ""
        return "soft-mining trains on its own weighted squared error, not on the requested loss."

    def rho(self, step: int) -> float:
        """Exponent of the loss weights at a step."""
        return min(step / self.ramp_steps, self.exponent)

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> SoftMiningState:
        """Uniform walkers, and the target's edge strengths (Sobel)."""
        count = max(math.ceil(round(self.start_share(len(probe)) * len(probe), 9)), 1)  # rounded, so that 0.07 of 100 points is 7
        walkers = torch.rand(count, 2, generator=rng, device=probe.device)
        edges = _edge_sums(sobel_magnitude(luma_8bit(probe.pool)))
        return SoftMiningState(walkers, edges.to(probe.device), _axes(probe), probe.epoch)

    def select(self, state: SoftMiningState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, SoftMiningState]:
        """Moves the walkers by one Langevin step; the pixel nearest to each is the batch."""
        grid = _image_grid(probe)
        if state.epoch != probe.epoch:
            state = self.init(probe, 0, rng)
        elif state.losses is not None and state.slopes is not None:
            walkers = self._moved(state.walkers, state.losses, state.slopes, state.edges, grid, rng)
            state = replace(state, walkers=walkers, losses=None, slopes=None)
        indices = pixel_indices(state.walkers, grid)
        return Selection(indices, SoftMiningLoss(self.rho(step), probe.values[indices])), state

    def observe(self, state: SoftMiningState, step: int, selection: Selection, feedback: Feedback) -> SoftMiningState:
        """The state with each walker's loss and its slope.

        Raises:
            UsageError: where the loop reports no d loss / d coords, or another selection than this sampler's.
        """
        objective = selection.objective
        if feedback.coord_gradient is None or not isinstance(objective, SoftMiningLoss):
            raise UsageError("soft-mining: observe() needs the selection that select() returned and d loss / d coords of its points.")
        losses = objective.point_terms(feedback.prediction, objective.values)
        # The reported gradient is that of the batch mean: it holds the weight c and the 1/M already.
        slopes = feedback.coord_gradient @ state.axes.T / losses[:, None]
        return replace(state, losses=losses, slopes=slopes.to(state.walkers.dtype))

    def _moved(self, walkers: Tensor, losses: Tensor, slopes: Tensor, edges: Tensor, grid: tuple[int, int], rng: torch.Generator) -> Tensor:
        """One Langevin step, with the uniform and the edge draws, `[m, 2]` in [0, 1]^2."""
        count = len(walkers)
        noise = torch.randn(count, 2, generator=rng, device=rng.device)
        walkers = walkers + self._drift(slopes) + self.noise * noise
        uniform = int(self.uniform_share * count)
        walkers[count - uniform :] = torch.rand(uniform, 2, generator=rng, device=rng.device)
        redrawn = ((walkers < 0) | (walkers > 1)).any(1)
        redrawn[torch.topk(losses, int(self.redraw_share * count), largest=False).indices] = True
        rows = torch.nonzero(redrawn)[:, 0]
        walkers[rows] = _edge_draws(edges, grid, len(rows), rng)
        return walkers.clamp(0, 1)

    def _drift(self, slopes: Tensor) -> Tensor:
        """Move along the slope; none where the loss is exactly 0 and its logarithm has no slope."""
        drift = torch.nan_to_num(self.step_size * slopes, nan=0.0).clamp(-_FAR, _FAR)
        if self.longest_step is None:
            return drift
        shrink: Tensor = self.longest_step / drift.norm(dim=1, keepdim=True)
        return drift * shrink.clamp(max=1)


def pixel_indices(walkers: Tensor, grid: tuple[int, int]) -> Tensor:
    """Flat index of the grid point nearest to each walker, `[m]`; 0 and 1 are the first and last grid point of an axis.

    Args:
        walkers: (row, column) in [0, 1]^2, `[m, 2]`.
        grid: (rows, columns).
    """
    rows, columns = grid
    row = torch.round(walkers[:, 0] * (rows - 1)).long()
    column = torch.round(walkers[:, 1] * (columns - 1)).long()
    return row * columns + column


def _axes(probe: Probe) -> Tensor:
    """Coordinate change from the first to the last grid point along rows and along columns, `[2, d_in]`."""
    rows, columns = _image_grid(probe)
    corners = probe.coords[torch.tensor([0, (rows - 1) * columns, columns - 1], device=probe.device)]
    change: Tensor = corners[1:] - corners[:1]
    return change


def _image_grid(probe: Probe) -> tuple[int, int]:
    """(rows, columns); checked before step 0 too (`needs`).

    Raises:
        UsageError: for a pool without a 2-D grid.
    """
    if probe.grid is None or len(probe.grid) != 2:
        raise UsageError("soft-mining needs an image, that is, points which fill a 2-D grid; this pool has none.")
    return probe.grid[0], probe.grid[1]


def _edge_sums(magnitude: np.ndarray) -> Tensor:
    """Running sum of the edge strength over the pixels, `[n]`; whole numbers, exact on devices that have no float64.

    The strongest edge counts a million, a flat pixel ten, so that every pixel can be drawn.
    """
    strength = np.clip(magnitude / max(magnitude.max(), 1e-12), _EDGE_FLOOR, 1)
    return torch.from_numpy(np.cumsum(np.rint(strength * _EDGE_UNITS).astype(np.int64)))


def _edge_draws(edges: Tensor, grid: tuple[int, int], count: int, rng: torch.Generator) -> Tensor:
    """Positions drawn in proportion to the edge strength, `[count, 2]` in [0, 1]^2."""
    rows, columns = grid
    draws = torch.randint(int(edges[-1]), (count,), generator=rng, device=rng.device)
    pixels = torch.searchsorted(edges, draws, right=True)
    row, column = pixels.div(columns, rounding_mode="floor"), pixels % columns
    return torch.stack([row / max(rows - 1, 1), column / max(columns - 1, 1)], 1)
