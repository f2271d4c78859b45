"""What choosing the points costs: selection seconds per step of each sampler as a share of its training step.

    python benchmarks/selection.py [--side 512] [--size 5x256] [--steps 12] [--out benchmarks/results/selection.jsonl]

Scoring (forwards, backwards and forward-mode passes that a sampler asks of the network) is counted apart from bookkeeping
(top-k, masks, permutations, edge maps). Preparation before the first step is listed too. Samplers take steps in turn, so that a
slow minute of the machine hits all; figures are medians over steps, the first of which is thrown away.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from machine import machine

import nint.probe.probe
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.samplers import SAMPLERS
from nint.training.budgets import Budget
from nint.training.engine import train_step

GOAL = 0.10
SPENT = {"scoring": 0.0}


def timed(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            SPENT["scoring"] += time.perf_counter() - start

    return wrapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--input", default="sample:astronaut")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--size", default="5x256")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS.names(plugins=False))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    for name in ("forward_rows", "vjp_rows", "jvp_rows"):
        setattr(nint.probe.probe, name, timed(getattr(nint.probe.probe, name)))
    runs, rows, prepared = {}, {}, {}
    for sampler in options.samplers:
        job = make_job(options.input, max_side=options.side, field=f"siren:size={options.size}", sampler=sampler)
        start = time.perf_counter()
        runs[sampler] = build_run(job, Budget(steps=options.steps))
        prepared[sampler] = time.perf_counter() - start
        rows[sampler] = []
    for _ in range(options.steps):
        for sampler, run in runs.items():
            training, selection = run.clock.training_s, run.clock.selection_s
            SPENT["scoring"] = 0.0
            train_step(run)
            training, selection = run.clock.training_s - training, run.clock.selection_s - selection
            rows[sampler].append((training, selection, SPENT["scoring"]))
    print(f"{'sampler':16s} {'step s':>8s} {'scoring s':>10s} {'bookkeeping s':>14s} {'of training':>12s} {'prepare s':>10s}")
    for sampler, measured in rows.items():
        kept = measured[1:]
        total = statistics.median(t for t, _, _ in kept)
        train = statistics.median(t - s for t, s, _ in kept)
        scoring = statistics.median(c for _, _, c in kept)
        bookkeeping = statistics.median(s - c for _, s, c in kept)
        row = {
            "benchmark": "selection",
            "sampler": sampler,
            "side": options.side,
            "size": options.size,
            "steps": options.steps,
            "step_s": total,
            "forward_backward_update_s": train,
            "scoring_s": scoring,
            "bookkeeping_s": bookkeeping,
            "bookkeeping_share_of_training_step": bookkeeping / train,
            "selection_share_of_step": (bookkeeping + scoring) / total,
            "prepare_s": prepared[sampler],
            "goal": GOAL,
            **machine(),
        }
        share = row["bookkeeping_share_of_training_step"]
        print(f"{sampler:16s} {total:8.3f} {scoring:10.3f} {bookkeeping:14.4f} {share:11.1%} {prepared[sampler]:10.3f}")
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
