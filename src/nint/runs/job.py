"""Everything that decides a run, read and checked. Nothing here trains or writes."""

from __future__ import annotations

import dataclasses
import math
import os
from typing import Any

import torch
from torch import nn

from nint.errors import UsageError, nearest
from nint.fields import FIELDS, FieldSpec
from nint.machine.devices import resolve_device
from nint.machine.precision import check_precision
from nint.probe.objectives import make_loss
from nint.runs import recipes
from nint.runs.batches import batch_of, named_settings, sized, with_batch
from nint.samplers import SAMPLERS
from nint.samplers.base import Sampler
from nint.settings import current_names, split_text
from nint.signals.base import Signal
from nint.signals.kinds import PREFIX
from nint.signals.open import open_signal
from nint.training import learning_rate
from nint.training.budgets import Budget
from nint.training.optimizers import OPTIMIZERS


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
        recipe: Which recipe chose what the user has not named.
        warm_up: Share of the run in which the learning rate rises, in [0, 1).
        by_clock: Under a budget of seconds, whether the learning rate follows the share of them that is used, so that it ends with them.
        chosen: What the recipe chose, by name, where the user has named nothing.
        score_precision: Of forwards that only score points: "float32" or "bf16" (`nint.machine.precision`).
        compile: Whether to compile the network (`nint.machine.compiled`).
        source: Where the signal came from, for a later look at it: an absolute path or "sample:NAME"; "" for what is no file.
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
    recipe: str = "paper"
    warm_up: float = 0.0
    by_clock: bool = False
    chosen: dict[str, Any] = dataclasses.field(default_factory=dict)
    score_precision: str = "float32"
    compile: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        if self.lr is not None and not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"lr={self.lr} must be a finite number above 0, for example 1e-4.")
        if self.lr_schedule not in learning_rate.LR_SCHEDULES:
            known = nearest(self.lr_schedule, learning_rate.LR_SCHEDULES)
            raise UsageError(f"There is no learning-rate schedule called '{self.lr_schedule}'.{known}")
        if self.total_steps < 1:
            raise UsageError(f"total_steps={self.total_steps} must be at least 1.")
        if not 0 <= self.seed < 2**62:
            raise UsageError(f"seed={self.seed} must be a whole number of at least 0.")
        recipes.check_recipe(self.recipe)
        learning_rate.check_warm_up(self.warm_up)
        check_precision(self.score_precision)
        make_loss(self.loss)
        OPTIMIZERS.parse(self.optimizer)

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        if self.lr is not None:
            return self.lr
        return self.field.default_lr if isinstance(self.field, FieldSpec) else 1e-4

    @property
    def rate_source(self) -> str:
        """Who chose the learning rate."""
        if self.lr is None:
            return "its own default" if isinstance(self.field, FieldSpec) else "the default of modules"
        return "the recipe's" if "lr" in self.chosen else "as given"

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


