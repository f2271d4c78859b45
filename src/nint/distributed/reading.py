"""Opening a signal over several processes: an .npy by each process's own rows, other files as a whole, of which the own rows are kept."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nint.distributed.group import Group
from nint.distributed.shard import Shard, leaves_of, shard_of
from nint.distributed.signal import Part, ShardedSignal
from nint.errors import UsageError
from nint.files import check_regular
from nint.signals.base import MEASURE_UP_TO, Signal
from nint.signals.grid.array import ArraySignal, guess_dims, load_array
from nint.signals.grid.files import open_npy
from nint.signals.grid.gridded import GridSignal, axis_count
from nint.signals.grid.volume import VolumeSignal, load_volume
from nint.signals.grid_rows import GridValues, Rows, Scan, block_points, checked_scan, rows_of, scan
from nint.signals.image.signal import ImageSignal
from nint.signals.kinds import PREFIX, detect_kind, given_options
from nint.signals.leaves import is_leaf_fingerprint, leaf_digests, leaf_fingerprint
from nint.signals.open import open_signal

_KINDS = "images, volumes and arrays (.npy, .zarr, TIFF, NIfTI and image files) without missing or held-out points"
_VOLUME_AXES = 3


def open_sharded(source: Any, options: dict[str, Any], group: Group) -> ShardedSignal:
    """Opens what `open_signal` opens, as far as it works over several processes; all of them call it together.

    Args:
        source: As for `open_signal`.
        options: Likewise: kind, hold_out and those of the kind; None counts as not given.
        group: The processes.

    Raises:
        UsageError: for what cannot be read or fitted, or does not work over several processes, on all of them.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if given.pop("hold_out", None):
        raise UsageError("--hold-out does not work over several processes; leave it away, or start one process.")
    if isinstance(source, (str, os.PathLike)) and _is_npy(os.fsdecode(source), given.get("kind")):
        return _open_npy(Path(source), given, group)
    inner = group.agreed(lambda: _supported(open_signal(source, **given)))
    shard = _shard(_points(inner), inner.name, group)
    print_of = _agreed_fingerprint(inner.fingerprint(), inner.name, group)
    if isinstance(inner, ImageSignal):
        channels = inner.layout.channels
        own = inner.array.reshape(-1, channels)[shard.start : shard.stop].copy()
        unit = own if inner.layout.bits == 32 else own.astype(np.float32) / np.float32(inner.layout.top)  # as one process does
        return ShardedSignal(
            inner, (inner.layout.height, inner.layout.width), _kept(torch.from_numpy(unit)), shard, group, print_of, _never
        )
    values = inner.values
    if isinstance(values, Tensor):
        return ShardedSignal(
            inner, inner.layout.grid, _kept(values[shard.start : shard.stop].clone()), shard, group, print_of, inner.same_content
        )
    return _lazy(inner, shard, group, print_of, inner.same_content)


def _is_npy(text: str, kind: str | None) -> bool:
    return not text.startswith(PREFIX) and text.lower().endswith(".npy") and kind in (None, "array", "volume")


def _open_npy(path: Path, given: dict[str, Any], group: Group) -> ShardedSignal:
    """An .npy, memory-mapped, of which each process reads its own rows."""
    kind, in_dims, array = group.agreed(lambda: _looked_at(path, given))
    dims = _VOLUME_AXES if kind == "volume" else in_dims
    rows = rows_of(array, dims, path.name)
    shard = _shard(len(rows), path.name, group)
    found = _scan_together(rows, shard, path.name, group)

    def same(fingerprint: str) -> bool:
        if is_leaf_fingerprint(fingerprint):
            return False
        return group.texts(scan(rows, path.name).digest if group.rank == 0 else "")[0] == fingerprint  # of a run in one process

    inner: GridSignal
    if kind == "volume":
        inner = VolumeSignal(array, name=path.name, scanned=found)
    else:
        inner = ArraySignal(array, in_dims=dims, name=path.name, scanned=found)
    return _lazy(inner, shard, group, found.digest, same)


