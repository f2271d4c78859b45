"""What was measured to be fastest for a kind of signal and a network, as data; benchmarks/README.md tells how."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """What a recipe chooses for a kind of signal and a network.

    Attributes:
        lr: Learning rate; None is the field's own.
        small_lr: That of a network of at most `SMALL` weights, where it is another.
        optimizer: Text form.
        batch_share: Fraction of the points in a batch of samplers whose choice costs next to nothing (`CHEAP`); None is the kind's own.
        total_steps: Steps where the budget names none; None is the kind's own.
        lr_schedule: Course of the learning rate.
        warm_up: Fraction of the run in which the rate rises to it.
        sampler: Text form.
        least_batch: Points of the smallest batch.
        most_batch: Points of the largest.
        size: Of the network, where it has another default.
        redraw_every: Steps that points drawn near a surface are kept for, where the user has not said; None keeps the kind's own.
        by_kernel: Whether the kernel chooses the network's bandwidth where none is named (`nint.bandwidth`).
    """

    lr: float | None = None
    small_lr: float | None = None
    optimizer: str = "adam"
    batch_share: float | None = None
    total_steps: int | None = None
    lr_schedule: str = "cosine"
    warm_up: float = 0.02
    sampler: str = "nint-fast"
    least_batch: int = 2**11
    most_batch: int = 2**15
    size: str | None = None
    redraw_every: int | None = None
    by_kernel: bool = True


PAPER = Recipe(lr=1e-4, lr_schedule="constant", warm_up=0.0, sampler="nint")
PAPER_FIELDS = ("siren", "mlp", "pemlp", "ffn", "wire", "gauss", "finer")
"""The networks of the paper, all of which it trains at one rate."""

_GRID = Recipe(
    lr=3e-2, optimizer="adam:beta2=0.99,eps=1e-15", batch_share=0.02, total_steps=2000, least_batch=2**13, most_batch=2**13, size="1x64"
)

_SIREN = Recipe(lr=1e-3, small_lr=2e-3, optimizer="muon", batch_share=0.02, total_steps=2000, sampler="nint-fast:schedule=growing")
_SIREN_3D = dataclasses.replace(_SIREN, most_batch=2**13)
"""The batch alone was measured, the rest is the image's: in a minute 2.1 dB more than with 2^15 on ch2 (5x129), 3.2 dB (5x183), and .6 dB
on carphone (5x128), single runs on a slow minute of two cores."""

_SHAPE = Recipe(
    lr=2e-3, optimizer="muon", batch_share=0.1, total_steps=2000, sampler="uniform", size="5x128", redraw_every=100, by_kernel=False
)
"""The distances of 50,000 points take as long as several steps. IoU of the armadillo after 20 s: .75 with new points at each step (5x256,
1e-3), .947 with new ones at every 50th, .959 with 5x128 too, .966 at 2e-3 too (single runs, two cores); grids .945, `nint-fast` .967."""

MEASURED: dict[tuple[str, str], Recipe] = {
    ("image", "siren"): _SIREN,
    ("volume", "siren"): _SIREN_3D,
    ("video", "siren"): _SIREN_3D,
    ("image", "grid"): _GRID,
    ("volume", "grid"): _GRID,
    ("video", "grid"): _GRID,
    ("audio", "siren"): Recipe(lr=2e-3, optimizer="adam", batch_share=0.1, total_steps=2000),
    ("shape", "siren"): _SHAPE,
}
"""(kind, network) -> recipe. Other kinds inherit the image's of the same network."""

DEFAULT_FIELDS = {"image": "grid", "volume": "grid", "video": "grid"}
"""Kind -> network of the default recipe; SIREN where none stands here."""

GRID_FROM = {"image": 0.45, "volume": 0.05, "video": 0.25}
"""Kind -> bits a point of a file from which a grid network holds a signal better than SIREN after a minute; others take SIREN."""

SMALL_GRID = "1x32"
"""Layers x width of the network behind the grids in such a file."""

SMALL = 2**15
"""Weights of the largest network that counts as small."""

CHEAP = ("nint-fast", "uniform")
"""Samplers whose choice costs next to nothing, so that small batches pay."""
