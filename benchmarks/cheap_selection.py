"""Ways of choosing points for little, at equal work: the measurements behind docs/samplers/nint-fast.md.

    python benchmarks/cheap_selection.py --data ../shared/data/div2k --images 02 04 --units 60

Every variant gets the same optimizer, rate, start weights and number of forwards over the pool; what it spends on choosing is part
of that number. One line a run goes to results/cheap_selection.jsonl.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from machine import machine
from torch import Tensor

from nint.bench.runs import RunSpec
from nint.bench.targets import time_to_target
from nint.ntk.products import forward_rows
from nint.probe.objectives import L2
from nint.probe.probe import Probe
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.samplers.base import Feedback, Sampler, Selection
from nint.samplers.nint_fast import NintFast, NintFastState
from nint.samplers.picker import Picker
from nint.samplers.uniform import Uniform
from nint.training.budgets import Budget
from nint.training.engine import train_step

TARGETS = (25.0, 28.0)
_EVALUATIONS = 40


@dataclass(frozen=True)
class NtkMap(NintFast):
    """The map holds |J w| of the batch's points instead of their errors; w is the gradient that the step has just used."""

    every: int = 5

    def select(self, state: NintFastState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, NintFastState]:
        selection, state = super().select(state, step, probe, rng)
        _seen[0] = probe
        return selection, state

    def observe(self, state: NintFastState, step: int, selection: Selection, feedback: Feedback) -> NintFastState:
        if step % self.every:
            return dataclasses.replace(state, chosen=None)
        change = _seen[0].on(selection.indices).jvp({name: g.detach() for name, g in feedback.gradient.items()})
        return super().observe(state, step, selection, dataclasses.replace(feedback, point_loss=change.square().mean(1)))


_seen: list[Any] = [None]


@dataclass(frozen=True)
class Weighted(NintFast):
    """Drawn by the map, and weighed by the inverse of the density, at most `cap` times, so that the gradient is (nearly) unbiased."""

    cap: float = 3.0

    def select(self, state: NintFastState, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, NintFastState]:
        selection, state = super().select(state, step, probe, rng)
        weight = (1 / self.density(state)[state.chosen]).clamp(max=self.cap)
        return Selection(selection.indices, Weighing(weight / weight.mean())), state


class Weighing:
    """Mean square error with a weight for each point of the batch."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight

    def __call__(self, prediction: Tensor, values: Tensor, indices: Tensor) -> Tensor:
        return (self._weight * L2().point_loss(prediction, values)).mean()


@dataclass(frozen=True)
class TopOfPool(Uniform):
    """The worst of a fresh random pool of `pool` batches make up `error_share` of the batch."""

    pool: float = 2.0
    error_share: float = 0.5
    every: int = 1

    def select(self, state: Any, step: int, probe: Probe, rng: torch.Generator) -> tuple[Selection, Any]:
        batch = self.count(step, state.total_steps, len(probe))
        rows = Picker(len(probe), rng).random(int(self.pool * batch))
        picker = Picker(len(rows), rng)
        picker.top(probe.on(rows).residual().square().sum(1), int(self.error_share * batch))
        picker.random(batch - len(picker))
        return Selection(rows[picker.indices]), state


VARIANTS: dict[str, Callable[[float], Sampler]] = {
    "uniform": lambda b: Uniform(batch_share=b),
    "nint-fast": lambda b: NintFast(batch_share=b),
    "evenly spread only (random_share=1)": lambda b: NintFast(batch_share=b, random_share=1.0),
    "map, power 1": lambda b: NintFast(batch_share=b, power=1.0),
    "map, power 2, random_share 0.1": lambda b: NintFast(batch_share=b, power=2.0, random_share=0.1),
    "map, power 3": lambda b: NintFast(batch_share=b, power=3.0),
    "map of 64 points a cell": lambda b: NintFast(batch_share=b, points_per_cell=64),
    "map of 256 points a cell": lambda b: NintFast(batch_share=b, points_per_cell=256),
    "map, weighted back (cap 3)": lambda b: Weighted(batch_share=b),
    "map of |J w| every 5 steps": lambda b: NtkMap(batch_share=b),
    "nint-fast, growing batch": lambda b: NintFast(batch_share=b, schedule="growing"),
    "uniform, growing batch": lambda b: Uniform(batch_share=b, schedule="growing"),
    "worst half of a pool of 2 B": lambda b: TopOfPool(batch_share=b),
    "worst 60 % of a pool of 4 B": lambda b: TopOfPool(batch_share=b, pool=4.0, error_share=0.6),
}


def measure(source: Any, name: str, sampler: Sampler, share: float, units: float, optimizer: str, weight_scale: float, seed: int) -> dict:
    """One run until `units` forwards over the pool are spent; the rate decays over the steps that they allow."""
    per_step = units_of_a_step(sampler, share)
    steps = int(units / per_step)
    settings = {"optimizer": optimizer, "field": f"siren:size=5x128,weight_scale={weight_scale}", "seed": seed}
    job = make_job(source, recipe="default", budget=Budget(steps=steps), sampler=sampler, **settings)
    run = build_run(job, Budget(steps=steps))
    curve = []
    for step in range(1, steps + 1):
        train_step(run)
        if step % max(steps // _EVALUATIONS, 1) == 0 or step == steps:
            curve.append(
                {"step": step, "forward_equivalents": run.forward_equivalents, "training_seconds": run.clock.training_s, "psnr": psnr(run)}
            )
    hits = {target: time_to_target(curve, "psnr", target) for target in TARGETS}
    reached = {f"units_to_{target:g}": hit and hit.forward_equivalents for target, hit in hits.items()}
    return {"variant": name, "share": share, "steps": steps, "lr": job.rate, **settings, **reached, "psnr": curve[-1]["psnr"]}


def units_of_a_step(sampler: Sampler, share: float) -> float:
    """Forwards over the pool that a step costs."""
    extra = sampler.pool * share if isinstance(sampler, TopOfPool) else 3 * share / sampler.every if isinstance(sampler, NtkMap) else 0.0
    return 3 * share + extra


def psnr(run: Any) -> float:
    probe = run.teacher.probe
    error = forward_rows(run.field, probe.coords, probe.chunk_size).clamp(0, 1) - probe.values[:]
    return -10 * math.log10(float(error.square().mean()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/div2k"))
    parser.add_argument("--images", nargs="+", default=["02", "04"])
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--units", type=float, default=60.0)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--optimizer", default="muon")
    parser.add_argument("--weight-scale", type=float, default=1.7)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "cheap_selection.jsonl")
    options = parser.parse_args()
    for image in options.images:
        source = RunSpec(str(options.data / f"{image}.png"), square=options.side, steps=1).signal()
        for name in options.only:
            sampler = VARIANTS[name](options.share)
            row = measure(source, name, sampler, options.share, options.units, options.optimizer, options.weight_scale, options.seed)
            row |= {"image": image, "side": options.side, "units": options.units, "machine": machine()}
            print({key: round(value, 2) if isinstance(value, float) else value for key, value in row.items() if key != "machine"})
            with open(options.out, "a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
