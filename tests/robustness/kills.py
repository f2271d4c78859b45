"""Runs that are killed at random moments, also while they resume, and resumed until they end with the result of a run left alone.

    python tests/robustness/kills.py --kills 150 --seed 0

prints what went wrong as JSON. Each run is a fork of this process, which has loaded everything that takes long, and computes on one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLERS = ["nint", "nint-fast", "int", "evos", "egra", "expansive", "soft-mining", "uniform", "full", "nint:candidates=60"]
INPUTS = {
    "image": ["sample:camera", "--max-side", "14"],
    "sound": ["sample:chirp", "--duration", "0.02"],
    "shape": ["sample:box", "--pool-size", "150", "--iou-resolution", "16"],
    "video": ["sample:bouncing", "--max-side", "10"],
    "volume": ["in/vol.npy", "--kind", "volume"],
    "array": ["in/ramp.npy", "--kind", "array"],
    "points": ["in/points.csv", "--in-dims", "2"],
}
ONLY_IMAGES = ("evos", "egra", "expansive", "soft-mining")
TENSORS = "model.safetensors"
KILLED = -signal.SIGKILL


@dataclass
class Outcome:
    """One run that was killed and gone on with.

    Attributes:
        words: The command.
        kills: How often it was killed.
        after: Seconds after which it was, each time.
        wrong: What went wrong; empty where nothing did.
    """

    words: list[str]
    kills: int
    after: list[float]
    wrong: str = ""


def started(words: Sequence[str], folder: Path) -> int:
    """Starts a command in a fork, in a folder; returns the number of its process. Checkpoints are written at every step."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.chdir(folder)
        with open("said", "a") as said, contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            import nint.fitting
            from nint.cli.main import main
            from nint.monitors.checkpoint import Checkpoint

            nint.fitting.Checkpoint = functools.partial(Checkpoint, seconds=0.0)  # type: ignore[misc]
            try:
                code = main(list(words))
            except BaseException:
                traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int, after: float | None = None) -> int:
    """Waits for a process, and kills it after some seconds where it has not ended; returns its exit code, or minus the signal."""
    stop = None if after is None else time.monotonic() + after
    while True:
        done, status = os.waitpid(child, 0 if stop is None else os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if stop is not None and time.monotonic() >= stop:
            os.kill(child, signal.SIGKILL)
            stop = None
        else:
            time.sleep(0.0005)


def commands(rng: random.Random) -> list[str]:
    """A fit, or now and then a comparison, without its output folder."""
    kind = rng.choice(list(INPUTS))
    sampler = rng.choice([name for name in SAMPLERS if kind == "image" or name not in ONLY_IMAGES])
    source = INPUTS[kind]
    if rng.random() < 0.15:
        words = ["compare", *INPUTS["image"], "--samplers", "uniform", "full", "--seeds", "2", "--steps", "6"]
        return [*words, "--size", "1x8", "--threads", "1"]
    recipe = rng.choice(["paper", "default"])
    more = ["--optimizer", "muon"] if rng.random() < 0.2 else []
    more += ["--html"] if rng.random() < 0.1 else []
    more += ["--tensorboard"] if rng.random() < 0.1 else []
    return ["fit", *source, "--sampler", sampler, "--recipe", recipe, "--size", "1x8", "--steps", "25", "--threads", "1", "--quiet", *more]


def result(folder: Path, words: Sequence[str]) -> object:
    """What must be the same: the weights, numbers and last measurement of a fit, the runs of a comparison.

    When a run measures itself between its steps depends on how busy the machine is, so only the last row of its curve is compared.
    """
    if words[0] == "fit":
        record = json.loads((folder / "run.json").read_text())
        numbers = {key: record[key] for key in ("steps", "points_forwarded", "points_backwarded", "points_in_jvps", "forward_equivalents")}
        last = {key: value for key, value in record["curve"][-1].items() if not key.endswith("seconds")}
        return _weights(folder / TENSORS), numbers, last
    lines = [json.loads(line) for line in (folder / "runs.jsonl").read_text().splitlines()]
    assert len({line["key"] for line in lines}) == len(lines), "a run is there twice"
    return {line["key"]: (line["psnr"], line["steps"], line["error"]) for line in lines}


def _weights(path: Path) -> dict[str, bytes]:
    from safetensors.numpy import load_file

    return {name: value.tobytes() for name, value in load_file(path).items()}


def tried(words: list[str], kills: int, rng: random.Random, data: Path, scratch: Path) -> Outcome:
    """Runs a command once alone, then with kills, and compares."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    (scratch / "in").symlink_to(data / "in")
    begun = time.monotonic()
    if ended(started([*words, "--out", "whole"], scratch)) != 0:
        return Outcome(words, 0, [], (scratch / "said").read_text())
    lasts = time.monotonic() - begun
    outcome, code = Outcome(words, 0, []), KILLED
    more: list[str] = []
    for _ in range(kills):
        outcome.after.append(rng.uniform(0, lasts))
        code = ended(started([*words, "--out", "cut", *more], scratch), outcome.after[-1])
        if code != KILLED:
            break
        outcome.kills += 1
        more = ["--resume"] if (scratch / "cut").exists() else []
    if not outcome.kills:
        return outcome
    if code == KILLED or more:  # a run that started anew and came to its end needs nothing more
        code = ended(started([*words, "--out", "cut", *more], scratch))
    said = (scratch / "said").read_text()
    if code == 2 and "to resume in" in said:  # killed before the folder was nint's
        code = ended(started([*words, "--out", "cut"], scratch))
        said = (scratch / "said").read_text()
    left = [path.name for path in (scratch / "cut").rglob("*") if path.name.startswith(".nint-tmp-") or path.name == ".nint.lock"]
    if code != 0 or "Traceback" in said:
        outcome.wrong = f"exit code {code}: {said[-800:]}"
    elif left:
        outcome.wrong = f"left behind: {left}"
    elif result(scratch / "cut", words) != result(scratch / "whole", words):
        outcome.wrong = "another result"
    return outcome


def run_kills(kills: int, seed: int, data: Path, tell: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """Runs commands until so many kills have hit; the same seed gives the same commands (the moments depend on the machine)."""
    import matplotlib.figure  # noqa: F401 - loaded before the forks
    import torch

    import nint.cli.fit  # noqa: F401
    import nint.report.pictures  # noqa: F401

    torch.set_num_threads(1)
    rng = random.Random(seed)
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        while sum(outcome.kills for outcome in outcomes) < kills and len(outcomes) < 3 * kills:
            outcomes.append(tried(commands(rng), rng.choice([1, 1, 2, 3]), rng, data, Path(folder) / "scratch"))
            tell(outcomes[-1])
    return outcomes


def main() -> int:
    """Kills and prints what went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    data = Path(__file__).resolve().parents[1] / "data" / "v0.1.0"
    outcomes = run_kills(options.kills, options.seed, data, lambda outcome: print(outcome.kills, end=" ", file=sys.stderr, flush=True))
    wrong = [vars(outcome) for outcome in outcomes if outcome.wrong]
    hit = [outcome for outcome in outcomes if outcome.kills]
    found = {"kills": sum(outcome.kills for outcome in outcomes), "runs": len(hit), "identical": len(hit) - len(wrong), "wrong": wrong}
    print(json.dumps(found, indent=1))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
