"""A space-filling curve through the boxes of a grid, so that boxes near each other on it are near each other in space."""

from __future__ import annotations

import torch
from torch import Tensor


def curve_rank(bins: tuple[int, ...]) -> Tensor:
    """Place of each box on a Hilbert curve, `[count]`, boxes in row-major order; along one axis that is the order of the boxes.

    Every k-th box of the curve lie evenly in space, which every k-th box of a row-major order do not: they form lines.

    Args:
        bins: Boxes along each axis. The curve of the surrounding cube is followed; boxes that do not exist are left out.

    Cost: a pass over the boxes for each bit of the longest axis, and one sort.
    Source: Skilling 2004, Programming the Hilbert curve.
    """
    axes = [axis for axis, many in enumerate(bins) if many > 1]
    places = torch.cartesian_prod(*(torch.arange(bins[axis]) for axis in axes)) if axes else torch.zeros(1, dtype=torch.long)
    places = places.reshape(-1, max(len(axes), 1))
    if places.shape[1] == 1:
        return torch.arange(len(places))
    x = list(places.unbind(1))
    bits = max(max(bins) - 1, 1).bit_length()
    for bit in range(bits - 1, 0, -1):  # undo the turns and reflections of each level, the coarsest first
        below = (1 << bit) - 1
        for axis in range(len(x)):
            flipped = (x[axis] >> bit) & 1 == 1
            swap = torch.where(flipped, 0, (x[0] ^ x[axis]) & below)
            x[0] = torch.where(flipped, x[0] ^ below, x[0] ^ swap)
            x[axis] = x[axis] ^ swap if axis else x[0]
    for axis in range(1, len(x)):  # Gray code
        x[axis] = x[axis] ^ x[axis - 1]
    turn = torch.zeros_like(x[0])
    for bit in range(bits - 1, 0, -1):
        turn = torch.where((x[-1] >> bit) & 1 == 1, turn ^ ((1 << bit) - 1), turn)
    x = [part ^ turn for part in x]
    number = torch.zeros_like(x[0])
    for bit in range(bits - 1, -1, -1):
        for part in x:
            number = (number << 1) | ((part >> bit) & 1)
    rank = torch.empty_like(number)
    rank[torch.argsort(number)] = torch.arange(len(number))
    return rank
