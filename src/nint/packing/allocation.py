"""How many bits each tensor gets: so many that another bit would help the output as much here as there.

The output error of a tensor of n numbers falls fourfold with each bit, at a cost of n bits. The total is least where error / n is the
same for all (reverse water-filling): b_k = b + log2(error_k / n_k) / 2 + constant, with the errors measured at one common number of bits.
In a SIREN this gives first weights and biases about five bits more than hidden matrices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nint.ntk.products import chunk_size_for, forward_rows
from nint.packing.levels import quantise, top_of

PROBE_BITS = 12.0
"""Fine enough that errors fall fourfold from here on: at 8 bits the first matrix of a sound's SIREN is off by whole turns of its sines."""

LEAST_BITS, MOST_BITS = 2.0, 18.0


def output_errors(field: nn.Module, coords: Tensor) -> dict[str, float]:
    """Mean squared change of the output when one tensor alone is quantised to `PROBE_BITS`, for each tensor of floats.

    Args:
        field: The network; as before afterwards.
        coords: `[n, d_in]` where to look.

    Cost: a forward over the points for each tensor.
    """
    chunk = chunk_size_for(coords.device)
    exact, found = forward_rows(field, coords, chunk), {}
    with torch.no_grad():
        for name, tensor in field.state_dict().items():
            if not tensor.is_floating_point():
                continue
            kept = tensor.clone()
            tensor.copy_(quantise(tensor, top_of(PROBE_BITS)).tensor())
            found[name] = float((forward_rows(field, coords, chunk) - exact).double().square().mean())
            tensor.copy_(kept)
    return found


def allocated(errors: Mapping[str, float], counts: Mapping[str, int], bits: float) -> dict[str, float]:
    """Bits of each tensor.

    Args:
        errors: As from `output_errors`.
        counts: Numbers in each tensor.
        bits: Mean over all numbers.
    """
    least = min((error for error in errors.values() if error > 0), default=1.0)
    wanted = {name: math.log2(max(error, least * 2.0**-20) / max(counts[name], 1)) / 2 for name, error in errors.items()}
    total = sum(counts.values())

    def at(offset: float) -> dict[str, float]:
        return {name: min(max(value + offset, LEAST_BITS), MOST_BITS) for name, value in wanted.items()}

    low, high = -200.0, 200.0
    for _ in range(60):
        middle = (low + high) / 2
        mean = sum(counts[name] * value for name, value in at(middle).items()) / max(total, 1)
        low, high = (middle, high) if mean < bits else (low, middle)
    return at(high)
