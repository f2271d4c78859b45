"""The claims of Sec. 3.2 as numbers: how the tangent kernel's diagonal varies, where it is large, and how strongly points are coupled.

Everything here is deterministic and reads a network as it is. Where channels are not kept apart, the kernel is that of their sum.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from nint.ntk.dense import ntk_matrix
from nint.probe.objectives import PointLoss
from nint.probe.probe import Probe
from nint.scores.ntk import ntk_gradient_norm
from nint.scores.residual import gradient_norm, residual_l1

ETAS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Steps of plain gradient descent at which Eq. 7 is checked."""

_ENTRIES = 2**23  # numbers of the Jacobian at a time


def leverage(field: nn.Module, coords: Tensor) -> Tensor:
    """The diagonal of the kernel of the channels' sum, `[n]`; that of `ntk_diagonal(channels="sum")`, many points at a time.

    Args:
        field: A network of plain layers.
        coords: `[n, d_in]`.

    Cost: one forward and one backward a point; memory a chunk's Jacobian, about 2^23 numbers.
    """
    parameters = {name: p.detach() for name, p in field.named_parameters()}

    def summed(weights: dict[str, Tensor], point: Tensor) -> Tensor:
        prediction: Tensor = torch.func.functional_call(field, weights, (point[None],))
        return prediction.sum()

    gradients = torch.func.vmap(torch.func.grad(summed), (None, 0))
    chunk = max(_ENTRIES // max(sum(p.numel() for p in parameters.values()), 1), 1)
    rows = []
    for start in range(0, len(coords), chunk):
        squares = [g.flatten(1).square().sum(1) for g in gradients(parameters, coords[start : start + chunk]).values()]
        rows.append(torch.stack(squares).sum(0))
    return torch.cat(rows)


def spread_of(diagonal: np.ndarray) -> dict[str, float]:
    """How much a positive diagonal `[n]` varies: largest over smallest, and the 99th over the 1st percentile, also in powers of ten."""
    low, high = (float(np.percentile(diagonal, p)) for p in (1, 99))
    whole = float(diagonal.max() / diagonal.min())
    return {
        "max_over_min": whole,
        "decades_max_min": math.log10(whole),
        "p99_over_p1": high / low,
        "decades_p99_p1": math.log10(high / low),
        "coefficient_of_variation": float(diagonal.std() / diagonal.mean()),
    }


def at_edges(diagonal: np.ndarray, edges: np.ndarray) -> dict[str, float | None]:
    """The diagonal at edge points against all others.

    Args:
        diagonal: `[n]`.
        edges: `[n]` bool.

    Returns:
        share_of_edges, ratio_of_medians and ratio_of_means (edges over others), and chance_larger: how often a random edge point has the
        larger value of a random pair, 0.5 where edges make no difference. The last three are None where one of the sides is empty.
    """
    found: dict[str, float | None] = {"share_of_edges": float(edges.mean())}
    here, there = diagonal[edges], diagonal[~edges]
    if not len(here) or not len(there):
        return found | {"ratio_of_medians": None, "ratio_of_means": None, "chance_larger": None}
    below = np.searchsorted(np.sort(there), here, side="left") + np.searchsorted(np.sort(there), here, side="right")
    return found | {
        "ratio_of_medians": float(np.median(here) / np.median(there)),
        "ratio_of_means": float(here.mean() / there.mean()),
        "chance_larger": float(below.mean() / 2 / len(there)),
    }


def rank_correlation(left: np.ndarray, right: np.ndarray) -> float | None:
    """Spearman's rank correlation; None where one side is the same everywhere."""
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(_ranks(left), _ranks(right))[0, 1])


