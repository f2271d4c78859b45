"""A step of dense `nint` in the engine against the plain full-batch way of doing the same step, side by side in one process.

    python benchmarks/dense_step.py [--cases 512:5x256 256:5x128] [--repeats 3] [--out benchmarks/results/dense_step.jsonl]

The plain way is the method as it is commonly written: a SIREN of `sin(omega_0 * linear(x))` layers from the same start weights, one
forward over all points, K g by `torch.func.vjp` and `jvp` over all points where it is due, `topk`, one forward and backward over the
selected points, `torch.optim.Adam`; PyTorch chooses the matrix library itself (as with NINT_MATMUL=default). The two ways alternate in
blocks of `refresh_interval` steps; the figure is the ratio of the median seconds of a step. Two phases: `start`, steps 0 to
refresh_interval - 1, with one K g; `late`, where the NTK part of the batch has decayed to nothing (the step counter is set there; how
long a step takes does not depend on the weights).
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from kernel import plain_siren
from machine import machine
from torch import Tensor, nn
from torch.func import functional_call, jvp, vjp

from nint.machine.malloc import keep_freed_memory
from nint.runs.build import build_run
from nint.runs.job import Job, make_job
from nint.samplers.nint import Nint
from nint.training.budgets import Budget
from nint.training.engine import Run, train_step, warm_up

GOAL = 0.35
LATE_STEP = 1000


class PlainNint:
    """NINT as it is commonly written, full batch.

    Args:
        field: Network; a copy is trained.
        coords: `[n, 2]`.
        values: `[n, c]`.
        sampler: Shares and intervals.
        lr: Learning rate.
    """

    def __init__(self, field: nn.Module, coords: Tensor, values: Tensor, sampler: Nint, lr: float) -> None:
        self.model = plain_siren(copy.deepcopy(field))
        self.coords, self.values, self.sampler = coords, values, sampler
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=lr)
        self.step = 0
        self.ntk_scores: Tensor | None = None
        self.rng = torch.Generator().manual_seed(0)

    def select(self) -> tuple[Tensor, int]:
        """Rows to train on, and how many of them, at the front, were chosen by a score."""
        n, given = len(self.coords), self.sampler
        batch = int(given.batch_share * n)
        n_random = int(given.random_share * batch)
        n_ntk = int(math.exp(-given.decay_rate * self.step / given.refresh_interval) * (batch - n_random))
        n_error = batch - n_random - n_ntk
        prediction = None
        if n_ntk and (self.ntk_scores is None or self.step % given.refresh_interval == 0):
            prediction = self._score()
        if prediction is None:
            with torch.no_grad():
                prediction = self.model(self.coords)
        free = torch.ones(n, dtype=torch.bool)
        chosen = []
        for scores, count in ((self.ntk_scores, n_ntk), ((prediction - self.values).norm(dim=1), n_error)):
            if count:
                chosen.append(torch.topk(scores.masked_fill(~free, -torch.inf), count).indices)
                free[chosen[-1]] = False
        left = free.nonzero().squeeze(1)
        chosen.append(left[torch.randperm(len(left), generator=self.rng)[:n_random]])
        return torch.cat(chosen), n_ntk + n_error

    def train_step(self) -> None:
        rows, _ = self.select()
        self.optimizer.zero_grad()
        (self.model(self.coords[rows]) - self.values[rows]).square().mean().backward()
        self.optimizer.step()
        self.step += 1

    def _score(self) -> Tensor:
        params = {name: p.detach() for name, p in self.model.named_parameters()}

        def predict(parameters: dict[str, Tensor]) -> Tensor:
            return functional_call(self.model, parameters, (self.coords,))

        prediction, pull = vjp(predict, params)
        (gradient,) = pull((prediction - self.values) * (2 / self.values.shape[1]))
        self.ntk_scores = jvp(predict, (params,), (gradient,))[1].norm(dim=1)
        return prediction.detach()


def both(job: Job, step: int) -> tuple[Run, PlainNint]:
    """The two ways from the same start weights, at a step."""
    run = build_run(job, Budget(steps=2 * LATE_STEP))
    pool = run.teacher.probe
    plain = PlainNint(run.field, pool.coords, pool.values, run.teacher.sampler, job.rate)
    run.teacher.step = plain.step = step
    return run, plain


def measure(side: int, size: str, repeats: int, block: int | None = None) -> list[dict[str, Any]]:
    """A row for each phase.

    Args:
        side: Of the image.
        size: Of the network.
        repeats: Blocks of each way, after one that is thrown away.
        block: Steps in a block; None is refresh_interval.
    """
    job = make_job("sample:astronaut", max_side=side, field=f"siren:size={size}", sampler="nint:batch_share=0.2", device="cpu")
    steps = block or job.sampler.refresh_interval
    keep_freed_memory()
    rows = []
    for phase, first in (("start", 0), ("late", LATE_STEP)):
        run, plain = both(job, first)
        warm_up(run.field, run.teacher.probe.coords)
        ours, scored = set(run.teacher.select().indices.tolist()), plain.select()
        agreement = sum(int(row) in ours for row in scored[0][: scored[1]]) / max(scored[1], 1)
        seconds: dict[str, list[float]] = {"ours": [], "plain": []}
        for number in range(repeats + 1):
            run, plain = both(job, first)
            for way, step in (("ours", lambda: train_step(run)), ("plain", plain.train_step)):  # noqa: B023
                start = time.perf_counter()
                for _ in range(steps if number else 1):
                    step()
                if number:
                    seconds[way].append((time.perf_counter() - start) / steps)
        medians = {way: statistics.median(taken) for way, taken in seconds.items()}
        rows.append(
            {
                "benchmark": "dense step",
                "phase": phase,
                "side": side,
                "size": size,
                "settings": job.settings(),
                "steps_in_a_block": steps,
                "ours_s": medians["ours"],
                "plain_s": medians["plain"],
                "ratio": medians["ours"] / medians["plain"],
                "goal": GOAL,
                "scored_points_in_common_at_first_step": agreement,
                "seconds": seconds,
                **machine(),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["512:5x256", "256:5x128"], help="SIDE:SIZE")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--block", type=int, help="steps in a block, for a smoke test; refresh_interval if left out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for case in options.cases:
        side, _, size = case.partition(":")
        for row in measure(int(side), size, options.repeats, options.block):
            common = row["scored_points_in_common_at_first_step"]
            took = f"ours {row['ours_s']:.3f} s  plain {row['plain_s']:.3f} s  ratio {row['ratio']:.3f} (goal {GOAL})"
            print(f"{side}x{side} {size} {row['phase']:5s} {took}; scored points in common {common:.4f}", flush=True)
            if options.out:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
