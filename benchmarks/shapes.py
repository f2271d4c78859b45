"""How long the truth of a drawn pool takes, and what time and memory the decoding of a large grid takes.

    python benchmarks/shapes.py [--faces 50000] [--points 50000] [--resolution 256] [--repeats 5] [--out benchmarks/results/shapes.jsonl]

The truth is the signed distance of points drawn as for training, on a torus of about `--faces` faces. Decoding takes the closed form of
a torus instead of a network, so that the figure is that of marching cubes; it runs in a process of its own, whose memory is that over
the same process before decoding. Without libigl the first part is left out.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import machine
from torch import Tensor

from nint.errors import UsageError
from nint.mesh import volume
from nint.signals.samples.shapes import torus
from nint.signals.shape.layout import ShapeLayout
from nint.signals.shape.signal import ShapeSignal

RING, TUBE = 0.6, 0.3
GOAL_S = 0.5


def torus_of(faces: int) -> Any:
    """A torus of about so many faces, its quads nearly square."""
    around = max(round(math.sqrt(faces / 2 * RING / TUBE)), 3)
    return torus(RING, TUBE, around, max(round(faces / 2 / around), 3))


def time_truth(faces: int, points: int, repeats: int) -> dict[str, Any]:
    """Seconds of a draw with its truth, and of the tree over the triangles, which is built once."""
    signal = ShapeSignal(torus_of(faces), "torus", pool_size=points)
    start = time.perf_counter()
    pool = signal.pool("cpu")
    first = time.perf_counter() - start
    seconds = []
    for step in range(repeats):
        start = time.perf_counter()
        signal.redraw(pool, step, 0)
        seconds.append(time.perf_counter() - start)
    median = statistics.median(seconds)
    return {
        "benchmark": "shapes: truth of a drawn pool",
        "faces": signal.layout.faces,
        "points": points,
        "first_s": first,
        "median_s": median,
        "least_s": min(seconds),
        "goal_s": GOAL_S,
        "seconds": seconds,
    }


def exact_torus(coords: Any) -> Tensor:
    points = coords[:]
    return torch.hypot(torch.hypot(points[:, 0], points[:, 1]) - RING, points[:, 2])[:, None] - TUBE


def time_decode(resolution: int) -> dict[str, Any]:
    """Seconds and peak memory of decoding an exact torus, and how far its volume is off."""
    layout = ShapeLayout(centre=(0.0, 0.0, 0.0), scale=1.0, vertices=1, faces=1)
    layout.decode(exact_torus, resolution=16)  # libraries loaded
    before = peak_bytes()
    start = time.perf_counter()
    mesh = layout.decode(exact_torus, resolution=resolution)
    seconds = time.perf_counter() - start
    return {
        "benchmark": "shapes: decode",
        "resolution": resolution,
        "faces": len(mesh.faces),
        "seconds": seconds,
        "peak_memory_over_start_bytes": peak_bytes() - before,
        "mesh_bytes": mesh.vertices.nbytes + mesh.faces.nbytes,
        "grid_bytes": 4 * resolution**3,
        "volume_error": volume(mesh.vertices, mesh.faces) / (2 * np.pi**2 * RING * TUBE**2) - 1,
    }


def peak_bytes() -> int:
    """Most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=int, default=50_000)
    parser.add_argument("--points", type=int, default=50_000)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()

    rows = []
    try:
        row = time_truth(options.faces, options.points, options.repeats)
        rows.append(row)
        print(f"truth   {row['points']:,} points, {row['faces']:,} faces: median {row['median_s']:.3f} s (goal {GOAL_S} s)")
    except UsageError as error:
        print(f"truth   left out: {error}")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        row = pool.apply(time_decode, (options.resolution,))
    rows.append(row)
    memory = row["peak_memory_over_start_bytes"] / 2**20
    print(f"decode  {row['resolution']}^3, {row['faces']:,} faces: {row['seconds']:.2f} s, {memory:.0f} MiB over the start")
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row | machine()) + "\n")


if __name__ == "__main__":
    main()
