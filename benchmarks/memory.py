"""Peak memory of scoring and of a very large image, each in a process of its own.

    python benchmarks/memory.py scoring [--side 4096] [--out benchmarks/results/memory.jsonl]
    python benchmarks/memory.py large [--side 10000] [--out benchmarks/results/memory.jsonl]

scoring: one NTK score (K g, then its norm) of side x side points, SIREN 5x256; what it takes over the data and the scores.
large: a side x side RGB photo as a memory-mapped .npy is fitted for a few steps and decoded to a .npy, by the command line; what
each process takes over one that has only imported nint.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MIB = 2**20
GOAL_MIB = 1536


def peak_mib(who: int = resource.RUSAGE_SELF) -> float:
    peak = resource.getrusage(who).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def score(side: int) -> dict[str, Any]:
    import torch

    from nint.fields import FIELDS
    from nint.probe.objectives import L2
    from nint.probe.probe import Probe
    from nint.scores.ntk import ntk_gradient_norm
    from nint.signals import GridCoords, Pool

    field = FIELDS.parse("siren").build(2, 3, torch.Generator().manual_seed(0))
    values = torch.rand(side * side, 3, generator=torch.Generator().manual_seed(1))
    ntk_gradient_norm(Probe(field, Pool(GridCoords((64, 64)), values[: 64 * 64]), L2()))  # loads what torch loads at first use
    before = peak_mib()
    start = time.perf_counter()
    scores = ntk_gradient_norm(Probe(field, Pool(GridCoords((side, side)), values), L2()))
    held = scores.numel() * scores.element_size() / MIB
    return {
        "benchmark": "memory: NTK score",
        "side": side,
        "points": side * side,
        "seconds": time.perf_counter() - start,
        "before_mib": before,
        "peak_mib": peak_mib(),
        "scores_mib": held,
        "over_data_and_scores_mib": peak_mib() - before - held,
        "goal_mib": GOAL_MIB,
    }


def child_peak_mib(command: list[str]) -> tuple[float, float]:
    """Peak of one command, in MiB, and its seconds."""
    watcher = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", watcher, *command], capture_output=True, text=True, check=True)
    peak = float(done.stdout.strip().splitlines()[-1])
    return (peak / MIB if sys.platform == "darwin" else peak / 1024), time.perf_counter() - start


def large(side: int, steps: int) -> list[dict[str, Any]]:
    import numpy as np
    from numpy.lib.format import open_memmap
    from skimage import data

    photo = data.astronaut()
    nint = [sys.executable, "-m", "nint.cli.main"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "large.npy", Path(folder) / "out"
        image = open_memmap(path, mode="w+", dtype=np.uint8, shape=(side, side, 3))
        columns = np.arange(side) % photo.shape[1]
        for row in range(side):
            image[row] = photo[row % photo.shape[0], columns]
        image.flush()
        del image
        idle, _ = child_peak_mib([sys.executable, "-c", "import torch, nint.fitting, nint.signals.grid.array, skimage"])
        commands = {
            "fit": [*nint, "fit", str(path), "--steps", str(steps), "--size", "5x256", "--out", str(out), "--no-pictures"],
            "decode": [*nint, "decode", str(out), str(Path(folder) / "decoded.npy")],
        }
        for name, command in commands.items():
            peak, seconds = child_peak_mib(command)
            rows.append(
                {
                    "benchmark": f"memory: {name} {side}x{side}",
                    "command": " ".join(["nint", *command[3:]]).replace(folder, "."),
                    "points": side * side,
                    "seconds": seconds,
                    "idle_process_mib": idle,
                    "peak_mib": peak,
                    "over_idle_process_mib": peak - idle,
                    "goal_mib": GOAL_MIB,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("scoring", "large"))
    parser.add_argument("--side", type=int)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = [score(options.side or 4096)] if options.what == "scoring" else large(options.side or 10_000, options.steps)
    from machine import machine

    for row in rows:
        print(json.dumps(row, indent=1))
        if options.out:
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row | machine()) + "\n")


if __name__ == "__main__":
    main()
