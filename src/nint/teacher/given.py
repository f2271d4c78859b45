"""What a teacher is given (network, points, values or residuals, a group of processes), read, checked and looked at."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from nint.distributed.group import Group
from nint.distributed.probe import ShardedProbe
from nint.distributed.shard import shard_as_held
from nint.distributed.states import check_sampler
from nint.errors import UsageError, what_is
from nint.probe.called import ResidualFunction
from nint.probe.pool import checked_pool
from nint.probe.probe import Probe
from nint.samplers import SAMPLERS
from nint.samplers.base import Sampler
from nint.samplers.suits import Suited, suited, suited_residual
from nint.settings import is_finite, whole
from nint.signals.base import Pool
from nint.signals.inputs import Inputs

OWN_LOSS = "a loss of your own is a class derived from nint.probe.objectives.PointLoss, or residual= where it is one of residuals"
"""End of the message about an unknown loss."""

_SLACK = 1e-3  # by which rounding may leave 0 to 1


def checked_seed(seed: Any) -> int:
    """A seed.

    Raises:
        UsageError: for what is no whole number, or too large.
    """
    try:
        number = operator.index(seed)
    except TypeError:
        raise UsageError(f"seed={seed!r} must be a whole number.") from None
    if abs(number) >= 2**62:
        raise UsageError(f"seed={seed} is out of range; it must be less than 2^62.")
    return number


def checked_grid(grid: Any) -> tuple[int, ...] | None:
    """The shape of a grid, as whole numbers.

    Raises:
        UsageError: for anything else.
    """
    if grid is None:
        return None
    sides = () if isinstance(grid, (str, bytes)) or not isinstance(grid, Iterable) else tuple(grid)
    if sides:
        with contextlib.suppress(UsageError):
            return tuple(whole(side, "grid") for side in sides)
    raise UsageError(f"grid={grid!r} must hold the number of points along each axis, for example grid=(rows, columns).")


def checked_range(value_range: Any) -> tuple[float, float] | None:
    """Lowest and highest value, as numbers.

    Raises:
        UsageError: for anything else.
    """
    if value_range is None:
        return None
    ends = tuple(value_range) if isinstance(value_range, Iterable) and not isinstance(value_range, (str, bytes, Mapping)) else ()
    if len(ends) == 2 and all(map(is_finite, ends)) and ends[0] < ends[1]:
        return float(ends[0]), float(ends[1])
    raise UsageError(f"value_range={value_range!r} must be two finite numbers, the lowest and the highest value, such as (0, 1).")


def group_of(group: Any, field: nn.Module) -> Group | None:
    """The processes that train together.

    Raises:
        UsageError: where there is no process group, and for what is none.
    """
    import torch.distributed as dist

    if group is None or isinstance(group, Group):
        return group
    if not (dist.is_available() and dist.is_initialized()):
        raise UsageError("group= needs processes that know of each other; call torch.distributed.init_process_group first.")
    if not isinstance(group, dist.ProcessGroup):
        raise UsageError(f"group= must be a process group, such as torch.distributed.group.WORLD; {what_is(group)} is none.")
    return Group(group, device=device_of(field))


def where_grid_helps(residual: ResidualFunction | None) -> str:
    """What else helps a sampler that needs an image, as the end of a message."""
    return ", or give grid=(rows, columns) where the points are all pixels of an image, row by row" if residual is None else ""


def sharded(probe: Probe, group: Group, sampler: Sampler[Any], name: str) -> ShardedProbe:
    """What the sampler sees where other processes hold further rows.

    Args:
        probe: Of the rows of this process.
        group: The processes.
        sampler: Sampler.
        name: What messages call it.

    Raises:
        UsageError: for a sampler that does not work so, or no rows anywhere.
    """
    check_sampler(sampler, name)
    shard = shard_as_held(len(probe), group)
    if shard.total == 0:
        raise UsageError("No process of the group has points; give each its own rows.")
    return ShardedProbe(probe, shard, group)


def targets(residual: ResidualFunction | None, points: Any, values: Any, grid: tuple[int, ...] | None) -> Any:
    """The values; of residuals, zeros that `with_zeros` replaces.

    Raises:
        UsageError: where values or residuals are missing, or both are there.
    """
    if residual is None:
        if values is None:
            raise UsageError("Give values [n, d_out], or residual=fn for a loss of your own.")
        return values
    if not callable(residual):
        raise UsageError(f"residual={residual!r} must be a function (network, coords) -> residuals [b, r].")
    if values is not None:
        raise UsageError("With residual= leave values out; what the residuals need for each point can be one more input of coords.")
    if grid is not None:
        raise UsageError("A grid belongs to values; leave it out with residual=.")
    return torch.zeros(1, 1).expand(len(points), 1) if hasattr(points, "__len__") else None


def range_of(values: Any, grid: tuple[int, ...] | None) -> tuple[float, float]:
    """0 and 1, or the lowest and the highest of an image's values, checked, where they reach beyond these."""
    low, high = 0.0, 1.0
    if grid is None or len(grid) != 2 or not isinstance(values, Tensor) or values.is_complex():
        return low, high
    found = values.detach().double() if values.dtype in (torch.uint16, torch.uint32, torch.uint64, torch.bool) else values.detach()
    least, most = float(found.min()), float(found.max())
    if math.isfinite(most - least) and (least < -_SLACK or most > 1 + _SLACK):
        low, high = min(low, least), max(high, most)
    return low, high


