"""How a person's machine fares: steps beside busy loops, wall time of a budget in seconds, processor time until training starts.

    python benchmarks/busy.py [--photo PHOTO] [--seconds 30] [--before SRC] [--out benchmarks/results/busy.jsonl]

steps    200 steps of the default recipe (256x256 of the photo, SIREN 5x128), quiet and beside two processes that compute all the time,
         in turn; with --before, the `src` folder of another version, that version's too
wall     `nint fit PHOTO --seconds S --html` as a whole process, quiet and beside the two loops; the goal is 1.2 S + 10 s
start    processor seconds of a process until the first training step of a 256x256 photo
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import machine

LOOP = "while True: sum(range(10000))"
STEPS = """
import sys, time, torch
try:
    from nint.fitting import threads_for
    from nint.runs.build import build_run
    from nint.runs.job import make_job
    from nint.training.budgets import Budget
    from nint.training.engine import train
except ImportError:  # version 0.1
    threads_for = None
    from nint.budgets import Budget
    from nint.build import build_run
    from nint.engine import train
    from nint.job import make_job
budget = Budget(steps=200)
job = make_job(sys.argv[1], recipe="default", max_side=256, field="siren:size=5x128", budget=budget)
threads = threads_for(job, budget) if threads_for else None
run = build_run(job, budget)
if threads:
    threads.give_to(run)
start = time.perf_counter()
train(run)
print(time.perf_counter() - start, threads.number if threads else torch.get_num_threads())
"""
START = """
import resource, sys
from nint.monitors.base import BaseMonitor
from nint.cli import main as cli
import nint.training.engine as engine
plain = engine.train_step
def first(run):
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime)
    sys.stdout.flush()
    import os
    os._exit(0)
engine.train_step = first
cli.main(["fit", sys.argv[1], "--max-side", "256", "--size", "5x128", "--steps", "5", "--out", sys.argv[2], "--quiet", "--threads", "1"])
"""


@contextlib.contextmanager
def loops(number: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    busy = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(number)]
    try:
        time.sleep(0.5)
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def run(code: str, *words: str, source: Path | None = None) -> list[str]:
    """What a program prints, as words."""
    env = os.environ | ({"PYTHONPATH": str(source)} if source else {})
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True, env=env)
    return done.stdout.split()


def steps(photo: str, before: Path | None, repeats: int) -> list[dict[str, Any]]:
    """Seconds of 200 steps, versions and surroundings in turn."""
    ways = {"now": None, **({"before": before} if before else {})}
    seconds: dict[tuple[str, int], list[float]] = {(way, busy): [] for way in ways for busy in (0, 2)}
    threads: dict[tuple[str, int], set[str]] = {key: set() for key in seconds}
    for _ in range(repeats):
        for (way, busy), found in seconds.items():
            with loops(busy):
                taken, number = run(STEPS, photo, source=ways[way])
            found.append(float(taken))
            threads[way, busy].add(number)
    rows = []
    for way in ways:
        quiet, busy = (statistics.median(seconds[way, number]) for number in (0, 2))
        print(f"200 steps, {way:6s}: quiet {quiet:.2f} s, beside two loops {busy:.2f} s, ratio {busy / quiet:.2f}")
        chosen = {number: sorted(threads[way, number]) for number in (0, 2)}
        rows.append(
            {"benchmark": "busy: 200 steps", "way": way, "quiet_s": quiet, "busy_s": busy, "ratio": busy / quiet, "threads": chosen}
        )
    return rows


def wall(photo: str, seconds: float) -> list[dict[str, Any]]:
    """Wall time of a fit with a budget in seconds."""
    rows = []
    for busy in (0, 2):
        with tempfile.TemporaryDirectory() as folder, loops(busy):
            out = str(Path(folder) / "out")
            start = time.perf_counter()
            command = [sys.executable, "-m", "nint.cli.main", "fit", photo, "--seconds", str(seconds), "--html", "--quiet", "--out", out]
            subprocess.run(command, check=True, capture_output=True)
            taken = time.perf_counter() - start
            record = json.loads((Path(out) / "run.json").read_text())
        goal = 1.2 * seconds + 10
        print(f"--seconds {seconds:g} beside {busy} loops: {taken:.1f} s of wall time (goal {goal:.0f}), {record['psnr']:.2f} dB")
        kept = {name: record[name] for name in ("psnr", "steps", "training_seconds", "wall_seconds", "threads")}
        rows.append({"benchmark": "busy: wall time", "loops": busy, "seconds": seconds, "wall_s": taken, "goal_s": goal, **kept})
    return rows


def start(photo: str, repeats: int) -> list[dict[str, Any]]:
    """Processor seconds until the first step."""
    found = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            found.append(float(run(START, photo, str(Path(folder) / "out"))[-1]))
    print(f"start: {statistics.median(found):.2f} processor seconds until the first step")
    return [{"benchmark": "busy: start", "cpu_s": statistics.median(found), "all_s": found}]


def main() -> None:
    """Runs all three and appends their rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photo", default="sample:astronaut")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = start(options.photo, options.repeats)
    rows += steps(options.photo, options.before, options.repeats)
    rows += wall(options.photo, options.seconds)
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps({**row, "photo": options.photo, **machine()}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
