"""The kernel itself, for small sets of points: plots, teaching and checks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nint.errors import UsageError
from nint.ntk.check import require_pointwise
from nint.ntk.products import trainable

CHANNEL_RULES = ("full", "trace", "sum")
_LIMIT = 2**28


def _jacobian(field: nn.Module, coords: Tensor) -> Tensor:
    """J `[n, d_out, P]`, one backward per point and channel, all points of a channel independent."""
    leaves = [p for p in field.parameters() if p.requires_grad]
    rows = []
    for point in coords:
        with torch.enable_grad():
            prediction = field(point[None])[0]
        rows.append(
            torch.stack(
                [_flat(torch.autograd.grad(channel, leaves, retain_graph=True, allow_unused=True), leaves) for channel in prediction]
            )
        )
    return torch.stack(rows)


def _flat(grads: tuple[Tensor | None, ...], leaves: list[nn.Parameter]) -> Tensor:
    parts = []
    for grad, leaf in zip(grads, leaves, strict=True):
        value = torch.zeros_like(leaf) if grad is None else grad
        parts.append(torch.view_as_real(value.resolve_conj()).reshape(-1) if value.is_complex() else value.reshape(-1))
    return torch.cat(parts)


def _checked(field: nn.Module, coords: Tensor, channels: str, at_once: int) -> None:
    require_pointwise(field)
    if channels not in CHANNEL_RULES:
        raise UsageError(f"channels='{channels}' is not a rule; use full, trace or sum.")
    if coords.ndim != 2 or coords.shape[0] == 0:
        raise UsageError(f"coords {tuple(coords.shape)} must be [n, d_in] with at least one point.")
    parameters = sum(p.numel() for p in trainable(field).values())
    if parameters == 0:
        raise UsageError("The network has no trainable parameters, so its tangent kernel is zero.")
    with torch.no_grad():
        prediction = field(coords[:1])
    if prediction.ndim != 2:
        raise UsageError(f"The network maps {tuple(coords[:1].shape)} to {tuple(prediction.shape)}; it must map [n, d_in] to [n, d_out].")
    entries = at_once * prediction.shape[1] * parameters
    if entries > _LIMIT:
        raise UsageError(f"The Jacobian of {at_once} points would hold {entries:,} numbers; use ntk_vector_product for sets of this size.")


def ntk_matrix(field: nn.Module, coords: Tensor, other: Tensor | None = None, *, channels: str = "full") -> Tensor:
    """The empirical NTK between two small sets of points.

    Args:
        field: As for `ntk_vector_product`.
        coords: `[n, d_in]`.
        other: `[m, d_in]`; None means `coords`.
        channels: "full": `[n, d_out, m, d_out]`, channels apart. "trace": `[n, m]`, the sum over channels of K_cc. "sum": `[n, m]`,
            the kernel of the channels' sum (all d_out x d_out entries added), as in Fig. 2 of the paper.

    Raises:
        UsageError: where the Jacobian would be too large.

    Cost: one backward per point and channel; memory n x d_out x parameters.
    Source: Eq. 8 of the paper.
    """
    _checked(field, coords, channels, coords.shape[0])
    if other is not None:
        _checked(field, other, channels, other.shape[0])
    left = _jacobian(field, coords)
    right = left if other is None else _jacobian(field, other)
    if channels == "full":
        return torch.einsum("icp,jdp->icjd", left, right)
    if channels == "trace":
        return torch.einsum("icp,jcp->ij", left, right)
    return left.sum(1) @ right.sum(1).T


def ntk_diagonal(field: nn.Module, coords: Tensor, *, channels: str = "full") -> Tensor:
    """Self-leverage of each point: the diagonal of the NTK.

    Args:
        field: As for `ntk_vector_product`.
        coords: `[n, d_in]`.
        channels: "full": `[n, d_out]`, K at (i, c, i, c). "trace": `[n]`, its sum over channels. "sum": `[n]`, of the channels' sum.

    Cost: one backward per point and channel; memory one point's Jacobian.
    Source: Sec. 3.2 of the paper.
    """
    _checked(field, coords, channels, 1)
    rows = []
    for point in coords:
        jacobian = _jacobian(field, point[None])[0]
        rows.append(jacobian.sum(0).square().sum() if channels == "sum" else jacobian.square().sum(1))
    diagonal = torch.stack(rows)
    return diagonal.sum(1) if channels == "trace" else diagonal
