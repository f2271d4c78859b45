"""Samplers of a stack of signals: what each of them would choose alone, chosen side by side.

They follow `nint.samplers` line by line with one more axis. `nint.many.fast` has the one that keeps an error map, and
`nint.many.stacked_samplers` tells which there are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from nint.many.draws import Draws
from nint.many.passes import Params, StackedPasses
from nint.probe.cost import Cost
from nint.probe.objectives import PointLoss
from nint.samplers.base import Sampler
from nint.samplers.full import Full
from nint.samplers.int import Int
from nint.samplers.nint import Nint
from nint.samplers.picker import random_rows
from nint.samplers.schedules import scores_at
from nint.samplers.uniform import Uniform

S = TypeVar("S", bound=Sampler[Any])


class StackedProbe:
    """The networks of a stack at their current parameters, seen on the pool.

    Args:
        passes: How they are computed.
        params: Stacked parameters.
        coords: `[n, d]`, common to all.
        values: `[s, n, c]`.
        loss: The run's own.
    """

    def __init__(self, passes: StackedPasses, params: Params, coords: Tensor, values: Tensor, loss: PointLoss) -> None:
        self.passes, self.params, self.coords, self.values, self.loss = passes, params, coords, values, loss
        self.cost = Cost()
        self._prediction: Tensor | None = None

    @property
    def signals(self) -> int:
        """How many."""
        return len(self.values)

    def clear_cache(self) -> None:
        """Drops the prediction; called whenever the parameters may have changed."""
        self._prediction = None

    def prediction(self) -> Tensor:
        """`[s, n, c]`. Cost: n forwards a signal, once a step."""
        if self._prediction is None:
            self._prediction = self.passes.predict(self.params, self.coords)
            self.cost.forward += len(self.coords)
        return self._prediction

    def point_gradient(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Derivative of each point's loss with respect to its prediction, `[s, m, c]`."""
        flat = self.loss.point_gradient(prediction.reshape(-1, prediction.shape[-1]), values.reshape(-1, values.shape[-1]))
        return flat.view(prediction.shape)

    def point_loss(self, prediction: Tensor, values: Tensor) -> Tensor:
        """Loss of each point, `[s, m]`."""
        flat = self.loss.point_loss(prediction.reshape(-1, prediction.shape[-1]), values.reshape(-1, values.shape[-1]))
        return flat.view(prediction.shape[:-1])

    def gradient_norm(self) -> Tensor:
        """Norm over channels of g, `[s, n]`."""
        norm: Tensor = self.point_gradient(self.prediction(), self.values).norm(dim=-1)
        return norm

    def residual_l1(self) -> Tensor:
        """Sum over channels of |prediction - value|, `[s, n]`."""
        return (self.prediction() - self.values).abs().sum(-1)

    def ntk_gradient_norm(self) -> Tensor:
        """Norm over channels of K g, `[s, n]`. Cost: n forwards, backwards and forward-mode passes."""
        fresh = self._prediction is None
        kept = torch.empty_like(self.values) if self._prediction is None else self._prediction

        def cotangent(prediction: Tensor, which: slice, rows: slice) -> Tensor:
            if fresh:
                kept[which, rows] = prediction
            return self.point_gradient(prediction, self.values[which, rows])

        total = self.passes.gradient(self.params, self.coords, None, cotangent)
        self._prediction = kept
        points = len(self.coords)
        self.cost.forward, self.cost.backward, self.cost.jvp = (
            self.cost.forward + points,
            self.cost.backward + points,
            self.cost.jvp + points,
        )
        norm: Tensor = self.passes.tangents(self.params, total, self.coords).norm(dim=-1)
        return norm


class StackedSampler(ABC, Generic[S]):
    """A sampler of a stack; its state is of all signals.

    Args:
        sampler: Its settings.
        total_steps: The run length that schedules are laid out for.
    """

    def __init__(self, sampler: S, total_steps: int) -> None:
        self.sampler, self.total_steps = sampler, total_steps

    @abstractmethod
    def select(self, step: int, probe: StackedProbe, draws: Draws) -> Tensor | None:
        """Points of a step: `[s, b]`, or `[b]` where all signals have the same; None for all points."""

    def observe(self, point_loss: Tensor) -> None:
        """Takes the losses `[s, b]` of the points that were chosen."""

    def keep(self, rows: Tensor) -> None:
        """Goes on with some of the signals `[k]`."""


