"""Quality over the run in a stated share of its time: cheap estimates on a fixed subset where the whole signal would take too long."""

from __future__ import annotations

import math
import time

import torch

from nint.monitors.base import BaseMonitor
from nint.monitors.evaluate import curve_row, evaluate
from nint.ntk.products import forward_rows
from nint.training.engine import Run, check_weights

SHARE = 0.1
"""Most of the time of a run that evaluations during it take."""

SUBSET = 2**14
_EVALUATIONS = 50
_SEED = 20_24


class PacedEvaluation(BaseMonitor):
    """Adds a row to `run.curve` about fifty times over a run, in at most a tenth of its time, and a full one at the end.

    A row has the signal's metrics where measuring them all fits the pace. Where it does not, PSNR is estimated on `SUBSET` fixed random
    points of the pool and the row says so ("subset": number of points); signals without PSNR are then measured more rarely. A run that ends
    by its PSNR is measured fifty times whatever that takes.

    Args:
        share: Most of the run's time.
    """

    def __init__(self, share: float = SHARE) -> None:
        self._share = share
        self._spent_s = 0.0
        self._full_s = math.nan
        self._next_part = 1 / _EVALUATIONS
        self._rows: torch.Tensor | None = None

    def start(self, run: Run) -> None:
        """Begins with the pace of a run, resumed ones where they are."""
        self._next_part = (math.floor(_EVALUATIONS * run.done_part) + 1) / _EVALUATIONS

    def after_step(self, run: Run) -> None:
        """Measures where it is due and affordable."""
        part = run.done_part
        if part < self._next_part or part >= 1:
            return
        allowed = self._share * run.clock.wall_s - self._spent_s
        whole_run_s = run.clock.wall_s / part
        pace_s = self._share * whole_run_s / _EVALUATIONS
        estimable = can_estimate(run)
        # an untried full evaluation is guessed from the forwards that training has made
        full_s = self._guess(run) if math.isnan(self._full_s) else self._full_s
        full = full_s <= pace_s and full_s <= max(allowed, pace_s)
        awaited = run.budget.psnr is not None  # the run ends by it
        if not full and not estimable and full_s > allowed and not awaited:
            return  # later
        began = time.perf_counter()
        if full or not estimable:
            evaluate(run)
            self._full_s = time.perf_counter() - began
        else:
            if allowed < 0 and not awaited:
                return
            self._estimate(run)
            if run.budget.psnr is not None and run.curve[-1]["psnr"] >= run.budget.psnr:
                evaluate(run)  # a run ends by what the whole signal has, not by a guess of it
        self._spent_s += time.perf_counter() - began
        self._next_part = (math.floor(_EVALUATIONS * part) + 1) / _EVALUATIONS

    def finish(self, run: Run, reason: str) -> None:
        """Measures everything."""
        if not run.curve or run.curve[-1]["step"] != run.step or "subset" in run.curve[-1]:
            evaluate(run)

    def _guess(self, run: Run) -> float:
        """Seconds of a full evaluation: forwards at a third of a training step's price a point, and as much again for the metrics."""
        points = max(run.cost.forward, 1)
        measured = run.signal.measured_points or len(run.teacher.probe)
        return 2 * measured * run.clock.training_s / points / 3

    def _estimate(self, run: Run) -> None:
        check_weights(run)
        probe = run.teacher.probe
        if self._rows is None:
            generator = torch.Generator().manual_seed(_SEED)
            count = min(SUBSET, len(probe))
            self._rows = torch.randint(len(probe), (count,), generator=generator).sort().values.to(probe.device)
        prediction = forward_rows(run.field, probe.coords[self._rows], probe.chunk_size)
        low, high = probe.pool.value_range
        error = (prediction.clamp(low, high) - probe.values[self._rows]).double().square().mean()
        psnr = 10 * math.log10((high - low) ** 2 / max(float(error), 1e-20))
        run.curve.append(curve_row(run) | {"psnr": psnr, "subset": len(self._rows)})


def can_estimate(run: Run) -> bool:
    """Whether PSNR on points of the pool estimates the signal's own: not where it is measured on other points than are trained on."""
    return "psnr" in run.signal.metrics and run.signal.measured_on_pool