def make_job(
    source: Any,
    *,
    recipe: str = "paper",
    budget: Budget | int | None = None,
    field: str | FieldSpec | type[FieldSpec] | nn.Module | None = None,
    sampler: str | Sampler | type[Sampler] | None = None,
    batch_share: float | None = None,
    batch_size: int | None = None,
    optimizer: str | None = None,
    lr: float | None = None,
    lr_schedule: str | None = None,
    warm_up: float | None = None,
    loss: str = "l2",
    total_steps: int | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    chunk_size: int | None = None,
    score_precision: str = "float32",
    compile: bool = False,
    **signal_options: Any,
) -> Job:
    """Reads the source and checks every setting; nothing is written and nothing is trained.

    What is not said is chosen by the recipe, and what that leaves open by the kind of signal (`Signal.defaults`).

    Args:
        source: As for `nint.fit`.
        recipe: "default" or "paper".
        budget: What the run will have, or a number of steps; the default recipe's learning rate decays to its end.
        field: Text form, spec, class or module.
        sampler: Text form, class or sampler.
        batch_share: Short for the sampler's setting.
        batch_size: Short for the sampler's setting.
        optimizer: Text form.
        lr: Learning rate.
        lr_schedule: "constant", "cosine" or "exponential".
        warm_up: Share of the run in which the learning rate rises, in [0, 1).
        loss: "l2", "l1" or "huber".
        total_steps: What schedules read.
        seed: Seed.
        device: "auto", "cpu", "cuda" or "mps".
        chunk_size: Points at a time.
        score_precision: Of forwards that only score points: "float32", or "bf16" for their large products.
        compile: Compile the network with `torch.compile`, off the training clock; needs a C++ compiler (on CUDA: triton).
        **signal_options: `kind`, `hold_out` and the options of the kind's loader (images: max_side).

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    # Settings are checked before the file is read: they are quicker to be wrong.
    recipes.check_recipe(recipe)
    check_precision(score_precision)
    budget = Budget(steps=budget) if isinstance(budget, int) else budget
    picked = None if sampler is None else with_batch(SAMPLERS.parse(sampler), batch_share, batch_size)
    network = FIELDS.parse(field) if isinstance(field, (str, type)) else field
    resolved = resolve_device(device) if isinstance(device, str) else device
    signal = open_signal(source, **signal_options)

    choice = recipes.choose(recipe, signal, network, optimizer)
    theirs = choice.recipe
    field_form, sampler_form = (theirs.field if field is None else field), (theirs.sampler if sampler is None else sampler)
    picked = with_batch(SAMPLERS.parse(sampler_form), batch_share, batch_size) if picked is None else picked
    named = named_settings(sampler_form) | {k for k, v in (("batch_share", batch_share), ("batch_size", batch_size)) if v is not None}
    share = recipes.share_of(theirs, SAMPLERS.name_of(picked), signal)
    picked, sizing = sized(picked, named, signal, share, bounded=recipe != "paper")
    wishes = {"omega_0": signal.defaults.omega_0, "first_bias": signal.defaults.first_bias, "weight_scale": theirs.weight_scale}
    network, granted = _with_wishes(FIELDS.parse(field_form) if network is None else network, field_form, wishes)
    given = {"optimizer": optimizer, "lr": lr, "lr_schedule": lr_schedule, "warm_up": warm_up, "total_steps": total_steps}
    steps = recipes.steps_of(recipe, theirs, signal, budget)
    filled = {key: steps if key == "total_steps" else getattr(theirs, key) for key, value in given.items() if value is None}
    parts = {"field": theirs.field if field is None else None, "sampler": theirs.sampler if sampler is None else None}
    return Job(
        signal=signal,
        field=network,
        sampler=picked,
        loss=loss,
        seed=seed,
        device=resolved,
        chunk_size=chunk_size,
        score_precision=score_precision,
        compile=compile,
        source=_whereabouts(source),
        signal_options={key: value for key, value in current_names(signal_options).items() if value is not None},
        notes=(*choice.notes, *sizing),
        recipe=recipe,
        by_clock=recipe != "paper" and total_steps is None,
        chosen={key: value for key, value in (parts | granted | batch_of(picked, named) | filled).items() if value is not None},
        **given | filled,
    )


def _with_wishes(network: FieldSpec | nn.Module, given: Any, wishes: dict[str, Any]) -> tuple[FieldSpec | nn.Module, dict[str, Any]]:
    """The network with the settings that recipe and kind wish for, where it has them and the user has not chosen them; and those."""
    if not isinstance(given, (str, type)) or not isinstance(network, FieldSpec):
        return network, {}
    named = split_text(given)[1] if isinstance(given, str) else {}
    has = {field.name for field in dataclasses.fields(network)}
    granted = {key: value for key, value in wishes.items() if value is not None and key in has and key not in named}
    return dataclasses.replace(network, **granted), granted


def _whereabouts(source: Any) -> str:
    """An absolute path or "sample:NAME"; "" for a source that is no file."""
    if not isinstance(source, (str, os.PathLike)):
        return ""
    text = os.fsdecode(source)
    return text if text.startswith(PREFIX) else os.path.abspath(text)
