"""Fig. 7: the Armadillo as decoded after training, beside the ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.bench.figures.base import Figure, Kept, seconds_text
from nint.bench.figures.wanted import kept, of_table
from nint.bench.inputs import Inputs
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.mesh import Mesh
from nint.signals.shape.signal import ShapeSignal

_AZIMUTH = 205.0  # the Armadillo's face
_FINER = 2  # the decoding grid against that of the IoU


@dataclass(frozen=True)
class Shapes(Figure):
    """The last reconstructions of a shape."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """Runs of Table 7 on its first mesh."""
        return kept(of_table("table7", ("full", "nint"), scale, inputs, 1), most_inputs=1)

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        from nint.errors import UsageError
        from nint.plots.solids import Solid, write_solids

        signal = runs[0].signal
        if not isinstance(signal, ShapeSignal):
            return {"rows": {}, "note": f"{signal.name} is no shape."}
        layout, placed = signal.layout, signal.placed
        solids = [Solid("ground truth", placed.vertices, placed.faces)] if isinstance(placed, Mesh) else []
        rows: dict[str, Any] = {}
        for run in runs:
            fit = run.model
            if fit is None:
                continue
            rows[run.spec.sampler] = {name: run.last.get(name) for name in signal.metrics}
            try:
                mesh = fit.decode(resolution=_FINER * signal.iou_resolution)
            except UsageError:  # no surface yet
                rows[run.spec.sampler]["surface"] = False
                continue
            vertices = layout.to_coords(mesh.vertices)
            distances = np.abs(signal.ground_truth.signed_distance(vertices))
            rows[run.spec.sampler] |= {"faces": len(mesh.faces), "mean_distance": float(distances.mean())}
            iou = run.last.get("iou")
            caption = f"{seconds_text(run.last['training_seconds'])}{'' if iou is None else f', IoU {iou:.4f}'}"
            solids.append(Solid(run.spec.sampler, vertices, mesh.faces, distances, caption))
        if len(solids) < 2:
            return {"rows": rows, "note": "No model of the runs has a surface."}
        title = f"{signal.name} after {runs[0].last['step']:,} steps each, {runs[0].spec.field}"
        write_solids(solids, layout.cube, title, path, _AZIMUTH)
        return {"rows": rows}


FIGURE = Shapes(
    "fig7", "The Armadillo after the same steps of full training and of NINT, beside the ground truth (the paper: after 10 minutes)."
)
