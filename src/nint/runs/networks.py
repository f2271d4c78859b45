"""The network of a run: what the user has not named of it comes from the kind of signal, the recipe and the kernel at the start weights."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nint.bandwidth.auto import offered, said, with_choices, without_auto
from nint.bandwidth.axes import aspect_of
from nint.bandwidth.search import Choice
from nint.errors import UsageError
from nint.fields import FIELDS, FieldSpec
from nint.fields.grid import Grid
from nint.fields.siren import Siren
from nint.runs.measured import SMALL_GRID, Recipe
from nint.settings import split_text
from nint.signals.base import Layout, Signal


@dataclass(frozen=True)
class Network:
    """What is trained.

    Attributes:
        field: Spec, or a module of the user's own.
        applied: Settings that were chosen, by name.
        notes: Sentences on them.
    """

    field: FieldSpec | nn.Module
    applied: dict[str, Any]
    notes: tuple[str, ...] = ()


def network_for(form: Any, signal: Signal, seed: int, recipe: Recipe | None, most_weights: int | None = None) -> Network:
    """A network with the settings that were left out.

    Args:
        form: Text form, in which a setting may be "auto", class, spec or module; the last two stay as they are.
        signal: What is to be fitted.
        seed: Of the run, by which the kernel is asked.
        recipe: The default recipe; None chooses nothing but what the kind of signal requires, and what says "auto".
        most_weights: Of a grid network whose size is not named; None is as many as the paper's SIREN has.

    Raises:
        UsageError: for a setting that cannot be, or that the kernel cannot choose, and where no grid network is so small.
    """
    plain, automatic = without_auto(form)
    field = FIELDS.parse(plain)
    if not isinstance(form, (str, type)) or not isinstance(field, FieldSpec):
        return Network(field, {})
    named = set(split_text(form)[1]) if isinstance(form, str) else set()
    defaults, notes = signal.defaults, []
    field, applied = _with(field, {name: getattr(defaults, name) for name in ("omega_0", "first_bias", "half_side")}, named)
    asked = tuple(automatic)
    if recipe is not None and "aspect" not in named:
        axes = aspect_of(signal, seed)
        signal.preparation_seconds += axes.seconds
        field, stretched = _with(field, {"aspect": axes.aspect}, named)
        applied |= stretched
        notes += [axes.said] if axes.said else []
    if isinstance(field, Grid) and (recipe is not None or most_weights is not None):
        size = recipe.size if recipe is not None and most_weights is None else SMALL_GRID
        field, sized = _with(field, {"size": size}, named)
        wanted = vertices_for(signal, field.size) if most_weights is None else vertices_within(signal, field.size, most_weights)
        field, vertices = _with(field, wanted, named)
        applied |= sized | vertices
    elif recipe is not None:
        field, sized = _with(field, {"size": recipe.size}, named)
        applied |= sized
    if recipe is not None:
        left = offered(field) if recipe.by_kernel and not signal.outlined else ()
        if signal.outlined and recipe.by_kernel and offered(field) and not named & set(offered(field)):
            notes.append(f"Over several processes the kernel does not choose {offered(field)[0]}; nint tune finds it in one, then name it.")
        automatic = (*asked, *(setting for setting in left if setting not in named))
    choices: tuple[Choice, ...] = ()
    if automatic:
        try:
            field, choices = with_choices(field, automatic, signal, seed)
        except UsageError as error:  # the same value everywhere, so that every setting does
            if asked:
                raise
            notes.append(str(error))
    applied |= {choice.setting: choice.chosen for choice in choices}
    return Network(field, applied, (*notes, *map(said, choices)))


def vertices_for(signal: Signal, size: str) -> dict[str, Any]:
    """Settings of a grid network of a size for the points of a signal.

    Its finest level has about as many vertices along an axis as the signal has points; where these are many, they share entries by a hash.
    """
    layout = signal.layout
    for levels, most in _SIZES[min(layout.in_features, 3)]:
        chosen = _vertices(signal, levels, most)
        if _weights(size, chosen, layout) <= Siren().parameter_count(layout.in_features, layout.out_features):
            break
    return chosen


def vertices_within(signal: Signal, size: str, most_weights: int) -> dict[str, Any]:
    """Settings of a grid network of a size with as many weights as fit below a number.

    Raises:
        UsageError: where none is so small.
    """
    tried = [_vertices(signal, levels, 2**power) for levels, power in itertools.product(_FEW_LEVELS, _POWERS)]
    weights = [_weights(size, chosen, signal.layout) for chosen in tried]
    fitting = [(count, number) for number, count in enumerate(weights) if count <= most_weights]
    if not fitting:
        raise UsageError(
            f"No grid network of {most_weights:,} weights or less is known here, the smallest has {min(weights):,}; "
            "name --field siren, or ask for a larger file."
        )
    return tried[max(fitting)[1]]


def _vertices(signal: Signal, levels: int, most: int) -> dict[str, Any]:
    """Settings for a number of grids of at most so many vertices each."""
    axes, points = signal.layout.in_features, len(signal.pool(torch.device("cpu")))
    finest = min(points, most * _SHARING) ** (1 / axes)
    growth = min(max((finest / Grid().base_resolution) ** (1 / (levels - 1)), _LEAST_GROWTH), _MOST_GROWTH)
    return {"levels": levels, "growth": round(growth, 3), "hashed": True, "max_vertices": most}


def _weights(size: str, chosen: Mapping[str, Any], layout: Layout) -> int:
    return Grid(size, **chosen).parameter_count(layout.in_features, layout.out_features)


_LEAST_GROWTH, _MOST_GROWTH = 1.05, 8.0
_SHARING = 25
"""Vertices that share an entry of a hashed table, at most; more of them lose by what they disturb."""

_SIZES = {
    1: ((8, 2**15),),
    2: ((8, 2**15), (7, 2**15), (6, 2**15), (8, 2**14), (8, 2**13)),
    3: ((8, 2**14), (8, 2**13)),
}
"""Axes -> levels, and most vertices of one: the first with which the network has at most as many parameters as the paper's 5x256 SIREN."""

_FEW_LEVELS, _POWERS = (5, 6, 7), range(6, 17)
"""Levels, and powers of two of most vertices, that are tried for a small file."""


def _with(field: FieldSpec, wanted: Mapping[str, Any], named: set[str]) -> tuple[FieldSpec, dict[str, Any]]:
    """A spec with the wanted settings that it has and that are not named (None: not wanted), and those that were applied."""
    has = {setting.name for setting in dataclasses.fields(field)}
    applied = {key: value for key, value in wanted.items() if value is not None and key in has and key not in named}
    return dataclasses.replace(field, **applied), applied
