"""Everything that decides a run, read and checked. Nothing here trains or writes."""

from __future__ import annotations

import dataclasses
import os
from typing import Any, Unpack

import torch
from torch import nn

from nint.errors import UsageError, nearest, what_is
from nint.fields import FIELDS, FieldSpec, build_field
from nint.machine.devices import resolve_device
from nint.machine.precision import check_precision
from nint.probe.objectives import make_loss
from nint.runs import recipes
from nint.runs.options import FitKeywords, FitSettings
from nint.samplers import SAMPLERS
from nint.samplers.base import Sampler
from nint.settings import current_options, is_finite, whole
from nint.signals.base import Signal
from nint.signals.kinds import PREFIX
from nint.signals.open import open_signal
from nint.training import learning_rate
from nint.training.budgets import Budget
from nint.training.optimizers import OPTIMIZERS, OptimizerSpec


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
        total_steps: The run length that schedules are laid out for.
        seed: Of the start weights and, apart from them, of the sampler.
        device: Where.
        chunk_size: Points at a time; None chooses for the device.
        signal_options: How the signal was read.
        notes: What was chosen for the user, in sentences.
        recipe: Which recipe chose what the user has not named.
        warm_up: Fraction of the run in which the learning rate rises, in [0, 1).
        by_clock: Under a budget of seconds, whether the learning rate follows the fraction of them that is used, so that it ends with them.
        chosen: What the recipe chose, by name, where the user has named nothing.
        score_precision: Of forwards that only score points: "float32" or "bf16" (`nint.machine.precision`).
        compile: Whether to compile the network (`nint.machine.compiled`).
        max_kilobytes: Size of the packed model in 1000 bytes; None packs none.
        source: Where the signal came from, to find it again: an absolute path or "sample:NAME"; "" for what is no file.
    """

    signal: Signal
    field: FieldSpec | nn.Module
    sampler: Sampler[Any]
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
    recipe: str = "paper"
    warm_up: float = 0.0
    by_clock: bool = False
    chosen: dict[str, Any] = dataclasses.field(default_factory=dict)
    score_precision: str = "float32"
    compile: bool = False
    max_kilobytes: float | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if self.lr is not None and not (is_finite(self.lr) and self.lr > 0):
            raise UsageError(f"lr={self.lr!r} must be a finite number above 0, for example 1e-4.")
        if self.lr_schedule not in learning_rate.LR_SCHEDULES:
            known = nearest(str(self.lr_schedule), learning_rate.LR_SCHEDULES)
            raise UsageError(f"There is no learning-rate schedule called '{self.lr_schedule}'.{known}")
        object.__setattr__(self, "total_steps", whole(self.total_steps, "total_steps"))
        object.__setattr__(self, "seed", whole(self.seed, "seed", 0))
        if self.seed >= 2**62:
            raise UsageError(f"seed={self.seed} must be less than 2^62.")
        if self.chunk_size is not None:
            object.__setattr__(self, "chunk_size", whole(self.chunk_size, "chunk_size"))
        recipes.check_recipe(self.recipe)
        learning_rate.check_warm_up(self.warm_up)
        check_precision(self.score_precision)
        make_loss(self.loss)
        if not isinstance(optimizer := OPTIMIZERS.parse(self.optimizer), OptimizerSpec):
            raise UsageError(f"optimizer= must be a text form such as 'adam'; {what_is(optimizer)} is none.")

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        if self.lr is not None:
            return self.lr
        return self.field.default_lr if isinstance(self.field, FieldSpec) else 1e-4

    @property
    def rate_source(self) -> str:
        """Source of the learning rate."""
        if self.lr is None:
            return "its own default" if isinstance(self.field, FieldSpec) else "the default of modules"
        return "the recipe's" if "lr" in self.chosen else "as given"

    def build_field(self) -> nn.Module:
        """The network at its start weights, which depend on the seed alone."""
        if not isinstance(self.field, FieldSpec):
            return self.field.to(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        layout = self.signal.layout
        return build_field(self.field, layout.in_features, layout.out_features, generator).to(self.device)

    def settings(self) -> dict[str, Any]:
        """What a resume must match, as JSON."""
        return {
            "input": self.signal.name,
            "options": self.signal_options,
            "content": self.signal.fingerprint(),
            "recipe": self.recipe,
            "field": FIELDS.text(self.field) if isinstance(self.field, FieldSpec) else type(self.field).__name__,
            "sampler": SAMPLERS.text(self.sampler),
            "optimizer": OPTIMIZERS.text(OPTIMIZERS.parse(self.optimizer)),
            "lr": self.rate,
            "lr_schedule": self.lr_schedule,
            "warm_up": self.warm_up,
            "loss": self.loss,
            "total_steps": self.total_steps,
            "seed": self.seed,
            "device": self.device.type,
            "score_precision": self.score_precision,
            "compile": self.compile,
        }


def make_job(source: Any, *, recipe: str = "paper", budget: Budget | int | None = None, **settings: Unpack[FitKeywords]) -> Job:
    """Reads the source and checks every setting; nothing is written and nothing is trained.

    Args:
        source: As for `nint.fit`.
        recipe: "default" or "paper".
        budget: What the run will have, or a number of steps.
        **settings: Those of `FitSettings`, and the options of the signal's kind.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    asked = FitSettings.of(settings, recipe=recipe, caller="make_job", others=("recipe", "budget"))
    return read_job(source, asked, None if budget is None else Budget.of(budget))


def read_job(source: Any, asked: FitSettings, budget: Budget | None = None, *, by_kernel: bool = True) -> Job:
    """Reads the source and chooses what the settings leave out.

    Args:
        source: As for `nint.fit`.
        asked: What the user has named.
        budget: What the run will have.
        by_kernel: Whether the default recipe lets the kernel choose the network's bandwidth for this signal; signals that are to share
            their start do not.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    # Settings are checked before the file is read, which takes longer.
    recipes.check_recipe(asked.recipe)
    asked.check()
    device = resolve_device(asked.device)
    signal = open_signal(source, **asked.signal)
    read = {key: value for key, value in current_options(asked.signal).items() if value is not None}
    every = recipes.redraws(asked, signal)
    if every is not None:
        signal, read["redraw_every"] = signal.redrawn_every(every), every
    chosen = recipes.complete(asked, signal, budget, by_kernel=by_kernel)
    return Job(
        signal=signal,
        field=chosen.field,
        sampler=chosen.sampler,
        optimizer=chosen.optimizer,
        lr=chosen.lr,
        lr_schedule=chosen.lr_schedule,
        loss=asked.loss,
        total_steps=chosen.total_steps,
        seed=asked.seed,
        device=device,
        chunk_size=asked.chunk_size,
        signal_options=read,
        notes=chosen.notes,
        recipe=asked.recipe,
        warm_up=chosen.warm_up,
        by_clock=asked.recipe != "paper" and asked.total_steps is None,
        chosen=chosen.chosen,
        score_precision=asked.score_precision,
        compile=asked.compile,
        max_kilobytes=asked.max_kilobytes,
        source=whereabouts(source),
    )


def whereabouts(source: Any) -> str:
    """An absolute path or "sample:NAME"; "" for a source that is no file."""
    if not isinstance(source, (str, os.PathLike)):
        return ""
    text = os.fsdecode(source)
    return text if text.startswith(PREFIX) else os.path.abspath(text)
