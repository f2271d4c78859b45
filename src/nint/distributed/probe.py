"""What samplers see of the network and of a pool whose rows several processes hold."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nint.distributed.group import Group
from nint.distributed.picker import ShardedPicker
from nint.distributed.shard import Shard
from nint.ntk.products import Params, row_chunks
from nint.probe.cost import Cost
from nint.probe.probe import Probe
from nint.samplers.base import Feedback, Sampler, Selection
from nint.samplers.full import Full
from nint.samplers.nint_fast import NintFast

_BLOCK = 2**20


class ShardedProbe(Probe):
    """A pool over several processes: as long as all rows together, with predictions and scores of this process's rows.

    A sampler that scores ranks them with the picker of `nint.samplers.picker.picker_for`; one that draws does so over the whole length,
    with a generator that is in the same state everywhere.

    Args:
        local: This process's rows.
        shard: Which those are.
        group: The processes.
    """

    def __init__(self, local: Probe, shard: Shard, group: Group) -> None:
        self.local, self.shard, self.group = local, shard, group
        super().__init__(
            local._field,
            local.pool,
            local.loss,
            local.chunk_size,
            local.cost,
            forwards=local.forwards,
            tangents=local.tangents,
            in_evaluation=local.in_evaluation,
        )

    def __len__(self) -> int:
        return self.shard.total

    @property
    def coords(self) -> Any:
        """Coordinates of all processes; reading them collects them, so they are read as a whole only, by samplers that sort a pool."""
        return _All(self.local.coords, self.shard, self.group)

    @property
    def places(self) -> Any:
        """As `coords`, which are one tensor here."""
        return self.coords

    @property
    def values(self) -> Any:
        """This process's values, `[m, d_out]`."""
        return self.local.values

    @property
    def grid(self) -> tuple[int, ...] | None:
        """None: no process has all neighbours of its rows."""
        return None

    @property
    def epoch(self) -> int:
        """That of the local pool."""
        return self.local.epoch

    @property
    def device(self) -> torch.device:
        """Device of the local pool."""
        return self.local.device

    def clear_cache(self) -> None:
        """As in `Probe`."""
        self.local.clear_cache()

    def prediction(self) -> Tensor:
        """Of this process's rows, `[m, d_out]`."""
        return self.local.prediction() if len(self.shard) else self._nothing()

    def residual(self) -> Tensor:
        """Of this process's rows, `[m, d_out]`, in the memory of the prediction, which is forwarded anew where it is asked for again."""
        return self._in_place(torch.sub)

    def loss_gradient(self) -> Tensor:
        """Of this process's rows, `[m, d_out]`, likewise."""
        return self._in_place(self.loss.point_gradient)

    def _in_place(self, difference: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """What a function of prediction and values gives, a million rows at a time: memory is what several processes are started for."""
        found = self.prediction()
        self.local.clear_cache()
        for rows in row_chunks(len(found), _BLOCK):
            found[rows] = difference(found[rows], self.local.values[rows])
        return found

    def vjp(self, cotangent: Tensor) -> Params:
        """J^T u over all rows, for u of this process's rows `[m, d_out]`."""
        return summed(self.local.vjp(cotangent), self.group)

    def gradient(self) -> Params:
        """J^T g over all rows. Cost: m forwards and m backwards, and one sum over the processes."""
        return summed(self.local.gradient(), self.group)

    def jvp(self, tangent: Params) -> Tensor:
        """J v of this process's rows, `[m, d_out]`."""
        return self.local.jvp(tangent) if len(self.shard) else self._nothing()

    def picker(self, rng: torch.Generator) -> ShardedPicker:
        """Chooses over the rows of all processes."""
        return ShardedPicker(self.shard, self.group, rng)

    def on(self, indices: Tensor, epoch: int | None = None) -> GatheredProbe:
        """A probe on few rows, which are counted over all processes; each computes those that it holds, and all get the results."""
        return GatheredProbe(self, indices, self.epoch if epoch is None else epoch)

    def _nothing(self) -> Tensor:
        dtype = next(iter(self.parameters().values())).dtype
        return torch.empty(0, self.local.pool.out_features, dtype=dtype, device=self.device)

    def select(self, sampler: Sampler[Any], state: Any, step: int, rng: torch.Generator) -> tuple[Selection, Selection, Any]:
        """Asks a sampler.

        Returns:
            Its own answer in rows of all processes (of scored ones this process's part), what of it is this process's in rows of the local
            pool, and the state.
        """
        if isinstance(sampler, Full):
            every = Selection(torch.arange(len(self.shard), device=self.device))
            return every, every, state
        chosen, state = sampler.select(state, step, self, rng)
        return chosen, dataclasses.replace(chosen, indices=self.shard.own(chosen.indices)), state

    def completed(self, sampler: Sampler[Any], chosen: Selection, feedback: Feedback) -> Feedback:
        """The feedback of all processes, for samplers that look at it; of others as it is."""
        if not isinstance(sampler, NintFast):
            return feedback
        losses = feedback.point_loss.new_zeros(len(chosen.indices))
        losses[self.shard.owns(chosen.indices)] = feedback.point_loss
        return dataclasses.replace(feedback, point_loss=self.group.sum_(losses))


class GatheredProbe(Probe):
    """Few rows of a sharded pool: each process computes those that it holds, and every process sees the results of all.

    Args:
        whole: The pool.
        indices: Its rows, `[m]`, the same on every process.
        epoch: Of the rows.
    """

    def __init__(self, whole: ShardedProbe, indices: Tensor, epoch: int) -> None:
        self._group, self._indices = whole.group, indices
        self._places = torch.nonzero(whole.shard.owns(indices))[:, 0]
        own = whole.shard.own(indices)
        self._own = whole.local.on(own, epoch) if len(own) else None
        self._whole = whole
        pool = dataclasses.replace(whole.local.pool, grid=None, epoch=epoch)
        super().__init__(whole.local._field, pool, whole.loss, whole.chunk_size, Cost(), forwards=whole.forwards)

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def coords(self) -> Any:
        """Of all rows; read as a whole."""
        own = self._whole.local.coords[self._whole.shard.own(self._indices)]
        return self._spread(own, self._whole.local.pool.in_features)

    @property
    def values(self) -> Tensor:
        """Of all rows, `[m, d_out]`."""
        own = self._whole.local.values[self._whole.shard.own(self._indices)]
        return self._spread(own, self._whole.local.pool.out_features)

    def prediction(self) -> Tensor:
        """Of all rows, `[m, d_out]`."""
        if self._prediction is None:
            self._prediction = self._spread(None if self._own is None else self._own.prediction(), self._whole.local.pool.out_features)
        return self._prediction

    def vjp(self, cotangent: Tensor) -> Params:
        """J^T u over all rows, for u `[m, d_out]`."""
        own = self._zeros() if self._own is None else self._own.vjp(cotangent[self._places])
        return summed(own, self._group)

    def gradient(self) -> Params:
        """J^T g over all rows."""
        return summed(self._zeros() if self._own is None else self._own.gradient(), self._group)

    def jvp(self, tangent: Params) -> Tensor:
        """J v of all rows, `[m, d_out]`."""
        return self._spread(None if self._own is None else self._own.jvp(tangent), self._whole.local.pool.out_features)

    def _zeros(self) -> Params:
        return {name: torch.zeros_like(p) for name, p in self.parameters().items()}

    def _spread(self, own: Tensor | None, columns: int) -> Tensor:
        """The rows of all processes in their places, from those of this one."""
        dtype = next(iter(self.parameters().values())).dtype
        whole = torch.zeros(len(self), columns, dtype=dtype, device=self._indices.device)
        if own is not None:
            whole[self._places] = own.to(dtype)
        return self._group.sum_(whole)


class _All:
    """Rows of all processes, collected when they are read.

    Args:
        rows: This process's, `[m, d]`.
        shard: Which those are.
        group: The processes.
    """

    def __init__(self, rows: Any, shard: Shard, group: Group) -> None:
        self._rows, self._shard, self._group = rows, shard, group
        self.shape = (shard.total, rows.shape[1])
        self.device = rows.device

    def __len__(self) -> int:
        return self._shard.total

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        every: Tensor = self._group.gathered(self._rows[:])
        return every[rows]


def summed(parts: Params, group: Group) -> Params:
    """Tensors by name, summed over the processes in one operation."""
    if not parts:
        return parts
    flat = group.sum_(torch.cat([_real(part).reshape(-1) for part in parts.values()]))
    found, begin = {}, 0
    for name, part in parts.items():
        like = _real(part)
        piece = flat[begin : begin + like.numel()].view_as(like).to(like.dtype)
        found[name] = torch.view_as_complex(piece) if part.is_complex() else piece
        begin += like.numel()
    return found


def _real(part: Tensor) -> Tensor:
    return torch.view_as_real(part.contiguous()) if part.is_complex() else part
