"""What is compared: what fills the NTK part of a batch, on which signals, with which networks and recipes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nint.bench.tables.rows import Row

NOTHING = "nint-ablation:score=error"
"""The baseline: the NTK part filled by error, like the rest of the scored part, so that nothing is left of the kernel."""

VARIANTS = (
    Row(NOTHING, "", "error alone: the kernel is left out."),
    Row("nint-ablation", "", "K g, the paper's method; decays over the first hundred steps."),
    Row("nint-ablation:score=last-layer", "", "K g with the kernel of the last layer alone."),
    Row("nint-ablation:score=prediction", "", "the prediction, which is what the authors' released code ranks by."),
    Row("nint-ablation:score=variance", "", "error times the square root of the kernel's diagonal."),
    Row("nint-ablation:draw=density", "", "K g as a density rather than from the top."),
    Row("nint-ablation:score=last-layer,draw=density", "", "the last layer's, as a density."),
    Row("nint-ablation:score=prediction,draw=density", "", "the prediction, as a density."),
    Row("nint-ablation:score=variance,draw=density", "", "the density of least variance, in the NTK part only."),
    Row("nint-ablation:score=error,draw=density", "", "error as a density, in the NTK part only."),
    Row("nint-ablation:decay_rate=0", "", "K g throughout, refreshed every 10 steps."),
    Row("nint-ablation:decay_rate=0,refresh_interval=1", "", "K g throughout, fresh at every step."),
    Row("nint-ablation:random_share=0,decay_rate=0,refresh_interval=1", "", "Algorithm 1: the whole batch by K g, fresh at every step."),
    Row(
        "nint-ablation:random_share=0,decay_rate=0,score=variance,draw=density",
        "",
        "the whole batch by the density of least variance, refreshed every 10 steps; not reweighed.",
    ),
    Row("uniform", "", "no score at all."),
    Row("full", "", "every point."),
)

SHORT = dict(
    zip(
        (row.text for row in VARIANTS),
        (
            "error alone",
            "K g",
            "last layer's K g",
            "prediction (as released)",
            "error x root of K's diagonal",
            "K g, density",
            "last layer's K g, density",
            "prediction, density",
            "error x root of diagonal, density",
            "error, density",
            "K g throughout, every 10 steps",
            "K g throughout, fresh",
            "Algorithm 1 (all of it K g, fresh)",
            "least variance, whole batch",
            "uniform",
            "full",
        ),
        strict=True,
    )
)
"""Variant -> its name in pictures."""


@dataclass(frozen=True)
class Case:
    """One table of the study.

    Attributes:
        name: Of its files.
        title: What it is made on.
        inputs: As `PaperTable.inputs`, or "sample:NAME".
        fields: Networks.
        recipe: "paper" (Adam at 1e-4) or "default".
        options: Options of the input's kind.
        square: Whether images are cut to the scale's side, and volumes to a cube of as many points.
    """

    name: str
    title: str
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    recipe: str
    options: tuple[tuple[str, Any], ...] = ()
    square: bool = False


_DRAWN_ANEW = (("pool_size", 3200), ("iou_resolution", 32), ("redraw_every", 1))
"""Options of the shape: new points at each step, as in the paper."""

_SIGNALS: tuple[tuple[str, str, tuple[str, ...], tuple[str, ...], tuple[tuple[str, Any], ...], bool], ...] = (
    ("photo", "Photos", ("image:kodim04", "image:div2k/02"), ("siren", "finer", "ffn", "grid"), (), True),
    ("sound", "Speech, a quarter of a second", ("speech",), ("siren",), (("duration", 0.25),), False),
    ("shape", "A signed distance", ("mesh:armadillo",), ("siren",), _DRAWN_ANEW, False),
    ("volume", "A scan", ("volume:ch2",), ("siren",), (), True),
    ("space-time", "A video of 20x20 pixels and 24 frames", ("sample:bouncing",), ("siren",), (("max_side", 20),), False),
)
_RECIPES = (("paper", "Adam at 1e-4"), ("default", "default recipe"))

CASES = tuple(
    Case(f"kernel-{name}-{recipe}", f"{title}, {words}", inputs, fields, recipe, options, square)
    for name, title, inputs, fields, options, square in _SIGNALS
    for recipe, words in _RECIPES
)


@dataclass(frozen=True)
class Sizes:
    """How large the study is.

    Attributes:
        side: Of photos.
        size: Of networks with layers; `grid` keeps its own.
        steps: Budget of each run.
        checkpoints: Steps after which quality is tabled.
    """

    side: int
    size: str
    steps: int
    checkpoints: tuple[int, ...]


SIZES = {
    "smoke": Sizes(16, "1x8", 3, (1, 3)),
    "cpu": Sizes(64, "4x64", 300, (25, 50, 100, 300)),
    "full-size": Sizes(256, "5x128", 1000, (50, 100, 300, 1000)),
    "paper": Sizes(512, "5x256", 5000, (100, 250, 1000, 5000)),
}
"""Scale -> sizes."""

BATCH_SHARE = 0.2
"""The paper's; with the default recipe too, so that rows differ in the score alone."""
