"""The training loop of a stack: signals of one shape train as one batched network, each as it would alone.

A signal that has reached its target or has diverged leaves the stack; the others do not notice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from nint.errors import DivergedError
from nint.machine.malloc import keep_freed_memory
from nint.many.draws import Draws
from nint.many.optimizers import StackedOptimizer
from nint.many.passes import Params, stacked_passes
from nint.many.selection import StackedProbe
from nint.many.stacked_samplers import stacked
from nint.probe.cost import Cost
from nint.probe.objectives import make_loss
from nint.runs.job import Job
from nint.runs.outputs import predict_rows
from nint.signals.base import Pool, Signal
from nint.training.budgets import Budget
from nint.training.engine import EXPLODED
from nint.training.learning_rate import learning_rate
from nint.training.optimizers import OPTIMIZERS

EVALUATIONS = 50
"""How often a run that ends by its PSNR is measured, as by `nint.monitors.paced`."""


@dataclass
class Outcome:
    """What became of a signal.

    Attributes:
        state: Name -> tensor of the network, buffers included; empty where it diverged.
        steps: Finished steps.
        stopped: Why it stopped.
        seconds: Its part of the stack's time for training.
        metrics: Quality at the end.
        forward_equivalents: Work, as `nint.training.engine.Run.forward_equivalents`.
        error: How it diverged, or None.
    """

    state: Params = field(default_factory=dict)
    steps: int = 0
    stopped: str = ""
    seconds: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    forward_equivalents: float = 0.0
    error: DivergedError | None = None


class Stack:
    """Signals that train together.

    Args:
        jobs: One a signal, alike but for signal and seed (`nint.many.groups.group_of`).
        pools: Their points.
        budget: Steps or PSNR; not seconds.
        restarts: How often these have diverged: the learning rate is halved as often.
        start: Weights to start from, instead of those that the seeds give.
        interrupted: Asked after each step; true stops, and all that is under way is lost.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        pools: Sequence[Pool],
        budget: Budget,
        *,
        restarts: int = 0,
        start: Params | None = None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        keep_freed_memory()
        first, pool = jobs[0], pools[0]
        self._jobs, self._budget, self._interrupted = list(jobs), budget, interrupted
        self._rate = first.rate * 0.5**restarts
        self._field = first.build_field().eval()
        own = [starting(job, start) for job in jobs] if len({job.seed for job in jobs}) > 1 and start is None else [starting(first, start)]
        stack = {name: torch.stack([state[name] for state in own]) for name in own[0]}
        params = {name: value.expand(len(jobs), *value.shape[1:]).clone() for name, value in stack.items()}
        trained = {name for name, p in self._field.named_parameters() if p.requires_grad}
        self._optimizer = StackedOptimizer(OPTIMIZERS.parse(first.optimizer), {n: v for n, v in params.items() if n in trained})
        self._still = {name: value for name, value in params.items() if name not in trained}
        self._coords = torch.as_tensor(pool.coords[:])
        values = torch.stack([torch.as_tensor(one.values[:]) for one in pools])
        self._probe = StackedProbe(
            stacked_passes(self._field, first.signal.layout.out_features), self._params(), self._coords, values, make_loss(first.loss)
        )
        self._draws = Draws([job.seed for job in jobs], first.device)
        self._sampler = stacked(first.sampler, first.total_steps, self._probe, self._draws)
        self._low, self._high = pool.value_range
        self._places = list(range(len(jobs)))
        self._outcomes = [Outcome() for _ in jobs]
        self._first_loss: Tensor | None = None
        self._cost = Cost()
        self._step = 0

    def train(self) -> list[Outcome] | None:
        """Trains to the end; None where it was interrupted."""
        limit = self._budget.steps if self._budget.steps is not None else self._jobs[0].total_steps
        measured_part = 0
        while self._places and self._step < limit:
            began = time.perf_counter()
            self._train_step()
            self._spend(began)
            if self._interrupted():
                return None
            part = EVALUATIONS * self._step // limit
            if self._budget.psnr is not None and self._places and part > measured_part and self._step < limit:
                measured_part = part
                self._stop_those_at(self._budget.psnr)
        for row in range(len(self._places)):
            self._finish(row, f"finished {limit} steps", self._measured(row))
        return self._outcomes

    def _params(self) -> Params:
        return {**self._optimizer.leaves, **self._still}

    def _train_step(self) -> None:
        probe, step, job = self._probe, self._step, self._jobs[0]
        probe.clear_cache()
        indices = self._sampler.select(step, probe, self._draws)
        points = len(self._coords) if indices is None else indices.shape[-1]
        point_loss = self._coords.new_empty(len(self._places), points)

        def cotangent(prediction: Tensor, which: slice, rows: slice) -> Tensor:
            values = self._values_of(indices, which, rows)
            point_loss[which, rows] = probe.point_loss(prediction, values)
            return probe.point_gradient(prediction, values).div_(points)

        gradients = probe.passes.gradient(probe.params, self._coords, indices, cotangent)
        self._cost.forward += points
        self._cost.backward += points
        loss = point_loss.mean(1)
        failed = self._failed(loss)
        if failed is not None:
            rows = torch.nonzero(~failed)[:, 0]
            for row in torch.nonzero(failed)[:, 0].tolist():
                self._fail(row, f"the loss is {float(loss[row]):.3g}", step)
            gradients = {name: value[rows] for name, value in gradients.items()}
            point_loss = point_loss[rows]
            self._keep(rows)
            if not self._places:
                return
        self._optimizer.step(gradients, learning_rate(job.lr_schedule, self._rate, step, job.total_steps, job.warm_up))
        self._sampler.observe(point_loss)
        self._step += 1

    def _values_of(self, indices: Tensor | None, which: slice, rows: slice) -> Tensor:
        """Values `[s, m, c]` of some points of some signals."""
        values = self._probe.values[which]
        if indices is None:
            return values[:, rows]
        if indices.ndim == 1:
            return values.index_select(1, indices[rows])
        chosen = indices[which, rows]
        n, channels = values.shape[1:]
        offsets = torch.arange(len(values), device=values.device)[:, None] * n
        return values.reshape(-1, channels).index_select(0, (chosen + offsets).reshape(-1)).view(*chosen.shape, channels)

    def _failed(self, loss: Tensor) -> Tensor | None:
        """Which signals have diverged, by the rules of `nint.training.engine`; None where none has."""
        if self._first_loss is None:
            self._first_loss = loss.clone()
        fine = loss <= EXPLODED * self._first_loss.clamp(min=1e-3)  # false for NaN
        fine &= torch.isfinite(loss)
        return None if bool(fine.all()) else ~fine

    def _fail(self, row: int, reason: str, step: int) -> None:
        outcome = self._outcomes[self._places[row]]
        outcome.steps, outcome.error = step, DivergedError(step, reason)

    def _spend(self, began: float) -> None:
        seconds = (time.perf_counter() - began) / max(len(self._places), 1)
        for place in self._places:
            self._outcomes[place].seconds += seconds

    def _keep(self, rows: Tensor) -> None:
        """Goes on with some of the signals."""
        chosen = rows.tolist()
        self._places = [self._places[row] for row in chosen]
        self._jobs = [self._jobs[row] for row in chosen] or self._jobs[:1]
        if not chosen:
            return
        self._optimizer.keep(rows)
        self._still = {name: value[rows] for name, value in self._still.items()}
        self._probe.params, self._probe.values = self._params(), self._probe.values[rows]
        self._probe.clear_cache()
        self._sampler.keep(rows)
        self._draws.keep(rows)
        if self._first_loss is not None:
            self._first_loss = self._first_loss[rows]

    def _stop_those_at(self, psnr: float) -> None:
        """Finishes the signals that have reached a PSNR."""
        going = []
        for row, estimate in enumerate(self._estimates()):
            metrics = self._measured(row) if estimate is None or estimate >= psnr else {}
            if metrics.get("psnr", -math.inf) >= psnr:
                self._finish(row, f"reached {psnr:g} dB", metrics)
            else:
                going.append(row)
        if len(going) < len(self._places):
            self._keep(torch.tensor(going, dtype=torch.long, device=self._coords.device))

    def _estimates(self) -> list[float | None]:
        """PSNR of each signal on its pool, which is what `evaluate` measures but for rounding; None where that says nothing."""
        signal: Signal = self._jobs[0].signal
        if not signal.measured_on_pool or "psnr_held_out" in signal.metrics:  # then the metric counts points that are not in the pool
            return [None] * len(self._places)
        self._probe.clear_cache()
        prediction = self._probe.passes.predict(self._probe.params, self._coords)
        error = (prediction.clamp(self._low, self._high) - self._probe.values).double().square().mean((1, 2))
        decibels = 10 * torch.log10((self._high - self._low) ** 2 / error.clamp(min=1e-20)) + 1e-3
        return decibels.tolist()

    def _measured(self, row: int) -> dict[str, float]:
        """All metrics of a signal."""
        field = self._field_of(row)
        device = self._coords.device
        return self._jobs[row].signal.evaluate(lambda coords: predict_rows(field, coords, device))

    def _field_of(self, row: int) -> nn.Module:
        self._field.load_state_dict({name: value[row] for name, value in self._params().items()})
        return self._field

    def _finish(self, row: int, reason: str, metrics: dict[str, float]) -> None:
        outcome, points = self._outcomes[self._places[row]], len(self._coords)
        outcome.state = {name: value[row].detach().clone() for name, value in self._params().items()}
        outcome.steps, outcome.stopped, outcome.metrics = self._step, reason, metrics
        outcome.forward_equivalents = (self._cost + self._probe.cost).forward_equivalents(points)
        if not all(bool(torch.isfinite(value).all()) for value in outcome.state.values()):
            outcome.state, outcome.metrics = {}, {}
            outcome.error = DivergedError(self._step, "weights are not finite after the last update")


def starting(job: Job, start: Params | None) -> Params:
    """The weights that a signal starts from, buffers included."""
    return dict(job.build_field().state_dict()) if start is None else start
