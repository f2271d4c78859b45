"""`nint fit-all` whose workers, parent and Dask scheduler are killed at random moments, and which goes on until its dataset is whole.

    python tests/robustness/kills_many.py --kills 20 --seed 0 [--signals 600] [--steps 400]

prints as JSON how often each was killed and how many datasets became whole, and what of them was lost, repeated or differs from a run that
was left alone. About half a minute a kill.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

TARGETS = ("parent", "worker", "scheduler")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
PORT = 18786


def nint(folder: Path, *words: object) -> subprocess.Popen[bytes]:
    """Starts fit-all in a folder with `in.npy`."""
    command = [sys.executable, "-m", "nint", "fit-all", "in.npy", "--leading-axis", "--quiet", *map(str, words)]
    with open(folder / "said", "ab") as said:
        return subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=said, stderr=said, start_new_session=True)


def cluster(folder: Path) -> list[subprocess.Popen[bytes]]:
    """A Dask scheduler and a worker of two processes; the scheduler comes first."""
    with open(folder / "said", "ab") as said:
        options: dict[str, Any] = {"cwd": folder, "env": ENVIRONMENT, "stdout": said, "stderr": said, "start_new_session": True}
        start = [sys.executable, "-m", "dask"]
        head = [*start, "scheduler", "--host", "127.0.0.1", "--port", str(PORT), "--no-dashboard"]
        body = [*start, "worker", f"tcp://127.0.0.1:{PORT}", "--nworkers", "2", "--nthreads", "1", "--no-dashboard", "--death-timeout", "5"]
        return [subprocess.Popen(head, **options), subprocess.Popen(body, **options)]


def children(process: int, like: str = "") -> list[int]:
    """Processes that a process has started, and theirs; of those started by itself only the ones whose command holds a word."""
    pattern = ["-f", like] if like else []
    found = [int(word) for word in subprocess.run(["pgrep", "-P", str(process), *pattern], capture_output=True, text=True).stdout.split()]
    return found + [one for child in found for one in children(child)]


def end(*started: subprocess.Popen[bytes]) -> None:
    """Kills processes and what they started."""
    for process in started:
        for one in (*children(process.pid), process.pid):
            try:
                os.kill(one, signal.SIGKILL)
            except ProcessLookupError:
                continue
        process.wait()


def attempt(folder: Path, words: list[object], out: str, target: str, rng: random.Random) -> bool:
    """One run with one kill; whether something was killed before the run had ended."""
    helpers = cluster(folder) if target == "scheduler" else []
    where = ["--scheduler", f"tcp://127.0.0.1:{PORT}"] if helpers else ["--workers", 2]
    run = nint(folder, *words, "--out", out, *where, *(["--resume"] if (folder / out / "dataset.json").exists() else []))
    time.sleep(rng.uniform(6, 20))
    if run.poll() is not None:
        end(*helpers)
        return False
    victims = {"parent": [run.pid], "worker": children(run.pid, "spawn_main"), "scheduler": [process.pid for process in helpers[:1]]}[
        target
    ]
    if victims:
        os.kill(rng.choice(victims), signal.SIGKILL)
        time.sleep(rng.uniform(0.5, 4))
    end(run, *helpers)
    return bool(victims)


def values(folder: Path) -> dict[str, Any]:
    """Id of each signal -> its parameters, every row of the index."""
    import nint as library

    dataset = library.open_dataset(folder)
    found: dict[str, Any] = {}
    for parameters, row in (dataset[number] for number in range(len(dataset))):
        if row["id"] in found:
            raise SystemExit(f"{row['id']} is there twice")
        found[row["id"]] = parameters
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signals", type=int, default=600)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    rng, killed = random.Random(options.seed), Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows, columns = np.mgrid[0:24, 0:24] / 24
        turns = np.arange(1, options.signals + 1)[:, None, None]
        np.save(folder / "in.npy", (0.5 + 0.4 * np.sin(turns / 7 * rows * 9) * np.cos(columns * turns / 11)).astype(np.float32)[..., None])
        words: list[object] = ["--kind", "image", "--field", "siren:size=2x16", "--steps", options.steps]
        assert nint(folder, *words, "--out", "alone", "--workers", 2).wait() == 0, (folder / "said").read_text()
        alone, whole, lost, differing = values(folder / "alone"), 0, [], []
        out, number = "out-0", 0
        while killed.total() < options.kills or out:
            target = TARGETS[number % len(TARGETS)]
            number += 1
            if killed.total() < options.kills and attempt(folder, [*words], out, target, rng):
                killed[target] += 1
                continue
            last = ["--resume"] if (folder / out / "dataset.json").exists() else []
            assert nint(folder, *words, "--out", out, "--workers", 2, *last).wait() == 0, (folder / "said").read_text()
            found, whole = values(folder / out), whole + 1
            lost += sorted(alone.keys() ^ found.keys())
            differing += [
                key for key in alone.keys() & found.keys() if any(bool((alone[key][n] != found[key][n]).any()) for n in alone[key])
            ]
            out = f"out-{whole}" if killed.total() < options.kills else ""
    print(json.dumps({"killed": killed, "whole": whole, "lost": lost, "differing": differing, "signals": len(alone)}))
    raise SystemExit(bool(lost or differing))


if __name__ == "__main__":
    main()
