"""A signal of which some points are not trained on: unobserved ones (NaN, transparent) and those held out for validation."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import torch
from torch import Tensor

from nint.errors import UsageError
from nint.ntk.products import row_chunks
from nint.signals.base import MEASURE_UP_TO, KindDefaults, Pool, Predict, RowSubset, Signal
from nint.signals.marked_rows import BLOCK, MarkedRows
from nint.signals.measure import ESTIMATE_POINTS, spread_rows

_HELD_OUT_SEED = 0x401D
_CHUNK = 2**18
_LEFT_OUT, _KEPT, _HELD = 0, 1, 2


class ObservedSignal(Signal):
    """A signal whose pool is that of another one without the points that are unobserved or held out.

    Such a pool has no grid, so samplers that look at neighbours do not apply. `evaluate` adds "psnr_held_out": the quality on
    observed points that were never trained on. Up to 2^22 points exactly the requested fraction is held out; beyond, each point is held
    out with that probability, no coordinate or value is copied, and the quality of more than 2^22 held-out points is estimated on 2^20 of
    them.

    Args:
        inner: The whole signal; points where `inner.observed` is false are left out.
        hold_out: Fraction of the observed points to hold out, in [0, 1).

    Raises:
        UsageError: for a fraction out of range, a signal that redraws its points, or nothing left to train on.
    """

    def __init__(self, inner: Signal, hold_out: float = 0.0) -> None:
        if not (math.isfinite(hold_out) and 0 <= hold_out < 1):
            raise UsageError(f"hold_out={hold_out} is out of range; it must be at least 0 and below 1.")
        self.inner = inner
        self.hold_out = hold_out
        self.layout = inner.layout
        self.name = inner.name
        whole = self._whole(torch.device("cpu"))
        if inner.redraw(whole, 1, 0) is not whole:
            raise UsageError("Points that are redrawn cannot be held out; leave --hold-out away.")
        self._points = len(whole)
        self.held: Tensor | MarkedRows
        self.kept: Tensor | MarkedRows
        self.held, self.kept = (self._few if self._points <= MEASURE_UP_TO else self._many)()
        if hold_out and len(self.held) == 0:
            count = len(self.held) + len(self.kept)
            raise UsageError(f"hold_out={hold_out} of {count} points is less than one point; hold out more.")
        if len(self.kept) < 2:
            raise UsageError(f"{inner.name} has fewer than two observed points to train on.")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The inner signal's, and "psnr_held_out" where points are held out."""
        return (*self.inner.metrics, *(("psnr_held_out",) if self.hold_out else ()))

    @property
    def defaults(self) -> KindDefaults:
        """The inner signal's."""
        return self.inner.defaults

    def _whole(self, device: torch.device) -> Pool:
        """The inner signal's pool; what it took to prepare is counted here too."""
        pool = self.inner.pool(device)
        self.preparation_seconds = self.inner.preparation_seconds
        return pool

    def _few(self) -> tuple[Tensor, Tensor]:
        """Rows held out and rows kept, as tensors."""
        observed = self.inner.observed
        rows = torch.arange(self._points) if observed is None else torch.nonzero(observed)[:, 0]
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(_HELD_OUT_SEED))
        held = int(self.hold_out * len(rows))
        return rows[order[:held]].sort().values, rows[order[held:]].sort().values

    def _many(self) -> tuple[MarkedRows, MarkedRows]:
        """The same of a large pool: a byte a point says what becomes of it, and row numbers are found from that."""
        marks = torch.full((-(-self._points // BLOCK) * BLOCK,), _LEFT_OUT, dtype=torch.uint8)
        observed = self.inner.observed
        generator = torch.Generator().manual_seed(_HELD_OUT_SEED)
        for part in row_chunks(self._points, _CHUNK):
            held = torch.rand(part.stop - part.start, generator=generator) < self.hold_out
            mark = torch.where(held, _HELD, _KEPT).to(torch.uint8)
            marks[part] = mark if observed is None else mark.where(observed[part], _LEFT_OUT)
        return MarkedRows(marks, _HELD), MarkedRows(marks, _KEPT)

    def pool(self, device: torch.device) -> Pool:
        """The observed points that are not held out; beyond 2^22 points they are found when rows are asked for."""
        whole = self._whole(device)
        rows = self.kept.to(device)
        if isinstance(rows, MarkedRows):
            return Pool(RowSubset(whole.coords, rows), RowSubset(whole.values, rows), None, whole.value_range)
        return Pool(whole.coords[rows], whole.values[rows], None, whole.value_range)

    def evaluate(self, predict: Predict) -> dict[str, float]:
        """The inner signal's metrics, and the PSNR of the held-out points in dB (values on the scale of their range)."""
        found = self.inner.evaluate(predict)
        if len(self.held):
            whole = self._whole(torch.device("cpu"))
            low, high = whole.value_range
            measured = len(self.held) if len(self.held) <= MEASURE_UP_TO else ESTIMATE_POINTS
            some = None if measured == len(self.held) else spread_rows(len(self.held), measured)
            total = 0.0
            for part in row_chunks(measured, _CHUNK):
                rows = self.held[part if some is None else some[part]]
                prediction = predict(whole.coords[rows]).cpu().clamp(low, high)
                total += float((prediction - whole.values[rows]).double().square().mean(1).sum())
            error = total / measured / (high - low) ** 2
            found["psnr_held_out"] = math.inf if error == 0 else -10 * math.log10(error)
        return found

    def scaling(self) -> dict[str, Any]:
        """The inner signal's."""
        return self.inner.scaling()

    def layout_rows(self, rows: Tensor) -> Tensor:
        """As the inner signal has it, for rows of the points that are left."""
        return self.inner.layout_rows(self.kept.to(rows.device)[rows])

    def remarks(self) -> tuple[str, ...]:
        """What the inner signal reports, and how many points are unobserved and held out."""
        said = list(self.inner.report())
        missing = self._points - len(self.kept) - len(self.held)
        if missing:
            said.append(f"{missing:,} of {self._points:,} points are unobserved and left out of training.")
        if len(self.held) > MEASURE_UP_TO:
            said.append(f"{len(self.held):,} points are held out; psnr_held_out is estimated on {ESTIMATE_POINTS:,} of them.")
        elif len(self.held):
            said.append(f"{len(self.held):,} points are held out; psnr_held_out is measured on them.")
        return tuple(said)

    def fingerprint(self) -> str:
        """Hash of the inner signal's fingerprint and of which points are trained on."""
        digest = hashlib.sha256(f"{self.inner.fingerprint()} {self.hold_out}".encode())
        digest.update(self.kept.marks.numpy().data if isinstance(self.kept, MarkedRows) else self.kept.numpy().data)
        return digest.hexdigest()[:16]


def observed_only(signal: Signal, hold_out: float | None) -> Signal:
    """The signal itself where every point is trained on, else wrapped in `ObservedSignal`.

    Args:
        signal: What was loaded.
        hold_out: Fraction of the observed points to hold out, in [0, 1); None holds out none.
    """
    if signal.observed is None and not hold_out:
        return signal
    return ObservedSignal(signal, hold_out or 0.0)
