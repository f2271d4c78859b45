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
from nint.packing.levels import quantise, rows_of, step_sizes, top_of

PROBE_BITS = 12.0
"""Fine enough that errors fall fourfold from here on: at 8 bits the first matrix of a sound's SIREN is off by whole turns of its sines."""

LEAST_BITS, MOST_BITS = 2.0, 18.0


def output_errors(field: nn.Module, coords: Tensor) -> dict[str, float]:
    """Mean squared change of the output when one tensor alone is off by what `PROBE_BITS` cost, for each tensor of floats.

    Weights are moved by the root mean square of the error of rounding, either way, and not rounded: a model that was packed before lies on
    a grid already, where rounding at many bits changes nothing however much the output hangs on it.

    Args:
        field: The network; as before afterwards.
        coords: `[n, d_in]` where to look.

    Cost: a forward over the points for each tensor.
    """
    chunk = chunk_size_for(coords.device)
    exact, found, generator = forward_rows(field, coords, chunk), {}, torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, tensor in field.state_dict().items():
            if not tensor.is_floating_point():
                continue
            kept = tensor.clone()
            tensor.copy_(_moved(tensor, generator))
            found[name] = float((forward_rows(field, coords, chunk) - exact).double().square().mean())
            tensor.copy_(kept)
    return found


def _moved(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """A tensor whose numbers are off by their row's step at `PROBE_BITS` over the root of 12, up or down at random; zero rows stay."""
    steps = step_sizes(quantise(tensor, top_of(PROBE_BITS)).steps).unsqueeze(1)
    rows = tensor.cpu().reshape(rows_of(tuple(tensor.shape)))
    signs = 2.0 * torch.randint(2, rows.shape, generator=generator) - 1
    moved = rows + signs * steps / math.sqrt(12) * (rows != 0).any(dim=1, keepdim=True)
    return moved.reshape(tensor.shape)


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
