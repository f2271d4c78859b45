"""Coarse to fine over a setting of the network: the one whose kernel leaves the least error."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nint.bandwidth.leave_one_out import NUGGETS, leave_one_out, scaled
from nint.bandwidth.patches import Patch, patches_of
from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec, build_field
from nint.machine.workers import workers
from nint.ntk.layerwise import patch_kernel
from nint.signals.base import Signal

SETTINGS: dict[tuple[str, str], tuple[float, ...]] = {
    ("siren", "weight_scale"): (0.5, 1.0, 2.0, 4.0),
    ("finer", "weight_scale"): (0.25, 0.5, 1.0, 2.0),
    ("siren", "omega_0"): (7.5, 15.0, 30.0, 60.0, 120.0),
    ("finer", "omega_0"): (7.5, 15.0, 30.0, 60.0, 120.0),
    ("ffn", "sigma"): (1.25, 2.5, 5.0, 10.0, 20.0, 40.0),
    ("gauss", "scale"): (2.5, 5.0, 10.0, 20.0, 40.0),
}
"""(network, setting) -> the values that are tried first."""

_ROUNDS = 2
"""After the values above, in each of which the distance to the neighbours of the best is halved, as factors."""

PATCHES = 4
_SURE_DB = 0.5
_LITTLE_DB, _ENOUGH_DB = 23.0, 29.0
_EASY_DB, _EASIEST_DB = 60.0, 90.0
_MORE, _SOLID, _LESS = 1.2, 0.85, 0.65
_HALVED_AT, _LEAST_ROOM = 0.05, 0.45
SEED_OFFSET = 15_485_863


@dataclass(frozen=True)
class Choice:
    """What a search has found.

    Attributes:
        setting: Its name.
        value: The value of least error.
        tried: Value -> predicted PSNR of left-out points in decibels, relative to the range of the values.
        seconds: What it took.
        axes: Coordinates of a point.
        weights_a_point: Weights of the network for each point of the signal.
    """

    setting: str
    value: float
    tried: dict[float, float]
    seconds: float
    axes: int = 2
    weights_a_point: float = 1.0

    @property
    def decibels(self) -> float:
        """That of the value."""
        return self.tried[self.value]

    @property
    def chosen(self) -> float:
        """The value for a network that is to reproduce the samples themselves (`for_samples`)."""
        return for_samples(self.value, self.decibels, self.axes, self.weights_a_point)

    @property
    def sure(self) -> bool:
        """Whether the best of the values tried first stands out from those that are not its neighbours, and lies inside them."""
        values = sorted(self.tried)
        far = [decibels for value, decibels in self.tried.items() if not 0.6 <= value / self.value <= 1.7]
        return self.value not in (values[0], values[-1]) and (not far or self.tried[self.value] - max(far) >= _SURE_DB)


def choose(field: FieldSpec, setting: str, signal: Signal, seed: int = 0) -> Choice:
    """The value of a setting whose kernel at the start weights predicts points of a signal best from their neighbours.

    Args:
        field: The network; its own value of the setting does not count.
        setting: Its name, of those in `SETTINGS`.
        signal: What is to be fitted.
        seed: Of the start weights and of where the patches lie.

    Raises:
        UsageError: for a setting that cannot be chosen so, or a signal that is the same everywhere.

    Cost: eight kernels on each of four patches of 256 points; about a second for SIREN 5x256.
    """
    began = time.perf_counter()
    check_setting(field, setting)
    pool = signal.pool(torch.device("cpu"))
    patches = patches_of(pool, PATCHES, torch.Generator().manual_seed(seed + SEED_OFFSET))
    if not patches:
        raise UsageError(f"'{signal.name}' has the same value everywhere it was looked at, so there is nothing to choose {setting} by.")
    low, high = pool.value_range
    tried: dict[float, float] = {}

    def try_(value: float) -> None:
        if value not in tried:
            changed: Any = {setting: value}
            tried[value] = predicted_db(dataclasses.replace(field, **changed), patches, high - low, seed)

    with workers(1):  # on a busy machine the threads of an eigendecomposition wait for one another
        for value in SETTINGS[FIELDS.name_of(field), setting]:
            try_(value)
        for _ in range(_ROUNDS):
            known = sorted(tried)
            at = known.index(max(tried, key=lambda value: tried[value]))
            lower = known[at] / known[1] * known[0] if at == 0 else known[at - 1]
            upper = known[at] / known[-2] * known[-1] if at == len(known) - 1 else known[at + 1]
            for neighbour in (lower, upper):
                try_(float(f"{math.sqrt(known[at] * neighbour):.3g}"))
    weights = field.parameter_count(signal.layout.in_features, signal.layout.out_features)
    best = max(tried, key=lambda value: tried[value])
    room = 1.0 if weights is None else weights / max(len(pool), 1)
    return Choice(setting, best, tried, time.perf_counter() - began, pool.in_features, room)


def for_samples(value: float, decibels: float, axes: int, weights_a_point: float = 1.0) -> float:
    """What reproduces the samples best, where the kernel says what predicts the points between them best.

    Along one or two axes: where neighbours tell little of a point, a network that must hold each sample wants frequencies a fifth
    higher, where they tell enough none; between, the factor falls linearly with the decibels. Along three axes patches are so short
    that the kernel asks for more than training can use. Beyond 60 dB, where all is smooth, lower frequencies train faster.

    The kernel does not know how many weights there are. A network that has too few of them to hold every sample, as small files need it,
    wants lower frequencies: half at a weight for 20 points, all at one a point, linear in the logarithm between.

    Args:
        value: Of least leave-one-out error.
        decibels: Of that error.
        axes: Coordinates of a point.
        weights_a_point: Weights of the network for each point of the signal.

    Source: measured, `benchmarks/bandwidth.py`; few weights on kodim03 and kodim05 with 5x31, 5x69 and 5x142.
    """
    part = min(max((decibels - _LITTLE_DB) / (_ENOUGH_DB - _LITTLE_DB), 0.0), 1.0)
    easy = min(max((decibels - _EASY_DB) / (_EASIEST_DB - _EASY_DB), 0.0), 1.0)
    room = 1 - 0.5 * math.log(max(weights_a_point, 1e-9)) / math.log(_HALVED_AT)
    factor = min(max(room, _LEAST_ROOM), 1.0)
    factor *= (_SOLID if axes >= 3 else _MORE + part * (1 - _MORE)) * (1 - easy * (1 - _LESS))
    return float(f"{value * factor:.3g}")


def check_setting(field: FieldSpec, setting: str) -> None:
    """Refuses a setting that the kernel cannot choose.

    Raises:
        UsageError: names those that it can.
    """
    if (FIELDS.name_of(field), setting) not in SETTINGS:
        known = ", ".join(f"{setting} of {name}" for name, setting in SETTINGS)
        raise UsageError(f"{setting}=auto of {FIELDS.name_of(field)} cannot be chosen by the kernel, which chooses {known}.")


def predicted_db(field: FieldSpec, patches: Sequence[Patch], span: float, seed: int) -> float:
    """PSNR in decibels at which the kernel at the start weights predicts points of the patches from the others.

    Args:
        field: The network.
        patches: Of the signal.
        span: Range of the values, to which the PSNR is relative.
        seed: Of the start weights.
    """
    generator = torch.Generator().manual_seed(seed)
    network = build_field(field, patches[0].coords.shape[1], patches[0].values.shape[1], generator).to(patches[0].coords.dtype)
    errors = torch.stack([leave_one_out(scaled(patch_kernel(network, patch.coords)), patch.values, NUGGETS).min() for patch in patches])
    # The mean of decibels, not of squares: else the patch of most variance decides alone, and another draw decides otherwise.
    return float(-10 * torch.log10(errors.clamp(min=1e-30) / span**2).mean())
