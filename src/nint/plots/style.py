"""Shared by all plots: figures without a display or global state, one colour per sampler, images prepared for display."""

from __future__ import annotations

import re
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nint.files import in_utf8, write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
SMALL, NORMAL, LARGE = 9, 10.5, 12
LETTER = 0.085
"""Inches, about, of a letter in these sizes."""

INK, FAINT = "#222222", "#d9d9d9"
RED = (0.84, 0.07, 0.07)
"""Selected points."""

COLOURS = {
    "nint": "#d55e00",
    "nint-fast": "#332288",
    "nint-reference": "#e69f00",
    "nint-ablation": "#aa4499",
    "full": "#000000",
    "uniform": "#8c8c8c",
    "int": "#0072b2",
    "evos": "#009e73",
    "expansive": "#cc79a7",
    "egra": "#56b4e9",
    "soft-mining": "#882255",
    "": "#44aa99",
}
"""Built-in sampler ("" is the recipe's choice) -> colour, in every picture and page: Okabe and Ito's palette, told apart by colour-blind
eyes, with grey, wine, indigo and teal for its yellow."""

FIELD_COLOURS = {
    "siren": "#d55e00",
    "finer": "#0072b2",
    "gauss": "#009e73",
    "wire": "#cc79a7",
    "ffn": "#56b4e9",
    "pemlp": "#e69f00",
    "mlp": "#8c8c8c",
    "grid": "#332288",
}
"""Built-in network -> colour, where networks are compared with one sampler."""

_OTHERS = ("#117733", "#999933", "#ddcc77", "#661100", "#6699cc")
_DASHES: tuple[tuple[Any, str], ...] = (
    ("-", "solid"),
    ((0, (5, 2)), "dash"),
    ((0, (1.5, 1.5)), "dot"),
    ((0, (6, 2, 1.5, 2)), "dashdot"),
    ((0, (9, 2)), "longdash"),
)
"""How variants of one sampler differ: for matplotlib, and for the plots of a page."""

LABELS = {
    "psnr": "PSNR (dB)",
    "ssim": "SSIM (7x7 uniform window)",
    "lpips": "LPIPS (AlexNet)",
    "si_snr": "SI-SNR (dB)",
    "stoi": "STOI",
    "pesq": "PESQ",
    "iou": "IoU",
    "chamfer": "Chamfer (not squared, scaled units)",
    "psnr_held_out": "PSNR of held-out points (dB)",
}


@dataclass(frozen=True)
class Line:
    """How a sampler is drawn.

    Attributes:
        colour: "#rrggbb".
        dash: As matplotlib takes it.
        dash_name: As plotly takes it.
    """

    colour: str
    dash: Any
    dash_name: str


def lines_for(samplers: Sequence[str]) -> dict[str, Line]:
    """Colour and dash of each sampler (or network).

    The name decides the colour, the same in every plot; variants of one name differ in their dashes, and a name without settings is solid.

    Args:
        samplers: Text forms, which may be followed by a comma or a space and settings of the run; "" is the recipe's choice.
    """
    seen: dict[str, int] = {}
    found = {}
    for text in sorted(samplers, key=lambda text: text != _name(text)):
        name = _name(text)
        found[text] = Line(colour_of(text), *_DASHES[seen.get(name, 0) % len(_DASHES)])
        seen[name] = seen.get(name, 0) + 1
    return {text: found[text] for text in samplers}


def colour_of(text: str) -> str:
    """The colour of a sampler or network, whatever its settings."""
    name = _name(text)
    return COLOURS.get(name) or FIELD_COLOURS.get(name) or _OTHERS[zlib.crc32(name.encode()) % len(_OTHERS)]


def _name(text: str) -> str:
    return re.split("[:, ]", text, maxsplit=1)[0]


def wrapped(text: str, width: int) -> str:
    """A text form broken after colons and commas into lines of about `width` letters."""
    lines = [""]
    for part in re.split(r"(?<=[:,])", text):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def label_of(metric: str) -> str:
    """Name of a metric with its unit or definition, for an axis."""
    return LABELS.get(metric, metric)


def new_figure(width: float, height: float) -> Figure:
    """A figure of `width` x `height` inches that is drawn without a display and without pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def head(figure: Figure, text: str) -> None:
    """Gives a figure its heading, in as many lines as its width needs."""
    letters = max(int(figure.get_figwidth() / (LETTER * 1.1)), 20)
    figure.suptitle(textwrap.fill(text, letters), fontsize=LARGE, color=INK, x=0.01, ha="left")


def save(figure: Figure, path: Path) -> Path:
    """Writes the figure as PNG, atomically; returns the path. Of names that are not UTF-8 it shows what is."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if isinstance(text, Text):
            text.set_text(in_utf8(text.get_text()))
    write_atomically(path, lambda target: figure.savefig(target, format="png"))
    return path


def plain_axes(axes: Axes, x_label: str, y_label: str = "") -> None:
    """Gives axes a light grid, no box and readable labels; the horizontal axis starts at 0."""
    if x_label == "steps":
        from matplotlib.ticker import MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    axes.set_xlim(left=0)
    axes.grid(True, color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#888888")
    axes.tick_params(labelsize=SMALL, colors=INK)
    axes.set_xlabel(x_label, fontsize=NORMAL, color=INK)
    axes.set_ylabel(y_label, fontsize=NORMAL, color=INK)


def show_image(axes: Axes, image: np.ndarray, **options: Any) -> Any:
    """Draws an image without axes; enlarged pixels stay sharp, reduced ones are averaged."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes.imshow(image, interpolation="antialiased", **options)


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Pixels of any kind as RGB for display, `[h, w, 3]` float32 in [0, 1], transparent parts on white.

    Args:
        image: `[h, w]` or `[h, w, c]` with c from 1 to 4; uint8, uint16, or float in [0, 1].
    """
    values = as_unit(image)
    if values.ndim == 2:
        values = values[..., None]
    channels = values.shape[-1]
    colour = values[..., :3] if channels >= 3 else np.repeat(values[..., :1], 3, axis=-1)
    if channels in (2, 4):
        alpha = values[..., -1:]
        colour = colour * alpha + (1 - alpha)
    clipped: np.ndarray = np.clip(colour, 0, 1)
    return clipped


def as_unit(image: np.ndarray) -> np.ndarray:
    """Pixels of any type as float32 in [0, 1], of the same shape."""
    image = np.asarray(image)
    unit: np.ndarray = image.astype(np.float32) / np.float32(1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max)
    return unit


def with_points(image: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """Selected pixels in red over the dimmed luma of an image, `[h, w, 3]`.

    Args:
        image: As for `as_rgb`.
        selected: Indices of points, pixels counted in row order, `[k]`.
    """
    luma = as_rgb(image).mean(axis=-1, keepdims=True)
    picture = np.repeat(0.58 + 0.4 * luma, 3, axis=-1)
    flat = picture.reshape(-1, 3)
    flat[selected] = 0.2 * flat[selected] + 0.8 * np.asarray(RED, np.float32)
    return picture
