"""The number of points in a batch, where the user has not named it."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from nint.errors import UsageError
from nint.samplers import SAMPLERS
from nint.samplers.base import BatchSampler, Sampler
from nint.settings import split_text
from nint.signals.base import Signal

LARGE_POOL = 2**22
LARGE_BATCH = 2**15
LARGE_CANDIDATES = 2**17


def with_batch(sampler: Sampler[Any], batch_share: float | None, batch_size: int | None) -> Sampler[Any]:
    """The sampler with the batch that the user has given apart from its text form.

    Raises:
        UsageError: where both are given, or the sampler has no batch share.
    """
    if batch_share is None and batch_size is None:
        return sampler
    if batch_share is not None and batch_size is not None:
        raise UsageError("--batch-share and --batch-size both set the batch; give one of them.")
    if not isinstance(sampler, BatchSampler):
        flag = "--batch-size" if batch_share is None else "--batch-share"
        raise UsageError(f"Sampler '{SAMPLERS.name_of(sampler)}' has no batch share; leave {flag} out or choose another sampler.")
    if batch_share is None:
        return dataclasses.replace(sampler, batch_size=batch_size)
    return dataclasses.replace(sampler, batch_share=batch_share)


def named_settings(sampler: Any) -> set[str]:
    """Names of the settings that the user has chosen: those in the text; of a ready sampler, all."""
    if isinstance(sampler, str):
        return set(split_text(sampler)[1])
    return {field.name for field in dataclasses.fields(sampler)} if isinstance(sampler, Sampler) else set()


def sized(
    sampler: Sampler[Any], named: set[str], signal: Signal, share: float, bounds: tuple[int, int] | None = None
) -> tuple[Sampler[Any], tuple[str, ...]]:
    """The sampler with the batch that suits the signal, where the user has not chosen one, and sentences on it.

    Args:
        sampler: Of any kind; those without a batch stay as they are.
        named: Settings that the user has chosen.
        signal: Whose points.
        share: Fraction of the points that is wanted.
        bounds: Take at least and at most so many points, or all.
    """
    if not isinstance(sampler, BatchSampler):
        return sampler, ()
    chosen = bool(named & {"batch_share", "batch_size"})
    points = len(signal.pool(torch.device("cpu")))
    many = points > LARGE_POOL and "candidates" not in named
    if many and not (sampler.looks_at_points or chosen or bounds):
        return dataclasses.replace(sampler, batch_size=LARGE_BATCH), (
            f"{points:,} points are many: each batch is {LARGE_BATCH:,} of them.",
        )
    if many and sampler.looks_at_points and sampler.works_on_subpools:
        batch = sampler.count(0, 1, points) if chosen else LARGE_BATCH
        candidates = max(LARGE_CANDIDATES, 2 * batch)
        note = f"{points:,} points are many: each batch of {batch:,} is chosen among {candidates:,} random ones (candidates)."
        wide = dataclasses.replace(sampler, candidates=candidates)
        return (wide if chosen else dataclasses.replace(wide, batch_size=batch)), (note,)
    if chosen or "candidates" in named:
        return sampler, ()
    if bounds is None:
        return dataclasses.replace(sampler, batch_share=share), ()
    least, most = min(bounds[0], points), bounds[1]
    if not least <= share * points <= most:
        return dataclasses.replace(sampler, batch_size=least if share * points < least else most), ()
    return dataclasses.replace(sampler, batch_share=share), ()


def batch_of(sampler: Sampler[Any], named: set[str]) -> dict[str, Any]:
    """The settings of the batch that the user has not chosen."""
    if not isinstance(sampler, BatchSampler) or named & {"batch_share", "batch_size"}:
        return {}
    return {"batch_share": sampler.batch_share} if sampler.batch_size is None else {"batch_size": sampler.batch_size}
