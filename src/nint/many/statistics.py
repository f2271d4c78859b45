"""The distribution of the metrics of a dataset."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

LOWER_IS_BETTER = ("lpips", "chamfer", "chamfer_squared")
QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


def spread(rows: Iterable[dict[str, Any]]) -> dict[str, list[float]]:
    """Metric -> its lowest value, 5 %, median, 95 % and highest over the fields in which it was measured.

    Between two fields a quantile is interpolated linearly, so that the median of an even number is the mean of the middle two.

    Args:
        rows: Each with a dictionary "metrics".
    """
    found: dict[str, list[float]] = {}
    for row in rows:
        for name, value in row["metrics"].items():
            if not math.isnan(value):
                found.setdefault(name, []).append(value)
    return {name: [_quantile(sorted(values), share) for share in QUANTILES] for name, values in found.items()}


def _quantile(ordered: list[float], share: float) -> float:
    """As `numpy.quantile`, which gives NaN where neighbours are infinite."""
    place = share * (len(ordered) - 1)
    low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
    return low if low == high else low + (high - low) * (place - math.floor(place))


def worst(values: list[tuple[str, float]], metric: str, count: int) -> list[tuple[str, float]]:
    """The ids of lowest quality, worst first.

    Args:
        values: (id, value); NaN is left out.
        metric: Which it is; of some metrics the highest value is worst.
        count: How many.
    """
    known = [(id, value) for id, value in values if not math.isnan(value)]
    return sorted(known, key=lambda pair: pair[1], reverse=metric in LOWER_IS_BETTER)[:count]
