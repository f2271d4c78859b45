"""Fig. 2 and Sec. 3.2: the tangent kernel of a network at its start and after training, as a picture and as numbers; Sec. 11: its cost."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nint.bench.figures import kernel_checks as checks
from nint.bench.figures.base import Figure, Kept
from nint.bench.figures.scoring import scoring_cost, scoring_specs
from nint.bench.inputs import Inputs, pixels_of
from nint.bench.runs import RunSpec
from nint.bench.scales.sizes import Scale
from nint.bench.tables.rows import Row
from nint.fields import build_field
from nint.files import write_json
from nint.ntk.dense import ntk_matrix
from nint.probe.objectives import make_loss
from nint.probe.probe import Probe
from nint.scores.edges import canny, luma_8bit, sobel_magnitude

POSITIONS = ((410, 35), (253, 175))
"""(row, column) of the middle pixel of each 3x3 region, on 512x512 pixels."""

CANNY = (100.0, 200.0)
_SIDE = 512
_MOST_POINTS = 2**14  # of the diagonal and of the choice on the pool
_FAR_POINTS = 256
_SHARE = 0.2
_SMALL_STEP = 1e-4


@dataclass(frozen=True)
class Kernel(Figure):
    """The tangent kernel before and after a run."""

    def specs(self, scale: Scale, inputs: Inputs, seeds: int) -> list[RunSpec]:
        """A kept run, and those between which the cost of a scoring is measured."""
        run = dataclasses.replace(Row("nint").spec(scale.images, inputs.image("div2k/02"), 0, self.name), keep=True)
        return [run, *scoring_specs(run, f"{self.name} scoring")]

    def write(self, store: Any, scale: Scale, inputs: Inputs, seeds: int, out: Path, facts: dict[str, Any] | None = None) -> list[Path]:
        """Also writes scoring.json, what one scoring costs."""
        written = super().write(store, scale, inputs, seeds, out, facts)
        cost = scoring_cost(self.specs(scale, inputs, seeds), store.records())
        write_json(out / "scoring.json", {"scale": scale.name, **cost, "facts": facts or {}})
        return [*written, out / "scoring.json"]

    def draw(self, runs: list[Kept], scale: Scale, path: Path) -> dict[str, Any]:
        """Writes the picture and returns its numbers, see `Figure.draw`."""
        from nint.plots.kernel import KernelView, write_kernel

        run = next((run for run in runs if run.spec.keep), None)
        trained = None if run is None else run.model
        if run is None or trained is None or trained.spec is None:
            return {"rows": {}, "note": "The run's model is not there."}
        signal = run.signal
        start = build_field(
            trained.spec, trained.layout.in_features, trained.layout.out_features, torch.Generator().manual_seed(run.spec.seed)
        ).eval()
        views, numbers = [], {}
        moments = (("start", "start weights", start), ("trained", f"after {run.last['step']:,} steps", trained.field))
        for name, title, field in moments:
            found, patches, diagonal = _looked_at(field, signal)
            views.append(KernelView(title, patches, diagonal))
            numbers[name] = found
        pixels = pixels_of(signal)
        centres = _centres(*pixels.shape[:2])
        write_kernel(pixels, centres, views, f"Tangent kernel of the channels' sum, {signal.name}, {run.spec.field}", path)
        after = numbers["trained"]
        return {
            "kernel": numbers,
            "canny": CANNY,
            "regions": centres,
            "rows": {
                **{row: _row(numbers[name]) for row, name in (("kernel", "trained"), ("kernel at the start", "start"))},
                "int": {"same_points": after["identity"]["overlap_int"]},
                "step": {"relative_error": next(r["relative_error"] for r in after["first_order"] if r["eta"] == _SMALL_STEP)},
            },
        }


def _row(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "diagonal_ratio": found["diagonal"]["max_over_min"],
        "edge_ratio": found["edges"]["ratio_of_means"],
        "coupling": found["coupling_of_neighbours"]["mean_cosine"],
        "coupling_far": found["coupling_of_random_pixels"]["mean_cosine"],
    }


def _centres(height: int, width: int) -> list[tuple[int, int]]:
    """The paper's positions on an image of another size, a pixel away from its border."""
    scaled = [(round(row * height / _SIDE), round(column * width / _SIDE)) for row, column in POSITIONS]
    return [(min(max(row, 1), height - 2), min(max(column, 1), width - 2)) for row, column in scaled]


def _looked_at(field: nn.Module, signal: Any) -> tuple[dict[str, Any], list[np.ndarray], np.ndarray]:
    """Every number of Sec. 3.2 for one network, its patches `[9, 9]`, and its diagonal over the image or a coarser grid of it."""
    pool = signal.pool(torch.device("cpu"))
    height, width = pool.grid
    every = max(int(np.ceil((height * width / _MOST_POINTS) ** 0.5)), 1)
    rows = torch.arange(height * width).view(height, width)
    coarse = rows[::every, ::every]
    diagonal = checks.leverage(field, pool.coords[coarse.reshape(-1)]).double().numpy()
    luma = luma_8bit(pool)
    edges = canny(luma, *CANNY)[::every, ::every].reshape(-1)
    slope = sobel_magnitude(luma)[::every, ::every].reshape(-1)

    regions = [rows[r - 1 : r + 2, c - 1 : c + 2].reshape(-1) for r, c in _centres(height, width)]
    patches = [_kernel(field, pool.coords[region]) for region in regions]
    generator = torch.Generator().manual_seed(0)
    picked = torch.randperm(height * width, generator=generator)[:_FAR_POINTS]
    neighbours = [checks.coupling_of(patch) for patch in patches]
    loss = make_loss("l2")
    probe = Probe(copy.deepcopy(field), pool, loss).on(coarse.reshape(-1))
    batch, others = picked[: _FAR_POINTS // 8], picked[_FAR_POINTS // 8 : _FAR_POINTS // 4]
    found = {
        "diagonal": checks.spread_of(diagonal) | {"points": len(diagonal)},
        "edges": checks.at_edges(diagonal, edges) | {"rank_correlation_with_slope": checks.rank_correlation(diagonal, slope)},
        "patches": [patch.tolist() for patch in patches],
        "coupling_of_neighbours": {name: float(np.mean([one[name] for one in neighbours])) for name in neighbours[0]},
        "coupling_of_random_pixels": checks.coupling_of(_kernel(field, pool.coords[picked])),
        "identity": checks.as_identity(probe, _SHARE),
        "first_order": checks.first_order(field, pool.coords[batch], pool.values[batch], pool.coords[others], loss),
    }
    return found, patches, diagonal.reshape(coarse.shape)


def _kernel(field: nn.Module, coords: torch.Tensor) -> np.ndarray:
    return ntk_matrix(field, coords, channels="sum").double().detach().numpy()


FIGURE = Kernel(
    "fig2",
    "The tangent kernel (of the channels' sum) between the pixels of two 3x3 regions, and its diagonal over the image, at the start and "
    "after training with NINT.",
)
