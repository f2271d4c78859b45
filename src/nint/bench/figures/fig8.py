"""Fig. 8: further images after the same minute."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Figure, Kept, seconds_text
from nint.bench.figures.gallery import gallery
from nint.bench.figures.wanted import timed
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale

STRATEGIES = ("full", "uniform", "evos", "expansive", "nint")
_IMAGES = 3


@dataclass(frozen=True)
class MoreImages(Figure):
    """The last reconstructions of several strategies on several photos."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """A run of every strategy on each image, with a budget of time."""
        images = inputs.images("div2k", 1 if scale.name == "smoke" else _IMAGES)
        return [timed(scale, image, sampler, group=f"{self.name} {image}") for image in images for sampler in STRATEGIES]

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        rows: dict[str, list[Kept]] = {}
        for run in runs:
            rows.setdefault(run.spec.input, []).append(run)
        title = f"After {seconds_text(scale.minute_s)} of training each, {runs[0].spec.field}"
        return gallery([(group[0].signal.name, group) for group in rows.values()], title, path, "psnr@60s")


FIGURE = MoreImages("fig8", "More images of DIV2K after the same seconds (60 s of the paper).")
