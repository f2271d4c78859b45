"""Training seconds until a picture is good: the default recipe against full training and the paper's NINT, `nint-fast` against uniform.

    python benchmarks/time_to_quality.py [--only large small samplers minute] [--data ../shared/data]
        [--out benchmarks/results/time-to-quality] [--lanes NAME ...] [--device auto] [--small] [--report-only]

The lanes of a part run interleaved in one process, a block of training each in turn; evaluation is off the clock. A finished lane is a
line of `results.jsonl` and is not repeated; a lane that was cut off (Ctrl-C, kill) goes on from its last checkpoint with the same command.
`table.md` and `curves.png` are rebuilt from `results.jsonl` alone (and the dense step from `dense_step.jsonl` beside the folder).
The images are Kodak's, of which --data holds `kodak/kodim04.png` and so on. All of it takes two hours or more on two cores: the lane `full`
of the part `large` alone trains for half an hour.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from machine import machine
from time_to_quality_lanes import Lane
from time_to_quality_lines import read_lines
from time_to_quality_race import race
from time_to_quality_report import write_report

from nint.machine.devices import device_name, resolve_device

PARTS = ("large", "small", "samplers", "minute")

# --- settings of the lanes ---------------------------------------------------------------------------------------------------------
LARGE_SIDE, LARGE_SIZE, LARGE_TARGET = 512, "5x256", 30.0
LARGE_IMAGE = "kodim04"
LARGE_BUDGET = {"steps": 600}
"""The default recipe's budget, as a user would give it; `full` and `nint` of the paper have a constant rate, so they need none."""
SMALL_SIDE, SMALL_SIZE, SMALL_TARGET = 256, "5x128", 28.0
SMALL_IMAGES = ("kodim04", "kodim07", "kodim12")
SMALL_BUDGET = {"steps": 400}
MINUTE_S = 60.0

DEFAULT = {"recipe": "default"}
FULL = {"recipe": "paper", "sampler": "full"}
NINT = {"recipe": "paper", "sampler": "nint"}

SAMPLER_TARGETS = (25.0, 28.0, 30.0)
SAMPLER_IMAGES = ("kodim04", "kodim07", "kodim12")
SAMPLER_SEEDS = (0, 1)
SAMPLER_BUDGET = {"steps": 1200}
"""The same for both samplers; the schedules are laid out over it."""
SAMPLER_NOTE = (
    "Tuned on DIV2K photos 02 and 04 at 256x256 with the same grid of trials for both samplers: Adam and Muon, rates 5e-4, 1e-3 and 2e-3, "
    "batch shares 0.01 to 0.04, constant and growing batch, weight scales 1.2 to 2.5. Both came out best at the same settings. "
    "The settings that only nint-fast has (density and cells) were tried besides: benchmarks/cheap_selection.py."
)
"""How the two recipes below were found, the effort for each."""
NINT_FAST = {
    "recipe": "paper",
    "field": "siren:size=5x128,weight_scale=1.7",
    "sampler": "nint-fast:batch_share=0.03,schedule=growing",
    "optimizer": "muon",
    "lr": 1e-3,
    "lr_schedule": "cosine",
    "warm_up": 0.02,
    "total_steps": SAMPLER_BUDGET["steps"],
}
UNIFORM = {**NINT_FAST, "sampler": "uniform:batch_share=0.03,schedule=growing"}

CAP_S = 2 * 3600.0  # training seconds after which a lane is given up
# A turn is short for a lane that is expected to end early, so that it is spread over the time of the slow one beside it.
BLOCK_S, LARGE_DEFAULT_BLOCK_S, SMALL_DEFAULT_BLOCK_S, SAMPLERS_BLOCK_S = 2.0, 0.3, 0.1, 0.5


