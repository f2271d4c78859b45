"""NINT at the price of a uniform step: no forward is spent on choosing.

Every training batch's errors cost nothing extra. Averaged over cells of neighbouring points they are a map of where the network is
wrong; the next batch is drawn with that map as its density, spread evenly, and no cell repeats a point until its points are used up.
The alternatives that were measured are in the method card docs/samplers/nint-fast.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.probe.probe import Probe
from nint.samplers.base import BatchSampler, Feedback, Selection
from nint.samplers.cells import Boxes, Cells, allot, averages, cut, sort_into
from nint.settings import accepts_aliases, setting


@dataclass(frozen=True)
class NintFastState:
    """The points by cells and the error map.

    Attributes:
        total_steps: The run length that the batch schedule is laid out for.
        boxes: How space is cut; None for pools too large to sort.
        cells: The points of the current pool by cells.
        epoch: Pool epoch of `cells`.
        error: Exponential moving average of the error in each cell, `[c]`; NaN where none has been observed.
        chosen: Cell of each point of the last batch, `[b]`, between select and observe.
    """

    total_steps: int
    boxes: Boxes | None
    cells: Cells
    epoch: int
    error: Tensor
    chosen: Tensor | None = None


@accepts_aliases
@dataclass(frozen=True)
class NintFast(BatchSampler[NintFastState]):
    """Points in proportion to xi + (1 - xi) e^p / mean(e^p), e the root mean square error of the point's cell as last seen.

    Cost: no forwards; a few passes over the cells a step (about 16,384 at most unless points_per_cell is given; more along many columns,
    each of which is cut into a whole number), and one sort when the pool changes.
    """

    random_share: float = setting(0.3, "fraction of the batch drawn regardless of the error", symbol="xi", at_least=0, at_most=1)
    power: float = setting(2.0, "exponent of a cell's error in the density of the rest", symbol="p", at_least=0, at_most=1e6)
    points_per_cell: int | None = setting(
        None, "points that share one entry of the error map; none: 16, more where that makes over 16384 cells", at_least=1, at_most=2**53
    )
    ema_decay: float = setting(0.8, "decay of a cell's moving average for each new point", at_least=0, at_most=0.999, aliases=("memory",))

    State = NintFastState
    works_on_subpools = False

    def init(self, probe: Probe, total_steps: int, rng: torch.Generator) -> NintFastState:
        """Cuts space into cells; all errors are unknown."""
        boxes = cut(probe, self.points_per_cell)
        cells = sort_into(boxes, probe, rng)
        unknown = torch.full((len(cells.size),), torch.nan, device=probe.device)
        return NintFastState(total_steps, boxes, cells, probe.epoch, unknown)

    def select(self, state: NintFastState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, NintFastState]:
        """A draw with the error map as density, evenly spread over the cells."""
        if state.epoch != probe.epoch:  # redrawn points: errors of boxes in space stay valid, errors of ranges of rows do not
            error = state.error if state.boxes is not None else torch.full_like(state.error, torch.nan)
            state = replace(state, cells=sort_into(state.boxes, probe, rng), epoch=probe.epoch, error=error)
        count = self.count(step, state.total_steps, len(probe))
        counts = allot(self.density(state), state.cells.size, count, rng)
        rows, chosen, cells = state.cells.take(counts, rng)
        return Selection(rows), replace(state, cells=cells, chosen=chosen)

    def density(self, state: NintFastState) -> Tensor:
        """Relative probability of a point of each cell, `[c]`; its mean over the points is 1."""
        size = state.cells.size
        known = ~torch.isnan(state.error)
        points = (size * known).to(state.error.dtype)
        mean = (state.error.nan_to_num() @ points) / points.sum().clamp(min=1)
        error = torch.where(known, state.error, mean).clamp(min=1e-30)  # a cell without an error yet counts as an average one
        peak = (error / error.max()) ** self.power  # 1 at most, so that no power is too high
        peak = peak * (size.sum() / (peak * size).sum().clamp(min=1e-30))
        return (self.random_share + (1 - self.random_share) * peak).clamp(min=1e-6)

    def observe(self, state: NintFastState, step: int, selection: Selection, feedback: Feedback) -> NintFastState:
        """The error map with the batch's losses averaged in.

        Raises:
            UsageError: where no batch was selected.
        """
        if state.chosen is None:
            raise UsageError("nint-fast: observe() reports a batch that select() has chosen; call select() first.")
        seen = torch.bincount(state.chosen, minlength=len(state.error))
        fresh = averages(feedback.point_loss, seen).sqrt().to(state.error.dtype)
        before = torch.where(torch.isnan(state.error), fresh, state.error)
        error = torch.lerp(fresh, before, self.ema_decay**seen)
        error = torch.where(fresh < torch.inf, error, state.error)  # no points, or a loss that is not finite: keep what it was
        return replace(state, error=error, chosen=None)
