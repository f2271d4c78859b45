"""One signal over several gloo processes on one machine: memory, equality of what is chosen, overhead of a step, and constants.

    python benchmarks/distributed.py scoring [--points 16777216] [--ranks 2] [--out benchmarks/results/distributed.jsonl]
    python benchmarks/distributed.py step [--side 512] [--ranks 2] [--steps 20] [--turns 3]
    python benchmarks/distributed.py constants [--ranks 2]

scoring: `int` chooses a fifth of the points of a memory-mapped .npy at the start weights, in one process and over ranks: the peak memory of
each process, and whether the sets are equal, both to that of `torch.topk` in one process and to a stable sort of its scores (they differ
where the scores at the threshold are equal to the last bit: topk takes any of them, ranks and the sort the lower rows).
step: mean seconds of a step of `nint` (two of twenty score anew) and of `nint-fast` in one process and over ranks, one thread each, in
turn; time x ranks / single, of the medians over the turns.
constants: what docs/distributed.md computes with: latency and rate of a sum over processes, rates of selecting, reading and hashing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MIB = 2**20


def peak_mib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def write_signal(path: Path, side: int, rows: int) -> None:
    """A float32 image `[rows, side, 3]` of waves of many lengths, written strip by strip."""
    import numpy as np

    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, side, 3))
    x = np.linspace(-1, 1, side, dtype=np.float32)
    for row in range(rows):
        y = np.float32(2 * row / max(rows - 1, 1) - 1)
        out[row] = np.stack([np.sin(40 * x * y), np.cos(9 * x + 30 * y * y), np.sin(200 * x) * y], axis=-1)
    out.flush()


def settings(sampler: Any, field: str) -> Any:
    from nint.runs.options import FitSettings

    return FitSettings(recipe="paper", field=field, sampler=sampler, device="cpu", total_steps=1000)


def run_of(path: Path, sampler: Any, field: str, group: Any) -> Any:
    """A run at step 0, in one process where the group is None."""
    from nint.runs.build import build_run
    from nint.runs.job import read_job
    from nint.sharded_fit import read_sharded_job
    from nint.training.budgets import Budget

    asked = settings(sampler, field)
    job = read_job(str(path), asked) if group is None else read_sharded_job(str(path), asked, None, group)
    return build_run(job, Budget(steps=1000), group=group)


def scoring(path: Path, group: Any, out: Path) -> None:
    import numpy as np
    import torch

    from nint.samplers.int import Int

    run = run_of(path, Int(batch_share=0.2), "siren:size=3x64", group)
    before, start = peak_mib(), time.perf_counter()
    rows = run.teacher.select().indices
    seconds, peak = time.perf_counter() - start, peak_mib()
    first = 0 if group is None else run.signal.shard.start
    rank = "single" if group is None else group.rank
    np.save(out / f"rows-{rank}.npy", np.sort(rows.numpy() + first))
    (out / f"said-{rank}.json").write_text(json.dumps({"before_mib": before, "peak_mib": peak, "seconds": seconds, "chosen": len(rows)}))
    if group is None:  # the oracle, after the peak was read
        scores = run.teacher.probe.residual().abs().sum(1)
        order = torch.sort(scores, descending=True, stable=True).indices[: len(rows)]
        np.save(out / "rows-sort.npy", np.sort(order.numpy()))


def step(path: Path, group: Any, out: Path, sampler: str, field: str, steps: int) -> None:
    import torch

    from nint.training.engine import train_step, warm_up

    torch.set_num_threads(1)
    run = run_of(path, sampler, field, group)
    warm_up(run.field, run.teacher.probe.coords)
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        train_step(run)
        times.append(time.perf_counter() - start)
    # A mean, as every tenth step of `nint` scores anew; the first step is not of it.
    if group is None or group.rank == 0:
        (out / f"step-{'single' if group is None else 'ranks'}.json").write_text(json.dumps(statistics.mean(times[1:])))


def constants(group: Any, out: Path) -> None:
    import numpy as np
    import torch

    from nint.distributed.shard import leaves_of
    from nint.distributed.top import global_top
    from nint.ntk.products import forward_rows
    from nint.signals.base import GridCoords
    from nint.signals.grid_rows import rows_of
    from nint.signals.leaves import leaf_digests

    def processor_time(work: Any) -> float:
        """Of one thread: other programs of the machine change it little."""
        work()
        found = []
        for _ in range(3):
            start = time.thread_time()
            work()
            found.append(time.thread_time() - start)
        return statistics.median(found)

    def least_wall_time(work: Any, times: int) -> float:
        """Waiting for the other process is part of it, so the least of many is taken."""
        found = []
        for _ in range(times):
            start = time.perf_counter()
            work()
            found.append(time.perf_counter() - start)
        return min(found)

    def spread(rows: Any) -> None:
        for block in rows.blocks():
            np.isinf(block).any(), np.isnan(block).any(), np.fmin.reduce(block, axis=None), np.fmax.reduce(block, axis=None)

    torch.set_num_threads(1)
    small, large = torch.zeros(1), torch.zeros(2**22)
    points = 2**21
    scores = torch.rand(points, generator=torch.Generator().manual_seed(group.rank))
    array = np.random.default_rng(0).random((2**20, 3), dtype=np.float32)
    rows = rows_of(array, 1)
    field = _field("siren")
    coords = GridCoords((256, 256))
    found = {
        "sum_latency_s": least_wall_time(lambda: group.sum_(small), 200),
        "sum_bytes_per_s": 4 * len(large) / least_wall_time(lambda: group.sum_(large), 20),
        "top_points_per_s": points / processor_time(lambda: global_top(scores, points * group.size // 5, group)),
        "hash_bytes_per_s": array.nbytes / processor_time(lambda: leaf_digests(rows, leaves_of(0, 1))),
        "scan_bytes_per_s": array.nbytes / processor_time(lambda: spread(rows)),
        "forward_points_per_s": len(coords) / processor_time(lambda: forward_rows(field, coords, 4096)),
    }
    if group.rank == 0:
        (out / "constants.json").write_text(json.dumps(found))


def _field(name: str) -> Any:
    import torch

    from nint.fields import FIELDS

    return FIELDS.parse(name).build(2, 3, torch.Generator().manual_seed(0))


def child(what: str, arguments: list[str]) -> None:
    """Runs a part in this process, over ranks where a launcher started it."""
    from nint.distributed.launch import joined, launched

    def work(group: Any) -> None:
        if what == "scoring":
            scoring(Path(arguments[0]), group, Path(arguments[1]))
        elif what == "step":
            step(Path(arguments[0]), group, Path(arguments[1]), arguments[2], arguments[3], int(arguments[4]))
        else:
            constants(group, Path(arguments[0]))

    if launched():
        with joined("cpu") as group:
            work(group)
    else:
        work(None)


def start(ranks: int, *arguments: str) -> None:
    launcher = [] if ranks == 1 else ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *launcher, __file__, "child", *arguments], check=True, env=environment)


def measure_scoring(points: int, ranks: int, folder: Path) -> dict[str, Any]:
    import numpy as np

    side = max(1, round(points**0.5))
    path = folder / "signal.npy"
    write_signal(path, side, max(2, points // side))
    for number in (1, ranks):
        start(number, "scoring", str(path), str(folder))
    said = [json.loads((folder / f"said-{rank}.json").read_text()) for rank in ("single", *range(ranks))]
    together = np.sort(np.concatenate([np.load(folder / f"rows-{rank}.npy") for rank in range(ranks)]))
    single, ordered = np.load(folder / "rows-single.npy"), np.load(folder / "rows-sort.npy")
    return {
        "benchmark": "distributed: scoring",
        "points": side * max(2, points // side),
        "ranks": ranks,
        "single": said[0],
        "by_rank": said[1:],
        "memory_ratio": max(part["peak_mib"] for part in said[1:]) / said[0]["peak_mib"],
        "goal_memory_ratio": 0.6,
        "equals_stable_sort": bool(np.array_equal(together, ordered)),
        "differs_from_stable_sort": len(np.setxor1d(together, ordered)) // 2,
        "equals_single": bool(np.array_equal(together, single)),
        "differs_from_single": len(np.setxor1d(together, single)) // 2,
    }


def measure_step(side: int, ranks: int, steps: int, turns: int, field: str, samplers: list[str], folder: Path) -> list[dict[str, Any]]:
    path = folder / "signal.npy"
    write_signal(path, side, side)
    found = []
    for sampler in samplers:
        times: dict[str, list[float]] = {"single": [], "ranks": []}
        for _ in range(turns):
            for name, number in (("single", 1), ("ranks", ranks)):
                start(number, "step", str(path), str(folder), sampler, field, str(steps))
                times[name].append(json.loads((folder / f"step-{name}.json").read_text()))
        single, together = statistics.median(times["single"]), statistics.median(times["ranks"])
        found.append(
            {
                "benchmark": "distributed: step",
                "sampler": sampler,
                "field": field,
                "points": side * side,
                "ranks": ranks,
                "single_s": single,
                "ranks_s": together,
                "overhead": together * ranks / single,
                "goal_overhead": 1.25,
                "turns": times,
            }
        )
    return found


def main() -> None:
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["scoring", "step", "constants"])
    parser.add_argument("--points", type=int, default=2**24)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--field", default="siren:size=3x128")
    parser.add_argument("--samplers", nargs="+", default=["nint", "nint-fast"])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nint-distributed-") as name:
        folder = Path(name)
        if options.what == "scoring":
            found = [measure_scoring(options.points, options.ranks, folder)]
        elif options.what == "step":
            found = measure_step(options.side, options.ranks, options.steps, options.turns, options.field, options.samplers, folder)
        else:
            start(options.ranks, "constants", str(folder))
            measured = json.loads((folder / "constants.json").read_text())
            found = [{"benchmark": "distributed: constants", "ranks": options.ranks, **measured}]
    from machine import machine

    for row in found:
        line = json.dumps(row | {"machine": machine()})
        print(line)
        if options.out is not None:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            with open(options.out, "a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
