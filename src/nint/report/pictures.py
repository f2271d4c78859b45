"""Pictures of one run: reconstruction, error, selected points during training, and the curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nint.plots.strips import error_bar, show_error
from nint.plots.style import (
    INK,
    LARGE,
    NORMAL,
    SMALL,
    label_of,
    lines_for,
    new_figure,
    plain_axes,
    save,
    show_image,
    with_points,
)
from nint.report.error_scale import scale_of
from nint.report.kinds import decoded_of, kind_pictures
from nint.report.stills import Viewer
from nint.runs.model import Fit
from nint.runs.snapshots import Snapshot, load_snapshots, spread_out
from nint.signals.base import Signal

_MAX_PANELS = 6


def write_pictures(folder: Path, signal: Signal, fit: Fit) -> list[Path]:
    """Writes the pictures of a finished run into its folder.

    An image gives reconstruction.png, error.png, selection.png (where the folder has snapshots) and curve.png; a sound sound.png, a video
    frames.png, a volume or array slices.png (see `nint.report.kinds`), and curve.png; other kinds curve.png.

    Args:
        folder: Folder of the run; snapshots are read from its `snapshots`.
        signal: The fitted signal.
        fit: The result, whose record holds the curve.

    Returns:
        The files written.

    Cost: one forward over all pixels, where the last snapshot is not of the finished run.
    """
    written = []
    snapshots = load_snapshots(folder / "snapshots")
    if signal.layout.kind == "image":
        decoded = decoded_of(snapshots, fit)
        signal.layout.write(decoded, folder / "reconstruction.png")
        written.append(folder / "reconstruction.png")
        written.append(_error_picture(folder / "error.png", signal, fit, decoded, snapshots))
        written += _selection_picture(folder / "selection.png", snapshots, signal)
    else:
        written += kind_pictures(folder, signal, fit, snapshots)
    written += _curve_picture(folder / "curve.png", signal, fit)
    return written


def _error_picture(path: Path, signal: Any, fit: Fit, decoded: np.ndarray, snapshots: list[Snapshot]) -> Path:
    from nint.metrics import psnr

    whole = getattr(signal, "inner", signal)  # unobserved and held-out points wrap the image
    viewer = Viewer(whole.layout, decoded.shape[:2], None)
    original = whole.layout.as_unit(whole.array).reshape(decoded.shape)
    quality = fit.metrics.get("psnr") or psnr(whole.layout.as_unit(decoded), original)
    seen = original.reshape(*viewer.grid, -1).copy()
    if whole.observed is not None:
        seen[~whole.observed.numpy().reshape(viewer.grid)] = np.nan
    error = viewer.error(viewer.unit(decoded), seen, 0)
    top = scale_of(viewer, snapshots, decoded, seen)

    height, width = error.shape
    flat = width > 2 * height
    figure = new_figure(*_panel_size(height, width, 6.4, extra_width=0.1 if flat else 1.2, extra_height=1.0 if flat else 0.7))
    axes = figure.subplots()
    shown: Any = show_error(axes, error, top)
    axes.set_title(f"Absolute error, PSNR {quality:.2f} dB", fontsize=LARGE, color=INK, loc="left")
    place: dict[str, Any] = {"location": "bottom", "aspect": 50} if flat else {"location": "right", "fraction": 0.05}
    error_bar(figure, shown, axes, top, "mean over channels; 1 is black to white; square-root scale", pad=0.02, **place)
    return save(figure, path)


def _selection_picture(path: Path, snapshots: list[Snapshot], signal: Any) -> list[Path]:
    chosen = spread_out(snapshots, _MAX_PANELS)
    points = signal.layout.height * signal.layout.width
    chosen = [s for s in chosen if s.selected.size and s.selected.max() < points]
    if not chosen:
        return []
    panel_width, panel_height = _panel_size(signal.layout.height, signal.layout.width, 2.6)
    columns = 3 if len(chosen) > 3 else len(chosen)
    rows = math.ceil(len(chosen) / columns)
    figure = new_figure(columns * panel_width, rows * (panel_height + 0.22) + 0.35)
    figure.suptitle("Selected points (red, fraction of all) over the reconstruction", fontsize=LARGE, color=INK, x=0.01, ha="left")
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(chosen) :]:
        axes.set_axis_off()
    for axes, snapshot in zip(grid.flat, chosen, strict=False):
        show_image(axes, with_points(signal.layout.as_unit(snapshot.decoded), snapshot.selected))
        axes.set_title(f"step {snapshot.step:,}, {len(snapshot.selected) / snapshot.pool:.1%}", fontsize=SMALL, color=INK)
    return [save(figure, path)]


def _curve_picture(path: Path, signal: Signal, fit: Fit) -> list[Path]:
    metric = signal.metrics[0]
    rows = [row for row in fit.record.get("curve", []) if row.get(metric) is not None and math.isfinite(row[metric])]
    if not rows:
        return []
    sampler = str(fit.record.get("settings", {}).get("sampler", ""))
    line = lines_for([sampler])[sampler]
    figure = new_figure(9, 3.6)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, key, label in zip(panels, ("step", "training_seconds"), ("steps", "training seconds (evaluation not counted)"), strict=True):
        axes.plot(*_series(rows, key, metric), color=line.colour, linewidth=1.8, marker="o" if len(rows) < 3 else None)
        plain_axes(axes, label)
    panels[0].set_ylabel(label_of(metric), fontsize=NORMAL, color=INK)
    figure.suptitle(f"{signal.name}, {sampler}" if sampler else signal.name, fontsize=LARGE, color=INK, x=0.01, ha="left")
    return [save(figure, path)]


def _series(rows: Sequence[dict[str, Any]], x: str, y: str) -> tuple[list[float], list[float]]:
    return [row[x] for row in rows], [row[y] for row in rows]


def _panel_size(height: int, width: int, longest: float, extra_width: float = 0.0, extra_height: float = 0.0) -> tuple[float, float]:
    """Size in inches of a picture whose longer side is `longest`; the shorter side leaves room for a caption."""
    scale = longest / max(height, width)
    return max(width * scale, 0.75 * longest) + extra_width, max(height * scale, 0.2 * longest) + extra_height
