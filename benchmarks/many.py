"""Many signals: `nint fit-all` against a shell loop of `nint fit` and `nint.fit` in one warm process; photos with a budget of seconds.

    python benchmarks/many.py small --data ../shared/data --out benchmarks/results/many.jsonl     # 1,000 tiles of 32x32 to 35 dB
    python benchmarks/many.py photos --data ../shared/data --out benchmarks/results/many.jsonl    # 24 photos, 10 s each
    python benchmarks/many.py stacks --data ../shared/data --out benchmarks/results/many.jsonl    # speed by the size of a stack
    python benchmarks/many.py paper --out benchmarks/results/many.jsonl                           # constants of docs/scaling.md

The three ways of `small` alternate (half of the tiles each), so that a slow minute hits all alike; the warm loop and the shell loop are run
on `--sample` and `--shell` tiles of each half. Seconds are wall time of the whole command; processor seconds, of all its processes, stand
beside.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine
from PIL import Image

SIDE = 32
FIELD = "siren:size=3x32"


def tiles(data: Path, count: int) -> list[np.ndarray]:
    """Tiles of 32x32 pixels, spread evenly over the given photos; those of one colour are left out."""
    photos = sorted([*(data / "kodak").glob("*.png"), *(data / "div2k").glob("*.png")])
    each = -(-count // len(photos)) + 4  # some may be of one colour
    found: list[np.ndarray] = []
    for photo in photos:
        pixels = np.asarray(Image.open(photo).convert("RGB"))
        rows, columns = pixels.shape[0] // SIDE, pixels.shape[1] // SIDE
        for place in np.linspace(0, rows * columns - 1, each).astype(int):
            top, left = SIDE * (place // columns), SIDE * (place % columns)
            tile = pixels[top : top + SIDE, left : left + SIDE]
            if (tile != tile[0, 0]).any():
                found.append(tile)
    if len(found) < count:
        raise SystemExit(f"There are {len(found)} tiles here; give --count {len(found)} or less.")
    return found[:count]


class Measured:
    """Wall and processor seconds of a block, child processes included."""

    def __enter__(self) -> Measured:
        self._wall, self._cpu = time.perf_counter(), _cpu()
        return self

    def __exit__(self, *error: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self._wall, _cpu() - self._cpu


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def nint(*words: object) -> None:
    subprocess.run([sys.executable, "-m", "nint", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def small(options: argparse.Namespace) -> list[dict[str, object]]:
    """Signals a second of the three ways; the number of steps is the same in all, that which brings the mean to 35 dB."""
    import torch

    import nint as library

    torch.set_num_threads(1)
    parts = np.array_split(np.arange(options.count), options.parts)
    stack = tiles(options.data, options.count)
    totals = {name: [0, 0.0, 0.0] for name in ("fit-all", "warm loop", "shell loop")}
    qualities = []
    settings = {"field": FIELD, "budget": options.steps}
    library.fit(stack[0], **settings)  # warm
    for part in parts:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "in"
            place.mkdir()
            for number in part:
                Image.fromarray(stack[number]).save(place / f"{number:04d}.png")
            with Measured() as used:
                nint(
                    "fit-all",
                    place,
                    "--out",
                    f"{folder}/out",
                    "--field",
                    FIELD,
                    "--steps",
                    options.steps,
                    "--workers",
                    options.workers,
                    "--quiet",
                )
            _add(totals["fit-all"], len(part), used)
            found = library.open_dataset(f"{folder}/out")
            assert len(found) == len(part)
            qualities += found.index.column("psnr").to_pylist()
            few = part[: options.sample]
            with Measured() as used:
                for number in few:
                    library.fit(place / f"{number:04d}.png", **settings)
            _add(totals["warm loop"], len(few), used)
            with Measured() as used:
                for number in few[: options.shell]:
                    nint(
                        "fit",
                        place / f"{number:04d}.png",
                        "--out",
                        f"{folder}/one",
                        "--field",
                        FIELD,
                        "--steps",
                        options.steps,
                        "--force",
                        "--quiet",
                    )
            _add(totals["shell loop"], len(few[: options.shell]), used)
        print({name: round(count / wall, 3) for name, (count, wall, _) in totals.items()}, file=sys.stderr, flush=True)
    rates = {name: count / wall for name, (count, wall, _) in totals.items()}
    row = {
        "what": "small",
        "signals": options.count,
        "steps": options.steps,
        "workers": options.workers,
        "mean_psnr": float(np.mean(qualities)),
        "signals_per_second": rates,
        "signals_per_processor_second": {name: count / cpu for name, (count, _, cpu) in totals.items()},
        "over_shell_loop": rates["fit-all"] / rates["shell loop"],
        "over_warm_loop": rates["fit-all"] / rates["warm loop"],
    }
    return [row]


def _add(total: list[float], count: int, used: Measured) -> None:
    total[0] += count
    total[1] += used.wall
    total[2] += used.cpu


def photos(options: argparse.Namespace) -> list[dict[str, object]]:
    """Wall time over the sum of training seconds for photos of Kodak's size with a budget of seconds each."""
    import nint as library

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "in"
        place.mkdir()
        given = sorted([*(options.data / "kodak").glob("*.png"), *(options.data / "div2k").glob("*.png")])
        for number in range(options.photos):  # parts of Kodak's size of larger ones where there are too few
            pixels = np.asarray(Image.open(given[number % len(given)]).convert("RGB"))
            top = 61 * (number // len(given)) % max(pixels.shape[0] - 511, 1)
            Image.fromarray(pixels[top : top + 512, :768]).save(place / f"{number:02d}.png")
        with Measured() as used:
            nint(
                "fit-all",
                place,
                "--out",
                f"{folder}/out",
                "--seconds",
                options.seconds,
                "--quiet",
                *(("--workers", options.workers) if options.shared else ()),
            )
        found = library.open_dataset(f"{folder}/out")
        seconds = float(sum(found.index.column("seconds").to_pylist()))
        quality = float(np.mean(found.index.column("psnr").to_pylist()))
    return [
        {
            "what": "photos",
            "photos": options.photos,
            "seconds_each": options.seconds,
            "workers": options.workers if options.shared else 1,
            "wall_seconds": used.wall,
            "training_seconds": seconds,
            "wall_over_training": used.wall / seconds,
            "mean_psnr": quality,
        }
    ]


def stacks(options: argparse.Namespace) -> list[dict[str, object]]:
    """Processor time of a step and signal by the number of signals in a stack; sizes alternate."""
    import torch

    from nint.many.stack import Stack
    from nint.runs.job import make_job
    from nint.training.budgets import Budget

    torch.set_num_threads(1)
    budget = Budget(steps=options.steps)
    jobs = [make_job(tile, recipe="default", budget=budget, field=FIELD) for tile in tiles(options.data, max(options.sizes))]
    best = dict.fromkeys(options.sizes, float("inf"))
    for _ in range(options.rounds):
        for size in options.sizes:
            part = jobs[:size]
            stack = Stack(part, [job.signal.pool(job.device) for job in part], budget)
            began = time.process_time()
            stack.train()
            best[size] = min(best[size], (time.process_time() - began) / size / options.steps)
    return [
        {"what": "stacks", "steps": options.steps, "processor_microseconds_per_step_and_signal": {str(s): 1e6 * t for s, t in best.items()}}
    ]


def paper(options: argparse.Namespace) -> list[dict[str, object]]:
    """Bytes of a field and of its index row, seconds of writing an index row and of a task that does nothing."""
    from concurrent.futures import ProcessPoolExecutor

    from nint.many.batch import Order, fit_batch
    from nint.many.index import write_index
    from nint.many.inputs import items_of
    from nint.many.shards import shard_names
    from nint.many.writer import Writer
    from nint.runs.options import FitSettings
    from nint.training.budgets import Budget

    rng = np.random.default_rng(0)
    images = {f"s{number:06d}": rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8) for number in range(64)}
    found = fit_batch(items_of(images), Order(FitSettings(recipe="default", field=FIELD), Budget(steps=2)))
    assert found is not None
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer(Path(folder), {"train": 1.0})
        writer.add(found)
        shard = sum((Path(folder) / name).stat().st_size for name in shard_names(Path(folder)))
        rows = [row | {"id": f"{row['id']}-{turn}"} for turn in range(options.rows // 64) for row in writer.rows]
        began = time.perf_counter()
        write_index(Path(folder), rows)
        index_s, index = time.perf_counter() - began, (Path(folder) / "index.parquet").stat().st_size
        began = time.perf_counter()
        Writer(Path(folder), {"train": 1.0})
        mend_s = time.perf_counter() - began
    with ProcessPoolExecutor(1) as executor:
        executor.submit(int).result()
        began = time.perf_counter()
        for _ in range(200):
            executor.submit(int).result()
        task_s = (time.perf_counter() - began) / 200
    return [
        {
            "what": "paper",
            "shard_bytes_per_field": shard / 64,
            "index_bytes_per_row": index / len(rows),
            "index_seconds_per_row": index_s / len(rows),
            "mend_seconds_per_field": mend_s / 64,
            "pool_seconds_per_empty_task": task_s,
        }
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("small", "photos", "stacks", "paper"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--count", type=int, default=1000, help="tiles")
    parser.add_argument("--steps", type=int, default=200, help="of each tile")
    parser.add_argument("--parts", type=int, default=2, help="in which the tiles are taken, the three ways in turn")
    parser.add_argument("--sample", type=int, default=10, help="tiles of each part for the warm loop")
    parser.add_argument("--shell", type=int, default=3, help="of these, those for the shell loop")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--shared", action="store_true", help="photos: share them among the workers too")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16, 64, 128])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=64_000, help="of the index that is written")
    options = parser.parse_args()
    rows = {"small": small, "photos": photos, "stacks": stacks, "paper": paper}[options.what](options)
    for row in rows:
        line = json.dumps(row | {"machine": machine()})
        print(line)
        if options.out is not None:
            options.out.parent.mkdir(parents=True, exist_ok=True)
            with open(options.out, "a", encoding="utf-8") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
