"""EVOS, evolutionary selector: rank all points at sparse steps, keep the worst fitted, mix in random others.

Source: Zhang et al., CVPR 2025, with the selection crossover of the authors' code; every difference is listed in
docs/samplers/evos.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.probe.objectives import Objective
from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, Feedback, Selection
from nint.samplers.picker import Picker
from nint.samplers.schedules import batch_share
from nint.scores.laplacian import laplacian_error, luma_error
from nint.settings import renamed, setting


class CrossFrequencyLoss(Objective):
    """The run's loss plus weight * mean over the batch of the squared Laplacian difference.

    Args:
        loss: The run's own loss.
        weight: Factor of the Laplacian term in units of the loss on the pool's scale.
        grid: (rows, columns).
        value_range: Of the pool.
        cached: Luma errors of the whole image at the last evaluation, `[n]`, into which those of the batch are pasted; None where
            the batch is the whole image.
    """

    def __init__(
        self, loss: Objective, weight: float, grid: tuple[int, ...], value_range: tuple[float, float], cached: Tensor | None = None
    ) -> None:
        self.loss = loss
        self.weight = weight
        self.grid = grid
        self.value_range = value_range
        self.cached = cached

    def __call__(self, prediction: Tensor, values: Tensor, indices: Tensor) -> Tensor:
        """The run's loss plus the weighted Laplacian term, a scalar."""
        fresh = luma_error(prediction, values, self.value_range)
        base = torch.zeros(math.prod(self.grid), dtype=fresh.dtype, device=fresh.device) if self.cached is None else self.cached
        pasted = base.to(fresh.dtype).index_put((indices,), fresh)
        return self.loss(prediction, values, indices) + self.weight * laplacian_error(pasted, self.grid)[indices].mean()


def crossover(squared_error: Tensor, detail_error: Tensor, elites: int, detail_weight: float) -> Tensor:
    """All points, best first: those leading in both rankings, a fraction of those leading in one, then the rest by squared error.

    Args:
        squared_error: E, `[n]`.
        detail_error: L, `[n]`.
        elites: How many points lead a ranking.
        detail_weight: lambda, which brings L to the unit of E.

    Returns:
        A permutation of range(n), `[n]`, whose first `elites` are the elites; larger batches later take more of it.
    """
    by_error = torch.argsort(squared_error, descending=True, stable=True)
    lead_error, rest = by_error[:elites], by_error[elites:]
    lead_detail = torch.argsort(detail_error, descending=True, stable=True)[:elites]
    shared = _mask(lead_detail, len(by_error))[lead_error]
    error_only = lead_error[~shared]
    detail_only = lead_detail[~_mask(lead_error, len(by_error))[lead_detail]]

    # on the CPU, since not every device has float64
    mean_error, mean_detail = (float(error.cpu().double().mean()) for error in (squared_error, detail_error))
    mean_detail *= detail_weight
    total = mean_error + mean_detail
    fraction = mean_error / total if math.isfinite(total) and total > 0 else 1.0
    from_error = int(len(error_only) * fraction)
    from_detail = detail_only[: len(error_only) - from_error]
    left = torch.cat([error_only[from_error:], rest])  # still in the order of E
    return torch.cat([lead_error[shared], error_only[:from_error], from_detail, left[~_mask(from_detail, len(by_error))[left]]])


def _mask(rows: Tensor, n: int) -> Tensor:
    mask = torch.zeros(n, dtype=torch.bool, device=rows.device)
    mask[rows] = True
    return mask


@dataclass(frozen=True)
class EvosState:
    """What the last evaluation of all points has left.

    Attributes:
        total_steps: The run length that schedules are laid out for.
        epoch: Pool epoch of everything below.
        evaluating: Whether the current step trains on all points.
        prediction: Of all points at the last evaluation, `[n, c]`, until it has been ranked.
        ranking: All points, best first, `[n]`.
        luma_error: Of the last evaluation, `[n]`, while cross-frequency supervision needs it.
    """

    total_steps: int
    epoch: int = -1
    evaluating: bool = False
    prediction: Tensor | None = None
    ranking: Tensor | None = None
    luma_error: Tensor | None = field(default=None, metadata=renamed("grey_error"))


