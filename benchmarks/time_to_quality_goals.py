"""What the lines of `time_to_quality.py` say of its goals."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

NOT_YET = "not measured yet"

Line = dict[str, Any]


@dataclass(frozen=True)
class Race:
    """One lane against another to one target.

    Attributes:
        case: Image and size.
        seed: Of both.
        target: Decibels.
        ours: Training seconds of the lane that ought to be fast; None where it did not get there.
        theirs: Those of the other.
        theirs_at_least: How long the other trained at least before the target.
    """

    case: str
    seed: int
    target: float
    ours: float | None
    theirs: float | None
    theirs_at_least: float

    @property
    def ratio(self) -> float | None:
        """Ours / theirs. Where only the other did not get there, the true ratio is below this one."""
        return None if self.ours is None else self.ours / (self.theirs or self.theirs_at_least)

    @property
    def neither(self) -> bool:
        """Whether no lane got there, which says nothing of the two."""
        return self.ours is None and self.theirs is None

    @property
    def text(self) -> str:
        if self.ratio is None:
            return "neither" if self.neither else "null"
        return ("" if self.theirs is not None else "< ") + f"{self.ratio:.3f}"


@dataclass(frozen=True)
class Goal:
    """A row of the table of targets. `value` is compared with `limit`; None is not measured, or not reached (`text` says which)."""

    what: str
    limit: float
    text: str
    value: float | None
    at_least: bool = False
    unit: Callable[[float], str] = "{:.2f}".format

    @property
    def row(self) -> str:
        met = "–" if self.text == NOT_YET else "no"
        if self.value is not None and (self.value >= self.limit if self.at_least else self.value <= self.limit):
            met = "yes"
        return f"| {self.what} | {'>=' if self.at_least else '<='} {self.unit(self.limit)} | {self.text} | {met} |"


def latest(lines: Sequence[Line]) -> list[Line]:
    """The last line of each lane."""
    found: dict[tuple, Line] = {}
    for line in lines:
        found[line["part"], line["case"], line["seed"], line["name"]] = line
    return list(found.values())


def races(lines: Sequence[Line], part: str, ours: str, theirs: str) -> list[Race]:
    """Every pairing of two lanes of a part, for each of their targets."""
    lanes = {(line["case"], line["seed"], line["name"]): line for line in lines if line["part"] == part}
    found = []
    for (case, seed, name), line in lanes.items():
        other = lanes.get((case, seed, theirs))
        if name != ours or other is None:
            continue
        for target in line["targets"]:
            mine, its = seconds_to(line, target), seconds_to(other, target)
            found.append(Race(case, seed, target, mine, its, other["training_seconds"]))
    return found


def seconds_to(line: Line, target: float) -> float | None:
    """Training seconds at which a lane crossed a target."""
    return next((at["training_seconds"] for at in line["reached"] if at is not None and at["psnr"] == target), None)


def average(found: Sequence[Race]) -> tuple[str, float | None]:
    """The mean ratio as text and number; no number where ours alone did not get there. Races that neither won are left out."""
    if not found:
        return NOT_YET, None
    ratios = [race.ratio for race in found if race.ratio is not None]
    neither = sum(race.neither for race in found)
    missing = len(found) - len(ratios) - neither
    text = f"{statistics.mean(ratios):.3f}" if ratios else "null"
    if len(ratios) > 1:
        text += f" (mean of {len(ratios)}; {min(ratios):.3f} to {max(ratios):.3f})"
    if missing:
        text += f", {missing} of {len(found)} not reached"
    if neither:
        text += f", {neither} of {len(found)} reached by neither"
    return text, statistics.mean(ratios) if ratios and not missing else None


def goals(lines: Sequence[Line], dense: Sequence[dict[str, Any]]) -> list[Goal]:
    """The rows of the table of targets."""
    large, large_value = average(races(lines, "large", "default", "full"))
    small, small_value = average(races(lines, "small", "default", "full"))
    fast, fast_value = average(races(lines, "samplers", "nint-fast", "uniform"))
    chosen = [line for line in lines if line["settings"]["sampler"].partition(":")[0] == "nint-fast" and line["training_seconds"] > 0]
    share, share_text = None, NOT_YET
    if chosen:
        share = sum(line["selection_seconds"] for line in chosen) / sum(line["training_seconds"] for line in chosen)
        share_text = f"{share:.1%} (runs: {len(chosen)}; at most {max(share_of(line) for line in chosen):.1%})"
    minute = {line["name"]: line["psnr"] for line in lines if line["part"] == "minute"}
    gain, gain_text = None, NOT_YET
    if {"default", "nint"} <= set(minute):
        gain = minute["default"] - minute["nint"]
        gain_text = f"{gain:+.2f} dB ({minute['default']:.2f} and {minute['nint']:.2f})"
    steps = [row for row in dense if row["phase"] == "late"]
    worst = max((row["ratio"] for row in steps), default=None)
    dense_text = "; ".join(f"{row['ratio']:.2f} at {row['side']}x{row['side']}, {row['size']}" for row in steps) or NOT_YET
    percent = "{:.0%}".format
    return [
        Goal(
            "seconds to 30 dB, 512x512, SIREN 5x256: default recipe / full, paper recipe (the paper's NINT: 0.51)", 0.08, large, large_value
        ),
        Goal("seconds to 28 dB, three 256x256, SIREN 5x128: default recipe / full, paper recipe", 0.06, small, small_value),
        Goal("seconds to 25, 28, 30 dB: nint-fast / uniform, each in its best recipe", 0.80, fast, fast_value),
        Goal("share of training time spent on selection by nint-fast", 0.20, share_text, share, unit=percent),
        Goal("after 60 s, 512x512, SIREN 5x256: default recipe - NINT, paper recipe", 6, gain_text, gain, True, "{:+.0f} dB".format),
        Goal("dense NINT step / the plain full-batch way", 0.35, dense_text, worst),
    ]


def share_of(line: Line) -> float:
    """Share of training time spent on selection."""
    return line["selection_seconds"] / max(line["training_seconds"], 1e-9)