def coupling_of(matrix: np.ndarray) -> dict[str, float]:
    """Off-diagonals of a kernel `[n, n]` relative to its diagonal.

    Returns:
        mean_cosine, median_cosine and p95_cosine of |K_ij| / sqrt(K_ii K_jj) over pairs; row_sum_over_diagonal: the sum of |K_ij| over
        all other points j, over K_ii, mean over i; off_diagonal_energy: their fraction of the squared Frobenius norm.
    """
    diagonal = np.diag(matrix)
    off = ~np.eye(len(matrix), dtype=bool)
    cosines = np.abs(matrix / np.sqrt(np.outer(diagonal, diagonal)))[off]
    return {
        "mean_cosine": float(cosines.mean()),
        "median_cosine": float(np.median(cosines)),
        "p95_cosine": float(np.percentile(cosines, 95)),
        "row_sum_over_diagonal": float(((np.abs(matrix) * off).sum(1) / diagonal).mean()),
        "off_diagonal_energy": float((matrix**2)[off].sum() / (matrix**2).sum()),
    }


def as_identity(probe: Probe, share: float) -> dict[str, float | bool]:
    """What NINT's score chooses where the kernel is the identity, against error-only selection, on the probe's whole pool.

    Args:
        probe: The network on its pool.
        share: Fraction of the pool that is chosen.

    Returns:
        identity_equals_error: whether the largest ||K g|| with K = I are exactly those of the largest ||g||; overlap_int: their share
        among the largest sums of |residual|, INT's own rule; overlap_ntk: among the largest ||K g|| with the network's own kernel.
    """
    gradient = probe.loss_gradient()
    count = max(int(share * len(probe)), 1)
    n = len(gradient)
    # K = I written out as a sum over j, point by point in blocks: K_ij = [i = j].
    augmented = torch.zeros_like(gradient)
    for start in range(0, n, 256):
        rows = torch.arange(start, min(start + 256, n))
        kernel = (rows[:, None] == torch.arange(n)).to(gradient)
        augmented[rows] = kernel @ gradient
    chosen = [_top(scores, count) for scores in (augmented.norm(dim=1), gradient_norm(probe), residual_l1(probe), ntk_gradient_norm(probe))]
    identity, error, int_rule, ntk = chosen
    return {
        "points": n,
        "chosen": count,
        "identity_equals_error": identity == error,
        "overlap_int": len(error & int_rule) / count,
        "overlap_ntk": len(error & ntk) / count,
        "overlap_by_chance": count / n,
    }


def first_order(
    field: nn.Module,
    coords: Tensor,
    values: Tensor,
    others: Tensor,
    loss: PointLoss,
    etas: Sequence[float] = ETAS,
) -> list[dict[str, float]]:
    """Eq. 7: one step of plain gradient descent on a batch moves f by -(eta / B) K[:, B] g_B, to first order. In double precision.

    Args:
        field: The network; it is copied.
        coords: The batch, `[b, d_in]`.
        values: Its targets, `[b, d_out]`.
        others: Further points at which f is watched, `[m, d_in]`.
        loss: The run's loss.
        etas: Sizes of the step.

    Returns:
        For each eta the relative error ||moved - predicted|| / ||moved|| over batch and further points.

    Cost: the dense kernel between all these points and the batch, d_out backwards a point.
    """
    exact = copy.deepcopy(field).double()
    coords, values, others = coords.double(), values.double(), others.double()
    watched = torch.cat([coords, others])
    kernel = ntk_matrix(exact, watched, coords)
    with torch.no_grad():
        before = exact(watched)
        gradient = loss.point_gradient(before[: len(coords)], values)
        direction = -torch.einsum("icjd,jd->ic", kernel, gradient) / len(coords)
    leaves = [p for p in exact.parameters() if p.requires_grad]
    slopes = torch.autograd.grad(loss(exact(coords), values, torch.arange(len(coords))), leaves)
    start = [p.detach().clone() for p in leaves]
    rows = []
    for eta in etas:
        with torch.no_grad():
            for leaf, origin, slope in zip(leaves, start, slopes, strict=True):
                leaf.copy_(origin - eta * slope)
            moved = exact(watched) - before
        rows.append({"eta": eta, "relative_error": float((moved - eta * direction).norm() / moved.norm())})
    return rows


def _top(scores: Tensor, count: int) -> set[int]:
    return set(torch.topk(scores, count).indices.tolist())


def _ranks(values: np.ndarray) -> np.ndarray:
    """Places from 1 by size; equal values share the mean of theirs."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[which]
