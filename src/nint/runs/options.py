"""The settings of a run as keyword arguments, and as a frozen value that is read once."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import nn

from nint.arguments import switch
from nint.bandwidth.auto import without_auto
from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec
from nint.machine.devices import check_device
from nint.machine.precision import check_precision
from nint.ntk.check import require_module
from nint.packing.container import check_packages
from nint.runs.batches import with_batch
from nint.samplers import SAMPLERS
from nint.samplers.base import Sampler, require_sampler
from nint.settings import is_finite, whole
from nint.training.budgets import Budget


class SignalKeywords(TypedDict, total=False):
    """How the source is read; which of these a kind of signal takes stands with its loader (`nint.signals.kinds`)."""

    kind: str | None
    hold_out: float | None
    max_points: int | None
    max_side: int | None
    bit_depth: int | None
    super_resolution: int | None
    downsampling: str | None
    transparent: str | None
    start: float | None
    duration: float | None
    in_dims: int | None
    pool_size: int | None
    redraw_every: int | None
    ground_truth: str | None
    truth: str | None
    target: str | None
    iou_resolution: int | None
    chamfer_samples: int | None


class FitKeywords(SignalKeywords, total=False):
    """What `nint.fit` and `make_job` take besides their own arguments; each is explained at `FitSettings`."""

    field: str | FieldSpec | type[FieldSpec] | nn.Module | None
    sampler: str | Sampler[Any] | type[Sampler[Any]] | None
    batch_share: float | None
    batch_size: int | None
    optimizer: str | None
    lr: float | None
    lr_schedule: str | None
    warm_up: float | None
    loss: str
    total_steps: int | None
    seed: int
    device: str | torch.device
    chunk_size: int | None
    score_precision: str
    compile: bool
    max_kilobytes: float | None


@dataclass(frozen=True)
class FitSettings:
    """What a run was asked to be. None leaves a setting to the recipe, and what that leaves open to the kind of signal.

    Attributes:
        recipe: "default" or "paper".
        field: Text form, spec, class or module of the network.
        sampler: Text form, class or sampler.
        batch_share: Short for the sampler's setting.
        batch_size: Short for the sampler's setting.
        optimizer: Text form.
        lr: Learning rate.
        lr_schedule: "constant", "cosine" or "exponential".
        warm_up: Fraction of the run in which the learning rate rises, in [0, 1).
        loss: "l2", "l1" or "huber".
        total_steps: The run length that schedules are laid out for.
        seed: Of the start weights and of the sampler.
        device: "auto", "cpu", "cuda" or "mps".
        chunk_size: Points at a time; None chooses for the device.
        score_precision: Of forwards that only score points: "float32", or "bf16" for their large products.
        compile: Compile the network with `torch.compile`, excluded from the timing; needs a C++ compiler (on CUDA: triton).
        max_kilobytes: Size of the packed model in 1000 bytes, for which the network is chosen where no size is named.
        signal: `kind`, `hold_out` and the options of the kind's loader (`SignalKeywords`).
    """

    recipe: str = "paper"
    field: str | FieldSpec | type[FieldSpec] | nn.Module | None = None
    sampler: str | Sampler[Any] | type[Sampler[Any]] | None = None
    batch_share: float | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    lr_schedule: str | None = None
    warm_up: float | None = None
    loss: str = "l2"
    total_steps: int | None = None
    seed: int = 0
    device: str | torch.device = "auto"
    chunk_size: int | None = None
    score_precision: str = "float32"
    compile: bool = False
    max_kilobytes: float | None = None
    signal: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, keywords: Mapping[str, Any], *, recipe: str, caller: str, others: Iterable[str] = ()) -> FitSettings:
        """The settings in keyword arguments.

        Args:
            keywords: As `FitKeywords`.
            recipe: "default" or "paper".
            caller: Function to name in a message.
            others: Names of its other arguments, which a misspelt one may have meant.

        Raises:
            UsageError: for an argument that is not known; the nearest is named.
        """
        known = {*FitKeywords.__annotations__, *others}
        for name in keywords:
            if name not in known:
                raise UsageError(f"{caller} got an unexpected argument '{name}'{_meant(name, known)}")
        read = {name: value for name, value in keywords.items() if name in SignalKeywords.__annotations__}
        return cls(recipe=recipe, signal=read, **{name: value for name, value in keywords.items() if name not in read})

    def named_field(self) -> FieldSpec | nn.Module | None:
        """The network that the user has named, parsed; None leaves it to the recipe.

        Raises:
            UsageError: for a text form that cannot be read, and what is no network.
        """
        given: Any = without_auto(self.field)[0]
        if given is None or isinstance(given, (str, FieldSpec)) or (isinstance(given, type) and issubclass(given, FieldSpec)):
            named: FieldSpec | None = FIELDS.parse(given)
            return named
        return require_module(given, "field", "a text form such as 'siren', a FieldSpec or ")

    def check(self) -> None:
        """Refuses what can be refused before a file is read.

        Raises:
            UsageError: names the setting.
        """
        self.named_field()
        if self.sampler is not None:
            with_batch(require_sampler(SAMPLERS.parse(self.sampler)), self.batch_share, self.batch_size)
        whole(self.seed, "seed", 0)
        for name, count in (("total_steps", self.total_steps), ("chunk_size", self.chunk_size)):
            if count is not None:
                whole(count, name)
        check_device(self.device)
        switch(self.compile, "compile")
        check_precision(self.score_precision)
        if self.max_kilobytes is not None and not (is_finite(self.max_kilobytes) and self.max_kilobytes > 0):
            raise UsageError(f"max_kilobytes={self.max_kilobytes!r} must be a finite number above 0.")
        if self.max_kilobytes is not None:
            check_packages()


def _meant(name: str, known: Iterable[str]) -> str:
    if name in {field.name for field in dataclasses.fields(Budget)}:
        return f"; did you mean budget=nint.Budget({name}=...)?"
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else "."
