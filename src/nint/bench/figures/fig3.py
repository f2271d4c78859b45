"""Fig. 3: every strategy after the same minute on one photo, with an enlarged part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Figure, Kept, seconds_text
from nint.bench.figures.gallery import gallery
from nint.bench.figures.wanted import STRATEGIES, timed
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale


@dataclass(frozen=True)
class Strategies(Figure):
    """The last reconstructions of every strategy on one photo."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """A run of every strategy with a budget of time."""
        photo = inputs.image("kodim15")
        return [timed(scale, photo, sampler, group=self.name) for sampler in STRATEGIES]

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        title = f"{runs[0].signal.name} after {seconds_text(scale.minute_s)} of training each, {runs[0].spec.field}"
        return gallery([("", runs)], title, path, "psnr@60s", columns=5)


FIGURE = Strategies("fig3", "Every strategy after the same seconds (60 s of the paper) on one photo; the box is where they differ most.")
