"""Decoded surfaces beside the ground truth, and their distance from it, in the style of the paper's Fig. 7."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nint.plots.shape_view import AZIMUTH, shaded
from nint.plots.style import INK, NORMAL, SMALL, as_rgb, head, new_figure, save, show_image

_TILE = 3.0  # inches
_PIXELS = 640  # side of the picture of the whole cube, which is cropped
_MARGIN = 8


@dataclass(frozen=True)
class Solid:
    """One surface.

    Attributes:
        title: Heading.
        vertices: `[v, 3]` in coordinate units.
        faces: `[f, 3]`.
        distances: Distance of each vertex from the true surface, `[v]`, in coordinate units; None for the ground truth.
        caption: Text below the title, for example the IoU.
    """

    title: str
    vertices: np.ndarray
    faces: np.ndarray
    distances: np.ndarray | None = None
    caption: str = ""


def write_solids(solids: Sequence[Solid], half_side: float, title: str, path: Path, azimuth: float = AZIMUTH) -> Path:
    """Writes the surfaces side by side, the distances from the ground truth below them on one scale.

    Args:
        solids: Surfaces, the ground truth first.
        half_side: Half the side of the cube that contains them, in coordinate units.
        title: Heading.
        path: File to write.
        azimuth: Direction of view around the vertical axis, in degrees.
    """
    import matplotlib

    known = [np.abs(solid.distances) for solid in solids if solid.distances is not None and len(solid.distances)]
    top = max(max((float(np.quantile(distances, 0.99)) for distances in known), default=0.0), 1e-9)
    colours = matplotlib.colormaps["viridis"]
    reach = 3**0.5 * half_side
    plain = [shaded(solid.vertices, solid.faces, _PIXELS, reach, azimuth=azimuth) for solid in solids]
    painted = []
    for solid in solids:
        paint = None if solid.distances is None else colours(np.clip(np.abs(solid.distances) / top, 0, 1))[:, :3]
        painted.append(None if paint is None else shaded(solid.vertices, solid.faces, _PIXELS, reach, paint, azimuth))
    window = _window(plain)
    height, width = plain[0][window].shape[:2]
    tall = min(_TILE * height / width, 2 * _TILE)
    figure = new_figure(len(solids) * (_TILE + 0.06), 2 * tall + 0.9)
    head(figure, title)
    above, below = figure.subplots(2, len(solids), squeeze=False)
    for axes, under, solid, picture, errors in zip(above, below, solids, plain, painted, strict=True):
        show_image(axes, as_rgb(picture[window]))
        axes.set_title(f"{solid.title}\n{solid.caption}", fontsize=NORMAL, color=INK)
        if errors is None:
            under.set_axis_off()
        else:
            show_image(under, as_rgb(errors[window]))
    if known:
        scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(0, top), colours)
        bar = figure.colorbar(scale, cax=below[0].inset_axes((0.08, 0.5, 0.84, 0.035)), orientation="horizontal", extend="max")
        bar.set_label("distance from the ground truth\n(coordinate units)", fontsize=SMALL, color=INK)
        bar.ax.tick_params(labelsize=SMALL, colors=INK)
        bar.ax.locator_params(nbins=4)
        bar.outline.set_visible(False)
    return save(figure, path)


def _window(pictures: Sequence[np.ndarray]) -> tuple[slice, slice]:
    """The bounding box, with a margin, of everything visible in the pictures."""
    seen = np.any([picture[..., 3] > 0 for picture in pictures], axis=0)
    if not seen.any():
        return slice(None), slice(None)
    ends = []
    for axis in (1, 0):
        places = np.flatnonzero(seen.any(axis=axis))
        ends.append(slice(max(int(places[0]) - _MARGIN, 0), int(places[-1]) + 1 + _MARGIN))
    return ends[0], ends[1]
