"""Fig. 1: one photo over a minute of training with NINT, and the points that it chose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nint.bench.figures.base import Figure, Kept, decibels, seconds_text
from nint.bench.figures.wanted import paper_seconds, timed
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.runs.snapshots import Snapshot

MOMENTS = (0.0, 5.0, 20.0, 60.0)
"""The paper's seconds."""


@dataclass(frozen=True)
class Moments(Figure):
    """One run at several moments."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """A run with a budget of time, kept at each of the moments."""
        return [timed(scale, inputs.image("kodim04"), "nint", moments=MOMENTS, group=self.name)]

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        from nint.plots.moments import Moment, write_moments

        run = runs[0]
        nearest = {paper: _nearest(run.snapshots, paper_seconds(scale, paper)) for paper in MOMENTS}
        chosen = {paper: snapshot for paper, snapshot in nearest.items() if snapshot is not None}
        if not chosen:
            return {"rows": {}, "note": "The run's snapshots are not there."}
        quality = {paper: run.psnr_at(snapshot.step) for paper, snapshot in chosen.items()}
        moments = [
            Moment(
                f"{seconds_text(snapshot.training_seconds)}, step {snapshot.step:,}",
                snapshot.decoded,
                snapshot.selected,
                decibels(quality[paper]),
            )
            for paper, snapshot in chosen.items()
        ]
        write_moments(moments, f"{run.signal.name}, {run.spec.sampler}, {run.spec.field}", path)
        return {
            "moments": [
                {
                    "paper_seconds": paper,
                    "step": snapshot.step,
                    "training_seconds": snapshot.training_seconds,
                    "selected": len(snapshot.selected),
                    "psnr": quality[paper],
                }
                for paper, snapshot in chosen.items()
            ],
            "rows": {"nint": {f"psnr@{paper:g}s": quality[paper] for paper in chosen if paper > 0}},
        }


def _nearest(snapshots: list[Snapshot], seconds: float) -> Snapshot | None:
    """The first snapshot at or after a moment, or the last one."""
    return next((snapshot for snapshot in snapshots if snapshot.training_seconds >= seconds), snapshots[-1] if snapshots else None)


FIGURE = Moments(
    "fig1",
    "A photo while NINT trains on it: reconstructions after 0 (one step), 5, 20 and 60 s of the paper, and the chosen points in red.",
)
