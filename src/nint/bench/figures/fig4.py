"""Fig. 4: SSIM and LPIPS of every strategy over a minute of training, and over FLOPs, which no machine changes."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Figure, Kept
from nint.bench.figures.wanted import STRATEGIES, of_table, paper_seconds
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.bench.targets import value_at

METRICS = ("ssim", "lpips")
_MOMENTS = (5, 10, 20, 30, 40, 50, 60)


@dataclass(frozen=True)
class Trends(Figure):
    """Curves of every strategy."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """The runs of Table 1."""
        return of_table("table1", STRATEGIES, scale, inputs, seeds)

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        from nint.plots.trends import Cost, write_trends
        from nint.plots.trends import Trends as Rows

        curves: dict[str, list[list[dict[str, Any]]]] = {}
        for run in runs:
            curves.setdefault(run.spec.sampler, []).append(run.curve)
        metrics = [m for m in METRICS if any(row.get(m) is not None for run in runs for row in run.curve)]
        images = len({run.spec.input for run in runs})
        title = f"{images} image{'s' if images > 1 else ''}, {runs[0].spec.field}, the paper's minute is {scale.minute_s:g} s"
        if metrics:
            most = _flops_at(curves, scale.minute_s)
            power, unit = next((p, name) for p, name in ((12, "TFLOP"), (9, "GFLOP"), (6, "MFLOP")) if p == 6 or (most or 0) >= 10**p)
            costs = (
                Cost("training_seconds", "training seconds", 1.0, scale.minute_s),
                Cost("flops", f"{unit}, selection included", 10.0**power, most),
            )
            write_trends([Rows(metric, curves) for metric in metrics], costs, title, path)
        rows: dict[str, dict[str, float]] = {}
        for sampler, several in curves.items():
            for moment in _MOMENTS:
                for metric in metrics:
                    reached = [value_at(curve, metric, seconds=paper_seconds(scale, moment)) for curve in several]
                    values = [value for value in reached if value is not None]
                    # A run that ended before the moment has nothing to say of it.
                    ended = [curve[-1]["training_seconds"] < paper_seconds(scale, moment) for curve in several]
                    if len(values) == len(several) and not any(ended):
                        rows.setdefault(sampler, {})[f"{metric}@{moment}s"] = statistics.fmean(values)
        return {"rows": rows, "minute_s": scale.minute_s, "images": images}


def _flops_at(curves: dict[str, list[list[dict[str, Any]]]], seconds: float) -> float | None:
    """The least FLOPs that any strategy has done by then: as far as all curves go."""
    found = [value for several in curves.values() for curve in several if (value := value_at(curve, "flops", seconds=seconds)) is not None]
    return min(found) if found else None


FIGURE = Trends(
    "fig4", "SSIM and LPIPS of every strategy over the seconds that stand for the paper's 60 s, and over floating-point operations."
)