@dataclass(frozen=True)
class Evos(BatchSampler[EvosState]):
    """Elites of a cached ranking plus fresh random points; all points, and a new ranking, at sparse evaluation steps.

    On a pool without a 2-D grid the ranking is by squared error alone. A redrawn pool is evaluated at once.

    Cost: none beyond training, which takes all N points at an evaluation step; the ranking comes from that same forward.
    """

    mutation_share: float = setting(0.5, "fraction of the initial batch drawn uniformly", symbol="beta", at_least=0, at_most=1)
    frequency_weight: float = setting(1e-5, "weight of the squared Laplacian difference", symbol="lambda", at_least=0, at_most=1e6)
    cfs: bool = setting(True, "cross-frequency supervision: also train on the Laplacian difference")
    cfs_until: float = setting(0.3, "fraction of the run in which steps between evaluations have it", at_least=0, at_most=1)
    first_period: int = setting(100, "steps between evaluations at the start", symbol="tau", at_least=1, at_most=2**31)
    period_shrink: int = setting(50, "by how many steps that shrinks over the run", symbol="theta", at_least=0, at_most=2**31)

    State = EvosState
    works_on_subpools = False

    def evaluates_at(self, step: int, total_steps: int) -> bool:
        """Whether a step (0-based) is an evaluation: e mod k(e) == 1 with e = step + 1 and k(e) = int(first - shrink e / T)."""
        number = step + 1
        progress = min(number, total_steps)
        period = max(int(self.first_period - self.period_shrink * progress / max(total_steps, 1)), 1)
        return number % period == 1 % period

    def elites(self, step: int, total_steps: int, n: int) -> int:
        """How many of the ranking a step takes: int((fraction - mu) N), mu = beta * initial fraction, or of a smaller one."""
        share = batch_share(self.schedule, self.start_share(n), step, total_steps)
        return max(int((share - self._mutation(share, n)) * n), 0)

    def mutants(self, step: int, total_steps: int, n: int) -> int:
        """How many random points a step takes: int(mu N), of a batch that is smaller than at first int(beta * fraction * N)."""
        return int(self._mutation(batch_share(self.schedule, self.start_share(n), step, total_steps), n) * n)

    def _mutation(self, share: float, n: int) -> float:
        return self.mutation_share * min(share, self.start_share(n))

    def expected_share(self, step: int, total_steps: int) -> float:
        """All points at an evaluation, else the scheduled fraction."""
        return 1.0 if self.evaluates_at(step, total_steps) else super().expected_share(step, total_steps)

    def note(self, probe: Probe) -> str:
        """What is left out on a pool without a 2-D grid."""
        if _image_grid(probe):
            return ""
        return (
            "evos ranks points by squared error alone here, without crossover and cross-frequency supervision, which need a 2-D image grid."
        )

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> EvosState:
        """State before step 0.

        Raises:
            UsageError: where the value range of an image is empty or not finite.
        """
        low, high = probe.pool.value_range
        if _image_grid(probe) and not (math.isfinite(high - low) and high > low):
            raise UsageError(f"evos: the value range ({low:g}, {high:g}) must be two finite numbers, the lower one first.")
        return EvosState(total_steps)

    def select(self, state: EvosState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, EvosState]:
        """All points at an evaluation step, else the elites of the cached ranking and random others."""
        cached = state.epoch == probe.epoch and (state.prediction is not None or state.ranking is not None)
        if not cached or self.evaluates_at(step, state.total_steps):
            everything = torch.arange(len(probe), device=probe.device)
            return Selection(everything, self._objective(probe)), EvosState(state.total_steps, probe.epoch, evaluating=True)
        state = self._ranked(state, step - 1, probe)  # with the batch size of the evaluation step, one step ago
        n = len(probe)
        n_elites = self.elites(step, state.total_steps, n)
        picker = Picker(n, rng)
        if state.ranking is not None:
            picker.take(state.ranking[:n_elites])
        picker.random(max(self.mutants(step, state.total_steps, n), 1 - n_elites))
        supervised = state.luma_error is not None and self._supervises(step, state.total_steps, probe)
        objective = self._objective(probe, state.luma_error) if supervised else None
        return Selection(picker.indices, objective), state

    def observe(self, state: EvosState, step: int, selection: Selection, feedback: Feedback) -> EvosState:
        """The state with the predictions of an evaluation step, from which the next step ranks."""
        if not state.evaluating:
            return state
        return replace(state, evaluating=False, prediction=feedback.prediction)

    def _supervises(self, step: int, total_steps: int, probe: Probe) -> bool:
        return self.cfs and self.frequency_weight > 0 and _image_grid(probe) is not None and step + 1 <= self.cfs_until * total_steps

    def _objective(self, probe: Probe, cached: Tensor | None = None) -> Objective | None:
        grid = _image_grid(probe)
        if grid is None or not self.cfs or self.frequency_weight == 0:
            return None
        weight = self.frequency_weight / _to_symmetric(probe)
        return CrossFrequencyLoss(probe.loss, weight, grid, probe.pool.value_range, cached)

    def _ranked(self, state: EvosState, step: int, probe: Probe) -> EvosState:
        """The state with its ranking, made from the predictions of the last evaluation if there is none yet."""
        prediction, values, grid = state.prediction, probe.values[:], _image_grid(probe)
        if prediction is None:
            return state
        squared_error = (prediction - values).square().mean(1)
        if grid is None:
            return replace(state, prediction=None, ranking=torch.argsort(squared_error, descending=True, stable=True))
        error = luma_error(prediction, values, probe.pool.value_range)
        n_elites = self.elites(step, state.total_steps, len(probe))
        ranking = crossover(squared_error * _to_symmetric(probe), laplacian_error(error, grid), n_elites, self.frequency_weight)
        kept = error if self._supervises(step, state.total_steps, probe) else None
        return replace(state, prediction=None, ranking=ranking, luma_error=kept)


def _image_grid(probe: Probe) -> tuple[int, int] | None:
    """(rows, columns) of a pool that is an image, else None."""
    if probe.grid is None or len(probe.grid) != 2:
        return None
    return probe.grid[0], probe.grid[1]


def _to_symmetric(probe: Probe) -> float:
    """Factor from a squared error on the pool's scale to one of values in [-1, 1], the scale that lambda is meant for."""
    low, high = probe.pool.value_range
    return (2 / (high - low)) ** 2