def plan(data: Path) -> list[Lane]:
    """Every lane, those that race side by side."""

    def image(name: str) -> str:
        return str(data / "kodak" / f"{name}.png")

    def case(name: str, side: int) -> str:
        return f"{name} {side}x{side}"

    def sized(options: dict[str, Any], size: str) -> dict[str, Any]:
        return {"field": f"siren:size={size}", **options}

    lanes = []
    for part, names, side, size, target, budget, block_s in (
        ("large", (LARGE_IMAGE,), LARGE_SIDE, LARGE_SIZE, LARGE_TARGET, LARGE_BUDGET, LARGE_DEFAULT_BLOCK_S),
        ("small", SMALL_IMAGES, SMALL_SIDE, SMALL_SIZE, SMALL_TARGET, SMALL_BUDGET, SMALL_DEFAULT_BLOCK_S),
    ):
        for name in names:
            where = {"part": part, "case": case(name, side), "image": image(name), "side": side, "targets": (target,), "cap_s": CAP_S}
            lanes.append(Lane(name="default", options=sized(DEFAULT, size), budget=budget, block_s=block_s, **where))
            lanes += [
                Lane(name=lane, options=sized(options, size), block_s=BLOCK_S, **where)
                for lane, options in (("full", FULL), ("nint", NINT))
            ]
    for name in SAMPLER_IMAGES:
        where = {"part": "samplers", "case": case(name, SMALL_SIDE), "image": image(name), "side": SMALL_SIDE, "targets": SAMPLER_TARGETS}
        for seed in SAMPLER_SEEDS:
            for lane, options in (("nint-fast", NINT_FAST), ("uniform", UNIFORM)):
                settings = {"options": options, "budget": SAMPLER_BUDGET, "note": SAMPLER_NOTE}
                lanes.append(Lane(name=lane, seed=seed, block_s=SAMPLERS_BLOCK_S, cap_s=CAP_S, **settings, **where))
    where = {"part": "minute", "case": case(LARGE_IMAGE, LARGE_SIDE), "image": image(LARGE_IMAGE), "side": LARGE_SIDE}
    for lane, options in (("default", DEFAULT), ("nint", NINT)):
        lanes.append(Lane(name=lane, options=sized(options, LARGE_SIZE), budget={"seconds": MINUTE_S}, **where))
    return lanes


def small_plan() -> list[Lane]:
    """The same lanes in miniature, on a picture that comes with a dependency: a smoke test, whose figures mean nothing."""
    tiny = []
    seen: dict[str, tuple] = {}
    for lane in plan(Path()):
        if seen.setdefault(lane.part, lane.group) != lane.group:  # one group a part is enough
            continue
        options = {**lane.options, "field": lane.options["field"].replace(LARGE_SIZE, "2x16").replace(SMALL_SIZE, "2x16")}
        if "total_steps" in options:
            options["total_steps"] = 20
        budget = {"seconds": 0.1} if "seconds" in lane.budget else {"steps": 20} if lane.budget else {}
        targets = tuple(target / 4 for target in lane.targets)
        small = {"case": "astronaut 24x24", "image": "sample:astronaut", "side": 24, "block_s": 0.05, "cap_s": 0.15, "note": "smoke test"}
        tiny.append(dataclasses.replace(lane, options=options, budget=budget, targets=targets, **small))
    return tiny


def groups(lanes: Sequence[Lane]) -> Iterator[list[Lane]]:
    """Lanes that race, group by group, in the order in which they are given."""
    for group in dict.fromkeys(lane.group for lane in lanes):
        yield [lane for lane in lanes if lane.group == group]


def facts_of(device: str) -> dict[str, Any]:
    """Machine, versions and command, for the lines."""
    found = resolve_device(device)
    name = device_name(found) if found.type != "cpu" else "CPU"
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {"device": name, "command": shlex.join(["python", *sys.argv]), "launch": now, "commit": _commit(), "machine": machine()}


def _commit() -> str | None:
    """Of the source; `+` marks changes that are not committed."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--", "../src") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run")
    parser.add_argument("--lanes", nargs="+", help="names of lanes to run; all of the parts if left out")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/time-to-quality"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="a smoke test in seconds, whose figures mean nothing")
    parser.add_argument("--report-only", action="store_true", help="rebuild table.md and curves.png from results.jsonl")
    options = parser.parse_args()

    asked: list[int] = []
    if not options.report_only:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda received, _: asked.append(received))
        lanes = small_plan() if options.small else plan(options.data)
        lanes = [lane for lane in lanes if lane.part in options.only and (options.lanes is None or lane.name in options.lanes)]
        facts = facts_of(options.device)
        for group in groups(lanes):
            if not asked:
                race(group, options.out, facts, device=options.device, interrupted=lambda: bool(asked), say=lambda t: print(t, flush=True))
    lines = read_lines(options.out)
    if not lines:
        print(f"{options.out} has no finished lane yet.")
        return 130 if asked else 1
    for path in write_report(lines, options.out, options.out.parent / "dense_step.jsonl"):
        print(path)
    return 130 if asked else 0


if __name__ == "__main__":
    sys.exit(main())
