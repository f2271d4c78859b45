"""Source of the settings that the user leaves out: "paper" keeps those of the papers, "default" takes the fastest that were measured.

What the user names always wins, one setting at a time.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nint.bandwidth.auto import said, with_choices, without_auto
from nint.bandwidth.search import Choice
from nint.errors import UsageError, nearest
from nint.fields import FIELDS, FieldSpec
from nint.packing.sizing import with_size
from nint.runs.batches import batch_of, named_settings, sized, with_batch
from nint.runs.options import FitSettings
from nint.samplers import SAMPLERS
from nint.samplers.base import Sampler
from nint.settings import split_text
from nint.signals.base import Signal
from nint.training.budgets import Budget

RECIPES = ("default", "paper")
RESTARTS = 3
"""How often the default recipe starts again, at half the rate each time, when training has diverged."""


@dataclass(frozen=True)
class Recipe:
    """What a recipe chooses for a kind of signal.

    Attributes:
        lr: Learning rate; None is the field's own.
        optimizer: Text form.
        batch_share: Fraction of the points in a batch of samplers whose choice costs next to nothing (`CHEAP`); None is the kind's own.
        total_steps: Steps where the budget names none; None is the kind's own.
        weight_scale: Of fields that have it; None is the field's own.
        octave: What `weight_scale` gains with each doubling of the points along an axis, counted from 256: finer grids hold finer detail.
        lr_schedule: Course of the learning rate.
        warm_up: Fraction of the run in which the rate rises to it.
        sampler: Text form.
        field: Text form of the network.
    """

    lr: float | None = None
    optimizer: str = "adam"
    batch_share: float | None = None
    total_steps: int | None = None
    weight_scale: float | None = None
    octave: float = 0.0
    lr_schedule: str = "cosine"
    warm_up: float = 0.02
    sampler: str = "nint-fast"
    field: str = "siren"


PAPER = Recipe(lr=1e-4, lr_schedule="constant", warm_up=0.0, sampler="nint")
PAPER_FIELDS = ("siren", "mlp", "pemlp", "ffn", "wire", "gauss", "finer")
"""The networks of the paper, all of which it trains at one rate."""

MEASURED: dict[str, Recipe] = {
    "image": Recipe(
        lr=1e-3, optimizer="muon", batch_share=0.02, total_steps=2000, weight_scale=1.7, octave=0.35, sampler="nint-fast:schedule=growing"
    ),
    "audio": Recipe(lr=2e-3, optimizer="adam", batch_share=0.1, total_steps=2000, weight_scale=2.0),
    "shape": Recipe(lr=1e-3, optimizer="muon", batch_share=0.1, total_steps=2000, sampler="uniform"),
}
"""The default recipe of each kind that was measured, all of them on `MEASURED_FIELDS`. Other kinds inherit the image's."""

MEASURED_FIELDS = ("siren",)
_LEAST_SCALE, _MOST_SCALE = 1.0, 2.25
CHEAP = ("nint-fast", "uniform")


@dataclass(frozen=True)
class Chosen:
    """A recipe, fitted to a signal and a network.

    Attributes:
        recipe: What it chooses here.
        notes: Sentences on what was inherited or replaced.
    """

    recipe: Recipe
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completed:
    """The settings that a recipe may choose, each of them the user's or chosen.

    Attributes:
        field: Spec of the network, or a module of the user's own.
        sampler: Which coordinates, with its batch.
        optimizer: Text form.
        lr: Learning rate; None is the field's own.
        lr_schedule: Course of the learning rate.
        warm_up: Fraction of the run in which the rate rises.
        total_steps: The run length that schedules are laid out for.
        chosen: What was chosen, by name.
        notes: Sentences on it.
    """

    field: FieldSpec | nn.Module
    sampler: Sampler[Any]
    optimizer: str
    lr: float | None
    lr_schedule: str
    warm_up: float
    total_steps: int
    chosen: dict[str, Any]
    notes: tuple[str, ...]


def complete(asked: FitSettings, signal: Signal, budget: Budget | None) -> Completed:
    """Chooses what the user has left out: by the recipe, and what that leaves open by the kind of signal (`Signal.defaults`).

    Args:
        asked: What the user has named.
        signal: What is fitted.
        budget: What the run will have; the default recipe's learning rate decays to its end.

    Raises:
        UsageError: for a setting that cannot be.
    """
    choice = choose(asked.recipe, signal, asked.named_field())
    recipe = choice.recipe
    sampler_form = recipe.sampler if asked.sampler is None else asked.sampler
    named = named_settings(sampler_form) | {name for name in ("batch_share", "batch_size") if getattr(asked, name) is not None}
    sampler = with_batch(SAMPLERS.parse(sampler_form), asked.batch_share, asked.batch_size)
    share = share_of(recipe, SAMPLERS.name_of(sampler), signal)
    sampler, sizing = sized(sampler, named, signal, share, bounded=asked.recipe != "paper")
    requested = {"omega_0": signal.defaults.omega_0, "first_bias": signal.defaults.first_bias, "weight_scale": recipe.weight_scale}
    named_field = recipe.field if asked.field is None else asked.field
    if asked.max_kilobytes is not None:
        named_field = with_size(named_field, signal.layout, int(1000 * asked.max_kilobytes))
    form, automatic = without_auto(named_field)
    field, applied = _with_defaults(form, {name: value for name, value in requested.items() if name not in automatic})
    choices: tuple[Choice, ...] = ()
    if automatic and isinstance(field, FieldSpec):
        field, choices = with_choices(field, automatic, signal, asked.seed)
        applied |= {choice.setting: choice.value for choice in choices}
    plain: dict[str, Any] = {
        "optimizer": recipe.optimizer if asked.optimizer is None else asked.optimizer,
        "lr": recipe.lr if asked.lr is None else asked.lr,
        "lr_schedule": recipe.lr_schedule if asked.lr_schedule is None else asked.lr_schedule,
        "warm_up": recipe.warm_up if asked.warm_up is None else asked.warm_up,
        "total_steps": steps_of(asked.recipe, recipe, signal, budget) if asked.total_steps is None else asked.total_steps,
    }
    left_out = {name: value for name, value in plain.items() if getattr(asked, name) is None}
    forms = {name: getattr(recipe, name) for name in ("field", "sampler") if getattr(asked, name) is None}
    chosen = {name: value for name, value in (forms | applied | batch_of(sampler, named) | left_out).items() if value is not None}
    return Completed(field=field, sampler=sampler, chosen=chosen, notes=(*choice.notes, *sizing, *map(said, choices)), **plain)


