"""What a sampler may ask of the current network: predictions, loss gradients, J^T u and J v on one pool.

A probe is lazy (nothing runs until it is requested, and a prediction at most once a step), chunked, and counts its cost.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from nint.fields.passes import Rows
from nint.machine.compiled import Forwards
from nint.machine.quiet import as_in_evaluation
from nint.ntk.products import Params, Tangents, forward_rows, jvp_rows, resolve_chunk_size, trainable, vjp_rows
from nint.probe.cost import Cost
from nint.probe.objectives import PointLoss
from nint.signals.base import Pool, RowSubset
from nint.signals.inputs import Columns


class Probe:
    """The network at its current parameters, seen on one pool.

    Args:
        field: The network.
        pool: Its points.
        loss: The run's own loss; g is its gradient.
        chunk_size: Points at a time; None chooses for the device.
        cost: Counter to add to; a new one if None.
        precision: Of the forwards behind `prediction`, "float32" or "bf16"; gradients, J^T u and J v stay float32.
        forwards: How to call the network, shared with another probe; instead of `precision`.
        tangents: How to compute J v, see `nint.ntk.tangents`; None is forward mode.
        in_evaluation: Look at the network as in `eval()`, drawing from no global generator: for one that is random or mixes points, or was
            in evaluation when it was tried.

    Raises:
        UsageError: for a bad chunk size or an unknown precision.
    """

    def __init__(
        self,
        field: nn.Module,
        pool: Pool,
        loss: PointLoss,
        chunk_size: int | None = None,
        cost: Cost | None = None,
        *,
        precision: str = "float32",
        forwards: Forwards | None = None,
        tangents: Tangents | None = None,
        in_evaluation: bool = False,
    ) -> None:
        self._field = field
        self.pool = pool
        self.loss = loss
        self.chunk_size = resolve_chunk_size(chunk_size, pool.device)
        self.cost = Cost() if cost is None else cost
        self.forwards = Forwards(field, precision) if forwards is None else forwards
        self.tangents = tangents
        self.in_evaluation = in_evaluation
        self._prediction: Tensor | None = None

    def __len__(self) -> int:
        return len(self.pool)

    @property
    def coords(self) -> Any:
        """`[n, d_in]`, read by rows; of points with several inputs a row is a tuple or a dict."""
        return self.pool.coords

    @property
    def places(self) -> Any:
        """`[n, d]`, read by rows: where the points lie, for samplers that look at neighbours. All columns of several inputs."""
        return self.pool.coords if isinstance(self.pool.coords[:1], Tensor) else Columns(self.pool.coords)

    @property
    def values(self) -> Any:
        """`[n, d_out]`, read by rows."""
        return self.pool.values

    @property
    def grid(self) -> tuple[int, ...] | None:
        """Shape of the regular grid that the points fill in order, or None."""
        return self.pool.grid

    @property
    def epoch(self) -> int:
        """Changes whenever the points are redrawn; what is cached by index is valid within one epoch only."""
        return self.pool.epoch

    @property
    def device(self) -> torch.device:
        """Device of the pool."""
        return self.pool.device

    def clear_cache(self) -> None:
        """Drops the cached prediction; called whenever the parameters may have changed."""
        self._prediction = None

    def prediction(self) -> Tensor:
        """`[n, d_out]`, no graph. Cost: n forwards, once a step."""
        if self._prediction is None:
            with self._looking():
                self._prediction = forward_rows(self.forwards.scoring, self.coords, self.chunk_size)
            self.cost.forward += len(self)
        return self._prediction

    def residual(self) -> Tensor:
        """Prediction minus values, `[n, d_out]`. Cost: that of `prediction`."""
        residual: Tensor = self.prediction() - self.values[:]
        return residual

    def loss_gradient(self) -> Tensor:
        """Derivative g of each point's loss with respect to its prediction, `[n, d_out]`. Cost: that of `prediction`."""
        return self.loss.point_gradient(self.prediction(), self.values[:])

    def vjp(self, cotangent: Tensor) -> Params:
        """J^T u for u `[n, d_out]`. Cost: n forwards and n backwards."""
        self.cost.forward += len(self)
        self.cost.backward += len(self)
        with self._looking():
            return vjp_rows(self._field, self.coords, lambda _, rows: cotangent[rows], self.chunk_size, self.forwards.training)

    def gradient(self) -> Params:
        """J^T g: the parameter gradient of the loss summed over the pool.

        The same forward also fills the prediction, so both together cost n forwards and n backwards.
        """
        kept: Tensor | None = self._prediction
        lock, values = threading.Lock(), Rows(self.values)

        def cotangent(prediction: Tensor, rows: slice) -> Tensor:
            nonlocal kept
            with lock:
                if kept is None:
                    kept = prediction.new_empty((len(self), prediction.shape[1]))
            if self._prediction is None:
                kept[rows] = prediction
            return self.loss.point_gradient(prediction, values[rows])

        with self._looking():
            result = vjp_rows(self._field, self.coords, cotangent, self.chunk_size, self.forwards.training)
        self._prediction = kept
        self.cost.forward += len(self)
        self.cost.backward += len(self)
        return result

    def jvp(self, tangent: Params) -> Tensor:
        """J v for a parameter tangent, `[n, d_out]`. Cost: n forward-mode passes."""
        self.cost.jvp += len(self)
        with self._looking():
            return jvp_rows(self._field, self.coords, tangent, self.chunk_size, self.tangents)

    def _looking(self) -> AbstractContextManager[None]:
        return as_in_evaluation(self._field) if self.in_evaluation else nullcontext()

    def parameters(self) -> Params:
        """Detached trainable parameters."""
        return trainable(self._field)

    def picker(self, rng: torch.Generator) -> Any:
        """What chooses rows where several processes share the pool (`nint.distributed`); None where it is all here."""
        return None

    def on(self, indices: Tensor, epoch: int | None = None) -> Probe:
        """A probe on a sub-pool.

        Args:
            indices: Rows of this pool, `[m]`.
            epoch: Epoch of the sub-pool. Give a new one whenever the rows change, so that caches by index are dropped.
        """
        pool = Pool(
            coords=RowSubset(self.coords, indices),
            values=RowSubset(self.values, indices),
            grid=None,
            value_range=self.pool.value_range,
            epoch=self.epoch if epoch is None else epoch,
        )
        return Probe(
            self._field,
            pool,
            self.loss,
            self.chunk_size,
            self.cost,
            forwards=self.forwards,
            tangents=self.tangents,
            in_evaluation=self.in_evaluation,
        )
