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

from nint.errors import UsageError, nearest
from nint.fields import FIELDS, FieldSpec
from nint.machine.grids import MAX_AXES
from nint.packing.sizing import check_room, room, weights_for, with_size
from nint.runs.batches import batch_of, named_settings, sized, with_batch
from nint.runs.measured import CHEAP, DEFAULT_FIELDS, GRID_FROM, GRID_POINTS, MEASURED, PAPER, PAPER_FIELDS, SMALL, Recipe
from nint.runs.networks import network_for
from nint.runs.options import FitSettings
from nint.samplers import SAMPLERS
from nint.samplers.base import Sampler
from nint.settings import split_text
from nint.signals.base import Signal
from nint.training.budgets import Budget

RECIPES = ("default", "paper")
_CPU = torch.device("cpu")
RESTARTS = 3
"""How often the default recipe starts again, at half the rate each time, when training has diverged."""


@dataclass(frozen=True)
class Chosen:
    """A recipe, fitted to a signal and a network.

    Attributes:
        recipe: What it chooses here.
        field: Text form of the network, where the user has named none.
        notes: Sentences on what was inherited or replaced.
    """

    recipe: Recipe
    field: str = "siren"
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


def complete(asked: FitSettings, signal: Signal, budget: Budget | None, *, by_kernel: bool = True) -> Completed:
    """Chooses what the user has left out: by the recipe, and what that leaves open by the kind of signal (`Signal.defaults`).

    Args:
        asked: What the user has named.
        signal: What is fitted.
        budget: What the run will have; the default recipe's learning rate decays to its end.
        by_kernel: False keeps the network's own bandwidth where none is named.

    Raises:
        UsageError: for a setting that cannot be.
    """
    small_form = None if asked.max_kilobytes is None or asked.field is not None else _for_a_file(asked, signal)
    choice = choose(asked.recipe, signal, asked.named_field() if small_form is None else FIELDS.parse(small_form))
    own_form = choice.field if small_form is None else small_form
    recipe = choice.recipe
    sampler_form = recipe.sampler if asked.sampler is None else asked.sampler
    named = named_settings(sampler_form) | {name for name in ("batch_share", "batch_size") if getattr(asked, name) is not None}
    sampler = with_batch(SAMPLERS.parse(sampler_form), asked.batch_share, asked.batch_size)
    share = share_of(recipe, SAMPLERS.name_of(sampler), signal)
    sampler, sizing = sized(sampler, named, signal, share, None if asked.recipe == "paper" else (recipe.least_batch, recipe.most_batch))
    form = own_form if asked.field is None else asked.field
    most_weights = None
    most_bytes = None if asked.max_kilobytes is None else room(signal.layout, int(1000 * asked.max_kilobytes))
    if most_bytes is not None:
        if isinstance(form, str) and split_text(form)[0] == "grid":
            sized_by_name = {"levels", "growth", "max_vertices"} & set(split_text(form)[1])
            most_weights = None if sized_by_name else weights_for(most_bytes, signal.layout.kind)
        else:
            form = with_size(form, signal.layout, most_bytes)
    chooses = None if asked.recipe == "paper" else recipe if by_kernel else dataclasses.replace(recipe, by_kernel=False)
    network = network_for(form, signal, asked.seed, recipe=chooses, most_weights=most_weights)
    if most_bytes is not None and isinstance(network.field, FieldSpec) and FIELDS.name_of(network.field) != "grid":
        check_room(network.field, signal.layout, most_bytes)  # the zeros of a grid may take next to nothing
    plain: dict[str, Any] = {
        "optimizer": recipe.optimizer if asked.optimizer is None else asked.optimizer,
        "lr": _rate(recipe, network.field, signal) if asked.lr is None else asked.lr,
        "lr_schedule": recipe.lr_schedule if asked.lr_schedule is None else asked.lr_schedule,
        "warm_up": recipe.warm_up if asked.warm_up is None else asked.warm_up,
        "total_steps": steps_of(asked.recipe, recipe, signal, budget) if asked.total_steps is None else asked.total_steps,
    }
    left_out = {name: value for name, value in plain.items() if getattr(asked, name) is None}
    forms = {name: form for name, form in (("field", own_form), ("sampler", recipe.sampler)) if getattr(asked, name) is None}
    chosen = {name: value for name, value in (forms | network.applied | batch_of(sampler, named) | left_out).items() if value is not None}
    return Completed(field=network.field, sampler=sampler, chosen=chosen, notes=(*choice.notes, *sizing, *network.notes), **plain)


def _for_a_file(asked: FitSettings, signal: Signal) -> str:
    """The network that was better in a file of so many bytes: a grid from `GRID_FROM` bits a point on, else SIREN."""
    bits = 8000 * (asked.max_kilobytes or 0.0) / max(signal.layout.samples or 1, 1)
    return "grid" if asked.recipe != "paper" and bits >= GRID_FROM.get(signal.layout.kind, math.inf) else "siren"


def _rate(recipe: Recipe, field: FieldSpec | nn.Module, signal: Signal) -> float | None:
    """The recipe's learning rate for a network of this size."""
    if recipe.small_lr is None or not isinstance(field, FieldSpec):
        return recipe.lr
    weights = field.parameter_count(signal.layout.in_features, signal.layout.out_features)
    return recipe.small_lr if weights is not None and weights <= SMALL else recipe.lr


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
    kind = signal.layout.kind
    form = _network(signal)
    own = form if field is None else _name_of(field)
    recipe = MEASURED.get((kind, own), MEASURED.get(("image", own)))
    if recipe is None:
        recipe = dataclasses.replace(MEASURED.get((kind, "siren"), MEASURED["image", "siren"]), lr=None, small_lr=None, optimizer="adam")
        measured = _listed(tuple(dict.fromkeys(network for _, network in MEASURED)))
        said = f"The default recipe was measured with {measured}; {own} keeps its own learning rate, with adam."
        return Chosen(recipe, form, (said,))
    if (kind, own) in MEASURED:
        why = (
            f"{form} is the network that was fastest on {kind} signals; --field siren keeps SIREN."
            if field is None and form != "siren"
            else ""
        )
        return Chosen(recipe, form, (why,) if why else ())
    return Chosen(recipe, form, (f"The default recipe was not measured with {own} on {kind} signals, which inherit that of images.",))


def _network(signal: Signal) -> str:
    """Text form of the default recipe's network for a signal."""
    layout = signal.layout
    form = DEFAULT_FIELDS.get(layout.kind, "siren")
    fits = layout.in_features <= MAX_AXES and (layout.kind not in GRID_POINTS or len(signal.pool(_CPU)) >= GRID_POINTS[layout.kind])
    return form if form != "grid" or fits else "siren"


def _paper(field: FieldSpec | nn.Module | None) -> Chosen:
    """The paper's settings; a network that it does not have keeps its own learning rate."""
    if not isinstance(field, FieldSpec):
        return Chosen(PAPER)
    name, own = FIELDS.name_of(field), field.default_lr
    if name not in PAPER_FIELDS:
        return Chosen(dataclasses.replace(PAPER, lr=None))
    if own == PAPER.lr:
        return Chosen(PAPER)
    return Chosen(PAPER, notes=(f"The paper trains every network at {PAPER.lr:g}; for {name} others use {own:g}: lr={own:g}.",))


def redraws(asked: FitSettings, signal: Signal) -> int | None:
    """Steps that drawn points are kept for by the recipe; None where the user has said so, or the recipe leaves it to the kind."""
    return None if signal.redraws_named else choose(asked.recipe, signal, asked.named_field()).recipe.redraw_every


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
