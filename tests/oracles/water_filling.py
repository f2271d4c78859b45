"""Sharing out a batch among cells, and what is remembered of each, in plain Python floats."""

import math


def expected_counts(weight, size, total):
    """Expected points of each cell: size times min(level x weight, 1), the level found by halving."""
    if total == sum(size):
        return [float(points) for points in size]

    def filled(level):
        return [points * min(level * w, 1.0) for w, points in zip(weight, size, strict=True)]

    low, high = 1e-40, 1e40
    while high / low > 1 + 1e-15:
        middle = math.sqrt(low * high)
        if middle in (low, high):
            break
        low, high = (middle, high) if math.fsum(filled(middle)) < total else (low, middle)
    return filled(high)


def density(error, size, xi, power):
    """xi + (1 - xi) (e / mean e)^p scaled to mean 1 over the points; NaN is an error that nobody has seen yet."""
    seen = [(e, n) for e, n in zip(error, size, strict=True) if not math.isnan(e)]
    usual = math.fsum(e * n for e, n in seen) / sum(n for _, n in seen)
    peak = [1.0 if math.isnan(e) else (e / usual) ** power for e in error]
    mean = math.fsum(p * n for p, n in zip(peak, size, strict=True)) / sum(size)
    return [xi + (1 - xi) * p / mean for p in peak]


def remembered(error, losses, memory):
    """The map after a step. `losses[c]` are those of the points that cell c has just given."""
    after = []
    for before, given in zip(error, losses, strict=True):
        if not given or not all(math.isfinite(loss) for loss in given):
            after.append(before)
            continue
        fresh = math.sqrt(math.fsum(given) / len(given))
        value = fresh if math.isnan(before) else before
        for _ in given:
            value = memory * value + (1 - memory) * fresh
        after.append(value)
    return after