def _looked_at(path: Path, given: dict[str, Any]) -> tuple[str, int, np.ndarray]:
    """Kind, coordinate axes and mapped array of a file; its numbers are not read.

    Raises:
        UsageError: for what is no array that can be fitted.
    """
    check_regular(path)
    if not path.exists():
        raise UsageError(f"There is no file '{path}'.")
    kind = given.get("kind") or detect_kind(path)
    if kind == "volume" and given.get("in_dims", _VOLUME_AXES) != _VOLUME_AXES:
        kind = "array"
    options = {key: value for key, value in given.items() if key != "kind"}
    asked = given_options(load_volume if kind == "volume" else load_array, f"{kind} signals", options)
    array = open_npy(path)
    in_dims = asked.get("in_dims")
    if kind == "volume":
        if array.ndim not in (3, 4):
            raise UsageError(f"'{path.name}' has {array.ndim} axes; a volume has three, and a fourth for channels.")
        return kind, _VOLUME_AXES, array
    if array.ndim == 0:
        raise UsageError(f"'{path.name}' is a single number; an array to fit has at least one axis.")
    return kind, guess_dims(array.shape, path.name) if in_dims is None else axis_count(in_dims, array.ndim, path.name), array


def _scan_together(rows: Rows, shard: Shard, name: str, group: Group) -> Scan:
    """What `scan` finds, each process in its own rows; the hash is one that does not depend on their number.

    Raises:
        UsageError: for values that cannot be fitted over several processes, on all of them.
    """
    lows, highs, missing, infinite = [], [], 0, False
    step = block_points(rows.channels)
    for start in range(shard.start, shard.stop, step):
        block = rows.between(start, min(start + step, shard.stop))
        if rows.dtype.kind == "f":
            infinite = infinite or bool(np.isinf(block).any())
            missing += int(np.isnan(block).any(axis=1).sum())
        lows.append(np.fmin.reduce(block, axis=None))
        highs.append(np.fmax.reduce(block, axis=None))
    own = [np.fmin.reduce(lows).item(), np.fmax.reduce(highs).item(), missing, infinite]
    every = [json.loads(said) for said in group.texts(json.dumps(own))]
    if any(part[3] for part in every):
        raise UsageError(f"'{name}' holds infinity; numbers must be finite.")
    if any(part[2] for part in every):
        raise UsageError(f"'{name}' has points without a value (NaN), which does not work over several processes; start one process.")
    digests = group.gathered(torch.from_numpy(leaf_digests(rows, leaves_of(group.rank, group.size))))
    found = Scan(min(part[0] for part in every), max(part[1] for part in every), 0, leaf_fingerprint(rows, digests.numpy()))
    return checked_scan(rows, name, found)


def _supported(signal: Signal) -> ImageSignal | GridSignal:
    if type(signal) not in (ImageSignal, ArraySignal, VolumeSignal) or signal.observed is not None:
        raise UsageError(f"'{signal.name}' cannot be fitted over several processes; {_KINDS} can, anything else in one process.")
    assert isinstance(signal, (ImageSignal, GridSignal))
    return signal


def _points(signal: ImageSignal | GridSignal) -> int:
    return signal.layout.height * signal.layout.width if isinstance(signal, ImageSignal) else len(signal.values)


def _shard(points: int, name: str, group: Group) -> Shard:
    """This process's rows.

    Raises:
        UsageError: where a process would have none.
    """
    if any(len(shard_of(points, rank, group.size)) == 0 for rank in range(group.size)):
        raise UsageError(f"'{name}' has {points:,} points, too few for {group.size} processes; start fewer.")
    return shard_of(points, group.rank, group.size)


def _agreed_fingerprint(own: str, name: str, group: Group) -> str:
    if len(set(group.texts(own))) > 1:
        raise UsageError(f"The processes have read different contents of '{name}'; give all of them the same file.")
    return own


def _lazy(inner: GridSignal, shard: Shard, group: Group, fingerprint: str, same: Any) -> ShardedSignal:
    """Values that are read when they are asked for; of a small signal this process's are read once."""
    if shard.total <= MEASURE_UP_TO and isinstance(inner.values, GridValues):
        own = inner.values[shard.start : shard.stop]
        return ShardedSignal(inner, inner.layout.grid, _kept(own), shard, group, fingerprint, same)

    def values(device: torch.device) -> Part:
        return Part(inner.pool(device).values, shard)

    return ShardedSignal(inner, inner.layout.grid, values, shard, group, fingerprint, same)


def _kept(own: Tensor) -> Any:
    def values(device: torch.device) -> Tensor:
        return own.to(device)

    return values


def _never(fingerprint: str) -> bool:
    return False