def with_zeros(pool: Pool, look: Suited) -> Pool:
    """The pool with targets for residuals, where the loss is of residuals; they take no memory."""
    return pool if look.zeros is None else replace(pool, values=look.zeros.expand(len(pool), -1))


def looked_at(field: nn.Module, residual: ResidualFunction | None, pool: Pool, needs: frozenset[str]) -> Suited:
    """How the network, or its residuals, can be used for what the sampler needs.

    Raises:
        UsageError: where the residual function fails.
        UnsupportedFieldError: where the sampler cannot use them; it says which samplers can.
    """

    def others(need: str) -> str:
        offered = frozenset(() if pool.grid is None or len(pool.grid) != 2 else ("grid2d",))
        met = offered | {"coord_gradient", "prediction", "kernel"} - {need}
        samplers: dict[str, type[Sampler[Any]]] = {name: SAMPLERS.get(name) for name in SAMPLERS.names(plugins=False)}
        return ", ".join(name for name, sampler in samplers.items() if sampler.needs <= met)

    if residual is None:
        return suited(field, pool, needs, others)
    return suited_residual(field, residual, pool, needs, others)


def replacement(given: Pool, old: Pool, field: nn.Module, look: Suited, check_finite: bool) -> Pool:
    """Other points for the same network, checked.

    Raises:
        UsageError: where they have other inputs or another number of coordinates or values than the old ones, or are not finite.
    """
    if (old_names := _names(old.coords)) != (names := _names(given.coords)):
        raise UsageError(f"The new points have inputs {names}, the first ones had {old_names}.")
    pool = with_zeros(checked_pool(given, field, check_finite), look)
    if (pool.in_features, pool.out_features) != (old.in_features, old.out_features):
        raise UsageError(
            f"The new points have {pool.in_features} coordinates and {pool.out_features} values each; "
            f"the first ones had {old.in_features} and {old.out_features}."
        )
    return pool


def device_of(field: nn.Module) -> torch.device:
    """Where its weights lie; the CPU for a network without."""
    return next((p.device for p in field.parameters()), torch.device("cpu"))


def unwrapped(field: nn.Module) -> nn.Module:
    """The network itself, where it is wrapped in DistributedDataParallel: scoring must not wait for other processes."""
    wrapped = getattr(field, "module", None)
    return wrapped if type(field).__name__ == "DistributedDataParallel" and isinstance(wrapped, nn.Module) else field


def _names(coords: Any) -> tuple[str, ...] | int:
    """What a row of points looks like: names or number of its inputs."""
    return coords.names if isinstance(coords, Inputs) else 1
