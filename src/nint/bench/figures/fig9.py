"""Fig. 9: super-resolution, fitted to a quarter of the pixels and shown at full size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Figure, Kept, quality_and_seconds
from nint.bench.figures.gallery import gallery
from nint.bench.figures.wanted import kept, of_table
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale


@dataclass(frozen=True)
class FinalImages(Figure):
    """The last reconstructions of a table's runs on its first image.

    Attributes:
        table: The table.
        what: Begins the heading.
    """

    table: str
    what: str

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Runs of the table on its first image."""
        return kept(of_table(self.table, ("full", "int", "evos", "nint"), scale, inputs, 1), most_inputs=1)

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        title = f"{self.what}: {runs[0].signal.name} after {runs[0].last['step']:,} steps each, {runs[0].spec.field}"
        return gallery([("", runs)], title, path, "psnr@1000", captioned=quality_and_seconds)


FIGURE = FinalImages(
    "fig9", "Super-resolution: fitted to an image of half the side, shown and measured at the full size.", "table9", "Super-resolution"
)
