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

_SOUND = dataclasses.replace(_SIREN, lr=4e-3, small_lr=None, sampler="nint-fast", least_batch=2**12, most_batch=2**12, size="3x128")
"""SI-SNR of speech 00 (8.5 s) after 20 s on two cores: 4.7 dB, with 4x128 3.8, at 2e-3 .8, with 5x256 at 2e-3 -24; the recipe before, 5x256
with Adam at 2e-3 and a tenth of the points, -33. Single runs."""

_SHAPE = Recipe(
    lr=2e-3, optimizer="muon", batch_share=0.1, total_steps=2000, sampler="uniform", size="5x128", redraw_every=100, by_kernel=False
)
"""The distances of 50,000 points take as long as several steps. IoU of the armadillo after 20 s: .75 with new points at each step (5x256,
1e-3), .947 with new ones at every 50th, .959 with 5x128 too, .966 at 2e-3 too; `nint-fast` .967 (single runs, two cores).

A grid (8 levels, growth 1.35) had .976 and after 60 s .990 against .979, on the smoother bunny .989 against .993; SIREN stays, for its
smooth surface and a third of the weights."""

MEASURED: dict[tuple[str, str], Recipe] = {
    ("image", "siren"): _SIREN,
    ("volume", "siren"): _SIREN_3D,
    ("video", "siren"): _SIREN_3D,
    ("image", "grid"): _GRID,
    ("array", "grid"): _GRID,
    ("points", "grid"): _GRID,
    ("audio", "grid"): dataclasses.replace(_GRID, least_batch=2**12, most_batch=2**12),
    ("volume", "grid"): _GRID,
    ("video", "grid"): _GRID,
    ("audio", "siren"): _SOUND,
    ("shape", "siren"): _SHAPE,
    ("shape", "grid"): dataclasses.replace(_GRID, lr=2e-2, redraw_every=100),
}
"""(kind, network) -> recipe. Other kinds inherit the image's of the same network."""

DEFAULT_FIELDS = dict.fromkeys(("image", "audio", "array", "points", "volume", "video"), "grid")
"""Kind -> network of the default recipe; SIREN where none stands here.

Single runs of 20 s on two cores, grid against SIREN 5x256: speech 00 (8.5 s) 26 dB of SI-SNR against -33, and with 20 s of eight sentences
(43 s) 10.5 against -14 (5x128 with Muon); a photo as an array of 512x512 32.8 dB against 20.3 (held out 22.3, 18.8)."""

GRID_POINTS = {"points": 2**16}
"""Kind -> fewest points from which its network is a grid. Held-out PSNR after 12 s, grid and SIREN: 2,000 points of a photo 12.8 and
17.1 dB, 20,000 15.7 and 18.8, 200,000 (20 s) 26.5 and 21.2: between few scattered points SIREN guesses better."""

GRID_FROM = {"image": 0.45, "audio": 0.2, "volume": 0.05, "video": 0.25}
"""Kind -> bits a point of a file from which a grid network holds a signal better than SIREN after a minute; others take SIREN.

Sounds after 30 s, packed SI-SNR, grid and SIREN: speech 00 at .25 bits -1.3 and -9.3 dB, at .5 bits 3.5 and -2.0, at 1 bit 7.3 and 3.2."""

SMALL_GRID = "1x32"
"""Layers x width of the network behind the grids in such a file."""

SMALL = 2**15
"""Weights of the largest network that counts as small."""

CHEAP = ("nint-fast", "uniform")
"""Samplers whose choice costs next to nothing, so that small batches pay."""
