"""Everything that decides a run, read and checked. Nothing here trains or writes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import nn

from nint import schedules
from nint.devices import resolve_device
from nint.errors import UsageError, nearest
from nint.fields import FIELDS, FieldSpec
from nint.objectives import make_loss
from nint.optimizers import OPTIMIZERS
from nint.samplers import SAMPLERS
from nint.samplers.base import BatchSampler, Sampler
from nint.settings import split_text
from nint.signals.base import KindDefaults, Signal
from nint.signals.open import open_signal

LARGE_POOL = 2**22
LARGE_BATCH = 2**15
LARGE_CANDIDATES = 2**17


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that decides a run, checked. Text forms where a thing has one.

    Attributes:
        signal: What to fit.
        field: Spec of the network, or a ready module.
        sampler: Which coordinates.
        optimizer: Text form of the optimizer.
        lr: Learning rate; None is the field's own default.
        lr_schedule: "constant", "cosine" or "exponential", over total_steps.
        loss: Name of the point loss.
        total_steps: What schedules read.
        seed: Of the start weights and, apart from them, of the sampler.
        device: Where.
        chunk_size: Points at a time; None chooses for the device.
        signal_options: How the signal was read.
        notes: What was chosen for the user, in sentences.
    """

    signal: Signal
    field: FieldSpec | nn.Module
    sampler: Sampler
    optimizer: str = "adam"
    lr: float | None = None
    lr_schedule: str = "constant"
    loss: str = "l2"
    total_steps: int = 5000
    seed: int = 0
    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    chunk_size: int | None = None
    signal_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.lr is not None and not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"lr={self.lr} must be a finite number above 0, for example 1e-4.")
        if self.lr_schedule not in schedules.LR_SCHEDULES:
            known = nearest(self.lr_schedule, schedules.LR_SCHEDULES)
            raise UsageError(f"There is no learning-rate schedule called '{self.lr_schedule}'.{known}")
        if self.total_steps < 1:
            raise UsageError(f"total_steps={self.total_steps} must be at least 1.")
        if not 0 <= self.seed < 2**62:
            raise UsageError(f"seed={self.seed} must be a whole number of at least 0.")
        make_loss(self.loss)
        OPTIMIZERS.parse(self.optimizer)

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        if self.lr is not None:
            return self.lr
        return self.field.default_lr if isinstance(self.field, FieldSpec) else 1e-4

    def build_field(self) -> nn.Module:
        """The network at its start weights, which depend on the seed alone."""
        if not isinstance(self.field, FieldSpec):
            return self.field.to(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        layout = self.signal.layout
        return self.field.build(layout.in_features, layout.out_features, generator).to(self.device)

    def settings(self) -> dict[str, Any]:
        """What a resume must match, as JSON."""
        return {
            "input": self.signal.name,
            "options": self.signal_options,
            "content": self.signal.fingerprint(),
            "field": FIELDS.text(self.field) if isinstance(self.field, FieldSpec) else type(self.field).__name__,
            "sampler": SAMPLERS.text(self.sampler),
            "optimizer": OPTIMIZERS.text(OPTIMIZERS.parse(self.optimizer)),
            "lr": self.rate,
            "lr_schedule": self.lr_schedule,
            "loss": self.loss,
            "total_steps": self.total_steps,
            "seed": self.seed,
            "device": self.device.type,
        }


def make_job(
    source: Any,
    *,
    field: str | FieldSpec | nn.Module = "siren",
    sampler: str | Sampler = "nint",
    batch_share: float | None = None,
    batch_size: int | None = None,
    optimizer: str = "adam",
    lr: float | None = None,
    lr_schedule: str = "constant",
    loss: str = "l2",
    total_steps: int | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    chunk_size: int | None = None,
    **signal_options: Any,
) -> Job:
    """Reads the source and checks every setting; nothing is written and nothing is trained.

    What is not said is chosen by the kind of signal (`Signal.defaults`): batch share, omega_0, total_steps.

    Args:
        source: As for `nint.fit`.
        field: Text form, spec or module.
        sampler: Text form, class or sampler.
        batch_share: Short for the sampler's setting.
        batch_size: Short for the sampler's setting.
        optimizer: Text form.
        lr: Learning rate; None is the field's own.
        lr_schedule: "constant", "cosine" or "exponential".
        loss: "l2", "l1" or "huber".
        total_steps: What schedules read.
        seed: Seed.
        device: "auto", "cpu", "cuda" or "mps".
        chunk_size: Points at a time.
        **signal_options: `kind`, `hold_out` and the options of the kind's loader (images: max_side).

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    # Settings are checked before the file is read: they are quicker to be wrong.
    chosen: Sampler = SAMPLERS.parse(sampler)
    chosen = _with_batch(chosen, batch_share, batch_size)
    network = FIELDS.parse(field) if isinstance(field, (str, type)) else field
    resolved = resolve_device(device) if isinstance(device, str) else device
    signal = open_signal(source, **signal_options)
    named = _named(sampler) | {key for key, value in (("batch_share", batch_share), ("batch_size", batch_size)) if value is not None}
    chosen, notes = _sized(chosen, named, signal)
    return Job(
        signal=signal,
        field=_with_defaults(network, field, signal.defaults),
        sampler=chosen,
        optimizer=optimizer,
        lr=lr,
        lr_schedule=lr_schedule,
        loss=loss,
        total_steps=signal.defaults.total_steps if total_steps is None else total_steps,
        seed=seed,
        device=resolved,
        chunk_size=chunk_size,
        signal_options={key: value for key, value in signal_options.items() if value is not None},
        notes=notes,
    )


def _with_batch(sampler: Sampler, batch_share: float | None, batch_size: int | None) -> Sampler:
    given = {key: value for key, value in (("batch_share", batch_share), ("batch_size", batch_size)) if value is not None}
    if not given:
        return sampler
    if len(given) == 2:
        raise UsageError("--batch-share and --batch-size both set the batch; give one of them.")
    if not isinstance(sampler, BatchSampler):
        flag = "--" + next(iter(given)).replace("_", "-")
        raise UsageError(f"Sampler '{SAMPLERS.name_of(sampler)}' has no batch share; leave {flag} out or choose another sampler.")
    return dataclasses.replace(sampler, **given)


def _named(sampler: Any) -> set[str]:
    """Settings that the user has chosen: those in the text; of a ready sampler, all."""
    if isinstance(sampler, str):
        return set(split_text(sampler)[1])
    return {field.name for field in dataclasses.fields(sampler)} if isinstance(sampler, Sampler) else set()


def _sized(sampler: Sampler, named: set[str], signal: Signal) -> tuple[Sampler, tuple[str, ...]]:
    """The sampler with the batch that suits the signal, where the user has not chosen one."""
    if not isinstance(sampler, BatchSampler):
        return sampler, ()
    chosen = bool(named & {"batch_share", "batch_size"})
    points = len(signal.pool(torch.device("cpu")))
    if points > LARGE_POOL and sampler.works_on_subpools and "candidates" not in named:
        batch = sampler.count(0, 1, points) if chosen else LARGE_BATCH
        candidates = max(LARGE_CANDIDATES, 2 * batch)
        note = f"{points:,} points are many: each batch of {batch:,} is chosen among {candidates:,} random ones (candidates)."
        size = {} if chosen else {"batch_size": batch}
        return dataclasses.replace(sampler, candidates=candidates, **size), (note,)
    if chosen or "candidates" in named:
        return sampler, ()
    return dataclasses.replace(sampler, batch_share=signal.defaults.batch_share), ()


def _with_defaults(network: FieldSpec | nn.Module, given: Any, defaults: KindDefaults) -> FieldSpec | nn.Module:
    """The network with the settings of the signal's kind that it has and the user has not chosen."""
    if not isinstance(given, (str, type)) or not isinstance(network, FieldSpec):
        return network
    named = split_text(given)[1] if isinstance(given, str) else {}
    has = {field.name for field in dataclasses.fields(network)}
    wanted = {"omega_0": defaults.omega_0, "first_bias": defaults.first_bias}
    return dataclasses.replace(network, **{k: v for k, v in wanted.items() if v is not None and k in has and k not in named})
