"""What is chosen for the user. "paper" keeps the settings of the papers; "default" is the fastest way to a good fit that was measured.

What the user names always wins, one setting at a time.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import nn

from nint.errors import UsageError, nearest
from nint.fields import FIELDS, FieldSpec
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
        batch_share: Share of the points in a batch of samplers that choose for next to nothing (`CHEAP`); None is the kind's own.
        total_steps: Steps where the budget names none; None is the kind's own.
        weight_scale: Of fields that have it; None is the field's own.
        octave: What `weight_scale` gains with each doubling of the points along an axis, counted from 256: finer grids hold finer detail.
        lr_schedule: Course of the learning rate.
        warm_up: Share of the run in which the rate rises to it.
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


PAPER = Recipe(lr_schedule="constant", warm_up=0.0, sampler="nint")

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


def check_recipe(name: str) -> None:
    """Raises UsageError for an unknown name."""
    if name not in RECIPES:
        raise UsageError(f"There is no recipe called '{name}'.{nearest(str(name), RECIPES)}")


def choose(name: str, signal: Signal, field: FieldSpec | nn.Module | None = None, optimizer: str | None = None) -> Chosen:
    """What a recipe chooses for a signal and a network.

    Args:
        name: "default" or "paper".
        signal: What is fitted.
        field: The network that the user has named; None leaves it to the recipe.
        optimizer: The one that the user has named.
    """
    check_recipe(name)
    if name == "paper":
        return Chosen(PAPER)
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
        recipe = dataclasses.replace(recipe, weight_scale=_scale_for(recipe, signal))
    return Chosen(recipe, tuple(notes))


def _scale_for(recipe: Recipe, signal: Signal) -> float:
    """The weight scale for a signal's number of points along an axis (the geometric mean over its axes)."""
    along = len(signal.pool(torch.device("cpu"))) ** (1 / signal.layout.in_features)
    return round(min(max(recipe.weight_scale + recipe.octave * math.log2(along / 256), _LEAST_SCALE), _MOST_SCALE), 2)


def steps_of(name: str, recipe: Recipe, signal: Signal, budget: Budget | None) -> int:
    """Length that schedules are laid out for, where the user has not said it: under the default recipe that of the budget."""
    if name != "paper" and budget is not None and budget.steps is not None:
        return budget.steps
    return signal.defaults.total_steps if recipe.total_steps is None else recipe.total_steps


def share_of(recipe: Recipe, sampler: str, signal: Signal) -> float:
    """Share of the points in a batch, where the user has not said it.

    A sampler that pays to choose keeps the kind's own, because with a small batch it would do little else.
    """
    return recipe.batch_share if recipe.batch_share is not None and sampler in CHEAP else signal.defaults.batch_share


def _name_of(field: FieldSpec | nn.Module) -> str:
    return FIELDS.name_of(field) if isinstance(field, FieldSpec) else type(field).__name__


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
