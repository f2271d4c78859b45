"""A gridded signal of which each process holds and reads its own rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from nint.distributed.group import Group
from nint.distributed.shard import Shard
from nint.errors import UsageError
from nint.ntk.products import row_chunks
from nint.signals.base import MEASURE_UP_TO, GridCoords, KindDefaults, Layout, Pool, Predict, Signal
from nint.signals.grid_rows import block_points
from nint.signals.measure import ESTIMATE_POINTS, spread_rows


class Part:
    """Consecutive rows of something that is read by rows.

    Args:
        base: `[n, d]`.
        shard: Which rows.
    """

    def __init__(self, base: Any, shard: Shard) -> None:
        self._base, self._shard = base, shard
        self.shape = (len(shard), base.shape[1])
        self.device: torch.device = base.device

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Tensor) -> Tensor:
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            found: Tensor = self._base[slice(start + self._shard.start, max(start, stop) + self._shard.start, step)]
        else:
            found = self._base[rows + self._shard.start]
        return found


class ShardedSignal(Signal):
    """This process's rows of a grid. Its quality is measured by all processes together, so all call `evaluate` at the same time.

    Args:
        inner: The signal, of which this keeps what it says of itself, but no values.
        grid: Points an axis.
        values: Values of a device that hold this process's rows only, `[m, d_out]`, in [0, 1].
        shard: Which rows.
        group: The processes.
        fingerprint: Of the whole content.
        same: Whether another fingerprint is of the same content; called by all processes together.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr",)

    def __init__(
        self,
        inner: Signal,
        grid: tuple[int, ...],
        values: Callable[[torch.device], Any],
        shard: Shard,
        group: Group,
        fingerprint: str,
        same: Callable[[str], bool],
    ) -> None:
        self.layout: Layout = inner.layout
        self.name = inner.name
        self.shard, self.group = shard, group
        self._grid, self._values, self._fingerprint, self._same = grid, values, fingerprint, same
        self._defaults, self._scaling, self.origin = inner.defaults, inner.scaling(), inner.origin
        self._all_measured = shard.total <= MEASURE_UP_TO or inner.layout.kind == "image"

    @property
    def defaults(self) -> KindDefaults:
        """The inner signal's."""
        return self._defaults

    def pool(self, device: torch.device | str) -> Pool:
        """This process's points in the order of the grid; coordinates stay lazy where those of one process would."""
        coords = Part(GridCoords(self._grid, device=device), self.shard)
        return Pool(coords[:] if self.shard.total <= MEASURE_UP_TO else coords, self._values(torch.device(device)))

    def outline(self) -> Signal:
        """The whole signal as settings see it: its kind and number of points, without values."""
        return _Outline(self)

    def remarks(self) -> tuple[str, ...]:
        """What is measured over several processes."""
        how = "" if self._all_measured else f", estimated on {ESTIMATE_POINTS:,} points"
        return (f"Over several processes PSNR is the only metric{how}; nint eval measures the others afterwards.",)

    def scaling(self) -> dict[str, Any]:
        """The inner signal's."""
        return self._scaling

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """PSNR (dB) over the rows of all processes, or over 2^20 of them where one process would estimate it. All call it together."""
        coords, values = Part(GridCoords(self._grid), self.shard), self._values(torch.device("cpu"))
        rows = torch.arange(len(self.shard)) if self._all_measured else self.shard.own(spread_rows(self.shard.total, ESTIMATE_POINTS))
        total, count = 0.0, 0
        for part in row_chunks(len(rows), block_points(self.layout.out_features)):
            chosen = rows[part]
            error = predict(coords[chosen]).detach().cpu().double().clamp(0, 1) - values[chosen].double()
            total += float(error.square().sum())
            count += error.numel()
        total, count = self.group.sum_(torch.tensor([total, count], dtype=torch.float64)).tolist()
        return {"psnr": math.inf if total == 0 else 10 * math.log10(count / total) if math.isfinite(total) else math.nan}

    def fingerprint(self) -> str:
        """Of the whole content, whatever the number of processes."""
        return self._fingerprint

    def same_content(self, fingerprint: str) -> bool:
        """As in `Signal`; all processes call it together."""
        return fingerprint == self._fingerprint or self._same(fingerprint)


class _Outline(Signal):
    """Kind and number of points of a sharded signal.

    Args:
        whole: The signal.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr",)
    outlined: ClassVar[bool] = True

    def __init__(self, whole: ShardedSignal) -> None:
        self._whole, self.layout, self.name = whole, whole.layout, whole.name

    @property
    def defaults(self) -> KindDefaults:
        return self._whole.defaults

    def pool(self, device: torch.device | str) -> Pool:
        coords = GridCoords(self._whole._grid, device=device)
        return Pool(coords, coords, grid=self._whole._grid)

    def evaluate(self, predict: Predict) -> dict[str, float]:
        raise UsageError("An outline of a signal has no values to measure.")