def _with_defaults(form: Any, requested: dict[str, Any]) -> tuple[FieldSpec | nn.Module, dict[str, Any]]:
    """A network in text form with the settings that recipe and kind request, where it has them and the text does not name them.

    Returns:
        The spec, or the module as it is; and the settings that were applied.
    """
    field = FIELDS.parse(form)
    if not isinstance(form, (str, type)) or not isinstance(field, FieldSpec):
        return field, {}
    named = split_text(form)[1] if isinstance(form, str) else {}
    has = {setting.name for setting in dataclasses.fields(field)}
    applied = {key: value for key, value in requested.items() if value is not None and key in has and key not in named}
    return dataclasses.replace(field, **applied), applied


def check_recipe(name: str) -> None:
    """Refuses an unknown name.

    Raises:
        UsageError: the nearest is named.
    """
    if name not in RECIPES:
        raise UsageError(f"There is no recipe called '{name}'.{nearest(str(name), RECIPES)}")


def choose(name: str, signal: Signal, field: FieldSpec | nn.Module | None = None) -> Chosen:
    """What a recipe chooses for a signal and a network.

    Args:
        name: "default" or "paper".
        signal: What is fitted.
        field: The network that the user has named; None leaves it to the recipe.
    """
    check_recipe(name)
    if name == "paper":
        return _paper(field)
    kind, notes = signal.layout.kind, []
    recipe = MEASURED.get(kind, MEASURED["image"])
    if kind not in MEASURED:
        notes.append(f"The default recipe was measured on {_listed(tuple(MEASURED))} signals; {kind} signals inherit that of images.")
    if field is not None and _name_of(field) not in MEASURED_FIELDS:
        recipe = dataclasses.replace(recipe, lr=None, optimizer="adam", weight_scale=None)
        notes.append(
            f"The default recipe was measured with {_listed(MEASURED_FIELDS)}; {_name_of(field)} keeps its own learning rate, with adam."
        )
    if recipe.weight_scale is not None and recipe.octave:
        recipe = dataclasses.replace(recipe, weight_scale=_scale_for(recipe.weight_scale, recipe.octave, signal))
    return Chosen(recipe, tuple(notes))


def _paper(field: FieldSpec | nn.Module | None) -> Chosen:
    """The paper's settings; a network that it does not have keeps its own learning rate."""
    if not isinstance(field, FieldSpec):
        return Chosen(PAPER)
    name, own = FIELDS.name_of(field), field.default_lr
    if name not in PAPER_FIELDS:
        return Chosen(dataclasses.replace(PAPER, lr=None))
    if own == PAPER.lr:
        return Chosen(PAPER)
    return Chosen(PAPER, (f"The paper trains every network at {PAPER.lr:g}; for {name} others use {own:g}: lr={own:g}.",))


def _scale_for(scale: float, octave: float, signal: Signal) -> float:
    """The weight scale for a signal's number of points along an axis (the geometric mean over its axes)."""
    along = len(signal.pool(torch.device("cpu"))) ** (1 / signal.layout.in_features)
    return round(min(max(scale + octave * math.log2(along / 256), _LEAST_SCALE), _MOST_SCALE), 2)


def steps_of(name: str, recipe: Recipe, signal: Signal, budget: Budget | None) -> int:
    """Length that schedules are laid out for, where the user has not named it: under the default recipe that of the budget."""
    if name != "paper" and budget is not None and budget.steps is not None:
        return budget.steps
    return signal.defaults.total_steps if recipe.total_steps is None else recipe.total_steps


def share_of(recipe: Recipe, sampler: str, signal: Signal) -> float:
    """Fraction of the points in a batch, where the user has not named it.

    A sampler whose scores cost forwards keeps the kind's own: with a small batch most of its work would be scoring.
    """
    return recipe.batch_share if recipe.batch_share is not None and sampler in CHEAP else signal.defaults.batch_share


def _name_of(field: FieldSpec | nn.Module) -> str:
    return FIELDS.name_of(field) if isinstance(field, FieldSpec) else type(field).__name__


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
