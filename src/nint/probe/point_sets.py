"""Several point sets with a loss each (interior, boundary, data) as one pool with one residual, for one teacher."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError, nearest
from nint.probe.called import ResidualFunction
from nint.probe.objectives import L2, PointLoss


@dataclass(frozen=True)
class PointSet:
    """Points with a residual of their own.

    Attributes:
        coords: `[n, d_in]`.
        residual: (network, coords) -> `[b, columns]`.
        weight: Factor of the mean square of these residuals, above 0.
        columns: Residuals a point.
    """

    coords: Tensor
    residual: ResidualFunction
    weight: float = 1.0
    columns: int = 1


class PointSets:
    """Point sets joined: `Teacher(model, sets.coords, residual=sets.residual, ...)` chooses among all of them by one score.

    The loss of a batch is the mean over its points of weight times the mean square of the point's residuals, so a set counts by its number
    of points and its weight. K g is of that joint loss: it includes what a step for one set does to the others. Where each set shall have a
    batch of its own, make a teacher for each instead.

    Args:
        sets: By name, in an order that stays.

    Raises:
        UsageError: where sets do not fit together.
    """

    def __init__(self, **sets: PointSet) -> None:
        if not sets:
            raise UsageError("PointSets needs at least one set, for example interior=PointSet(coords, residual).")
        for name, one in sets.items():
            _check(name, one, next(iter(sets.values())))
        self.sets = dict(sets)
        self._most = max(one.columns for one in sets.values())

    @property
    def coords(self) -> tuple[Tensor, Tensor]:
        """All points `[n, d_in]`, set after set, and the number of each one's set, `[n]` int64."""
        points = [one.coords for one in self.sets.values()]
        numbers = torch.arange(len(points), device=points[0].device)
        return torch.cat(points), numbers.repeat_interleave(torch.tensor([len(part) for part in points], device=points[0].device))

    def residual(self, model: Any, inputs: tuple[Tensor, Tensor]) -> Tensor:
        """Residuals of points of any sets, `[b, r]`, scaled so that their mean square is the weighted one of each set: for loss="l2" only.

        Args:
            model: The network.
            inputs: Rows of `coords`.

        Raises:
            UsageError: where a set's residuals are not `[b, columns]`.
        """
        points, numbers = inputs
        total: Tensor | None = None
        for number, (name, one) in enumerate(self.sets.items()):
            rows = torch.nonzero(numbers == number)[:, 0]
            if not len(rows):
                continue
            found = one.residual(model, points[rows])
            expected = (len(rows), one.columns)
            if not isinstance(found, Tensor) or tuple(found.shape) != expected:
                shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
                raise UsageError(f"The residual of set '{name}' gives {shape} where {expected} is expected; see PointSet(columns=).")
            scaled = math.sqrt(one.weight * self._most / one.columns) * found
            wide = torch.nn.functional.pad(scaled, (0, self._most - one.columns))
            empty = wide.new_zeros(len(points), self._most) if total is None else total
            total = empty.index_put((rows,), wide)
        assert total is not None
        return total

    def check_loss(self, loss: PointLoss) -> None:
        """Refuses a loss that is not of squares where sets have weights or numbers of residuals, by whose roots residuals are scaled.

        Raises:
            UsageError: says what would be right.
        """
        if isinstance(loss, L2) or all(one.weight == 1 and one.columns == self._most for one in self.sets.values()):
            return
        raise UsageError('PointSets with weights, or with sets of different columns, are for loss="l2"; leave the weights or the loss out.')

    def redrawn(self, **coords: Tensor) -> PointSets:
        """The same sets with other points in some of them, for `teacher.replace_pool(sets.coords)`.

        Args:
            coords: New points by the name of their set, `[n, d_in]`.

        Raises:
            UsageError: for an unknown set.
        """
        for name in coords:
            if name not in self.sets:
                raise UsageError(f"There is no point set called '{name}'.{nearest(name, self.sets)}")
        return PointSets(**{name: replace(one, coords=coords.get(name, one.coords)) for name, one in self.sets.items()})

    def count(self, numbers: Tensor) -> dict[str, int]:
        """How many points of each set are in a batch.

        Args:
            numbers: `batch.coords[1]`, `[b]`.
        """
        counts = torch.bincount(numbers, minlength=len(self.sets)).tolist()
        return dict(zip(self.sets, counts, strict=True))


def _check(name: str, one: PointSet, first: PointSet) -> None:
    """Refuses a set that does not fit.

    Raises:
        UsageError: says why.
    """
    if not isinstance(one, PointSet) or not isinstance(one.coords, Tensor) or one.coords.ndim != 2 or not len(one.coords):
        raise UsageError(f"The point set '{name}' must be a PointSet with coords [n, d_in], a torch tensor of at least one point.")
    if one.coords.shape[1] != first.coords.shape[1] or one.coords.device != first.coords.device or one.coords.dtype != first.coords.dtype:
        raise UsageError(f"The points of set '{name}' must have as many coordinates as those of the first, the same type and device.")
    if not (math.isfinite(one.weight) and one.weight > 0) or one.columns < 1:
        raise UsageError(f"The point set '{name}' needs a weight above 0 and at least 1 column; it has {one.weight} and {one.columns}.")
