"""`sample:stations`: scattered points made by code, so that trying points needs no file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nint.errors import UsageError
from nint.signals.points.signal import PointsSignal

_STATIONS = 800
_SEED = 7


def stations(*, in_dims: int | None = None) -> PointsSignal:
    """A smooth made-up temperature at 800 random places of a region of latitude and longitude.

    Args:
        in_dims: As in `load_points`; only 2 fits.

    Raises:
        UsageError: for another number of coordinates.
    """
    if in_dims not in (None, 2):
        raise UsageError(f"in_dims={in_dims} does not fit sample:stations, which has two coordinates; leave it away.")
    share = np.random.default_rng(_SEED).random((_STATIONS, 2))
    lat, lon = 45 + 10 * share[:, 0], 5 + 15 * share[:, 1]
    warm = 24 - 0.6 * (lat - 45) + 3 * np.sin(lon / 1.5) * np.cos(lat / 1.1) + 2 * np.exp(-((lat - 50) ** 2) - (lon - 12) ** 2)
    return PointsSignal(
        np.stack([lat, lon], axis=1), warm, coord_names=("lat", "lon"), value_names=("temperature",), name="sample:stations"
    )


SAMPLES: dict[str, tuple[str, Callable[..., PointsSignal]]] = {
    "stations": ("800 scattered points, synthetic: a temperature over latitude and longitude", stations),
}
"""Name -> (description, function that makes the signal from the options of `load_points`)."""
