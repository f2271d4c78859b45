"""Fig. 5: network sizes after the same seconds, full training and NINT."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Figure, Kept, seconds_text
from nint.bench.figures.gallery import by_size, gallery
from nint.bench.figures.wanted import paper_seconds, timed
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale

SECONDS = 150.0
SIZES = ("3x64", "3x128", "5x128", "5x256")
_TINY = ("1x16", "2x16")  # where the task itself is no larger


@dataclass(frozen=True)
class Sizes(Figure):
    """The last reconstructions of networks of several sizes."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Full training and NINT with each network, with a budget of time."""
        photo = inputs.image("div2k/07")
        return [
            timed(scale, photo, f"{sampler} field=siren:size={size}", seconds=SECONDS, task=scale.sizes, group=f"{self.name} {size}")
            for size in sizes_of(scale)
            for sampler in ("full", "nint")
        ]

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        rows = [(sampler, [run for run in runs if run.spec.sampler == sampler]) for sampler in ("full", "nint")]
        title = f"{runs[0].signal.name} after {seconds_text(paper_seconds(scale, SECONDS))} of training each"
        return gallery(
            [row for row in rows if row[1]],
            title,
            path,
            "psnr@150s",
            titled=by_size,
            named=lambda run: f"{run.spec.sampler} field=siren:size={by_size(run)}",
        )


def sizes_of(scale: Scale) -> tuple[str, ...]:
    """The paper's networks, or toys at the scale of a test."""
    return _TINY if scale.name == "smoke" else SIZES


FIGURE = Sizes("fig5", "Networks from 3x64 to 5x256 after the same seconds (150 s of the paper), full training above NINT.")