class StackedFull(StackedSampler[Full]):
    """All points at every step."""

    def select(self, step: int, probe: StackedProbe, draws: Draws) -> Tensor | None:
        """None."""
        return None


class StackedUniform(StackedSampler[Uniform]):
    """A fresh uniform draw of each signal."""

    def select(self, step: int, probe: StackedProbe, draws: Draws) -> Tensor | None:
        """As `Uniform.select`."""
        n = len(probe.coords)
        count = self.sampler.count(step, self.total_steps, n)
        return common(draws.each(lambda generator: random_rows(n, count, generator)))


class StackedInt(StackedSampler[Int]):
    """The points of largest error of each signal."""

    def __init__(self, sampler: Int, total_steps: int) -> None:
        super().__init__(sampler, total_steps)
        self._cached: Tensor | None = None

    def select(self, step: int, probe: StackedProbe, draws: Draws) -> Tensor | None:
        """As `Int.select`."""
        if self._cached is None or scores_at(self.sampler.interval, step, self.total_steps):
            count = self.sampler.count(step, self.total_steps, len(probe.coords))
            self._cached = top(probe.residual_l1(), count)
        return self._cached

    def keep(self, rows: Tensor) -> None:
        """Drops the cached batches of the others."""
        self._cached = kept(self._cached, rows)


class StackedNint(StackedSampler[Nint]):
    """NTK part, error part and random part of each signal's batch."""

    def __init__(self, sampler: Nint, total_steps: int) -> None:
        super().__init__(sampler, total_steps)
        self._cached: Tensor | None = None
        self._scores: Tensor | None = None
        self._scored_at = -1

    def select(self, step: int, probe: StackedProbe, draws: Draws) -> Tensor | None:
        """As `Nint.select`."""
        sampler = self.sampler
        if self._cached is not None and not scores_at(sampler.interval, step, self.total_steps):
            return self._cached
        n = len(probe.coords)
        batch = sampler.count(step, self.total_steps, n)
        n_random = int(sampler.random_share * batch)
        n_ntk = int(sampler.decay(step) * (batch - n_random))
        n_error = batch - n_random - n_ntk
        taken = torch.zeros(probe.signals, n, dtype=torch.bool, device=probe.coords.device)
        parts = []
        if n_ntk > 0:
            parts.append(top(self._ntk_scores(step, probe), n_ntk))
            taken.scatter_(1, parts[-1], True)
        if n_error > 0:
            scores = probe.residual_l1() if probe.loss.saturates else probe.gradient_norm()
            parts.append(top(scores, n_error) if not parts else top(scores.masked_fill(taken, -torch.inf), n_error))
            taken.scatter_(1, parts[-1], True)
        if n_random > 0 and not parts:
            self._cached = draws.each(lambda generator: random_rows(n, n_random, generator)).expand(probe.signals, -1)
            return self._cached
        if n_random > 0:
            free = torch.nonzero(~taken)[:, 1].view(probe.signals, -1)
            left = free.shape[1]
            places = draws.each(lambda generator: random_rows(left, n_random, generator)).expand(probe.signals, -1)
            parts.append(free.gather(1, places))
        self._cached = torch.cat(parts, dim=1)
        return self._cached

    def _ntk_scores(self, step: int, probe: StackedProbe) -> Tensor:
        every = self.sampler.refresh_interval
        if self._scores is None or step // every > self._scored_at // every:
            self._scores, self._scored_at = probe.ntk_gradient_norm(), step
        return self._scores

    def keep(self, rows: Tensor) -> None:
        """Drops the scores and cached batches of the others."""
        self._cached, self._scores = kept(self._cached, rows), kept(self._scores, rows)


def top(scores: Tensor, count: int) -> Tensor:
    """The `count` points of highest score of each signal, best first, `[s, count]`; NaN comes last."""
    return torch.topk(torch.nan_to_num(scores, nan=-torch.inf), count, dim=1).indices


def common(indices: Tensor) -> Tensor:
    """`[b]` of `[1, b]`, which serves all signals; `[s, b]` as it is."""
    return indices[0] if len(indices) == 1 else indices


def kept(values: Tensor | None, rows: Tensor) -> Tensor | None:
    """The rows of some of the signals."""
    return None if values is None else values[rows]
