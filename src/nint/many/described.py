"""What a dataset says beside its fields: how they were fitted (dataset.json), and which signals have none (failed.json)."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.fields import FIELDS
from nint.files import read_json, write_json
from nint.many.batch import Order
from nint.many.shards import FORMAT
from nint.runs.checksum import checksum
from nint.runs.contents import DATASET, FAILED
from nint.runs.places import shown
from nint.runs.stored import read_model
from nint.samplers import SAMPLERS
from nint.version import __version__

PLACES = "made_in"
_WEIGHTS = "init_weights"
"""Key that older datasets do not have."""

_DIGITS = 16


def described(order: Order, splits: str | None) -> dict[str, Any]:
    """What decides the fields of a dataset, as JSON.

    Args:
        order: How they are fitted.
        splits: As for `nint.fit_all`.

    Raises:
        UsageError: for a model to start from that cannot be read.
    """
    asked = order.asked
    settings = {one.name: getattr(asked, one.name) for one in dataclasses.fields(asked)}
    settings["field"] = (
        None if asked.field is None else asked.field if isinstance(asked.field, str) else FIELDS.text(FIELDS.parse(asked.field))
    )
    sampler = asked.sampler
    settings["sampler"] = None if sampler is None else sampler if isinstance(sampler, str) else SAMPLERS.text(SAMPLERS.parse(sampler))
    settings["device"] = str(asked.device)
    settings["signal"] = {name: value for name, value in asked.signal.items() if value is not None}
    budget = {name: value for name, value in dataclasses.asdict(order.budget).items() if value is not None}
    given = {name: value for name, value in settings.items() if value is not None and value is not False and value != {}}
    return {
        "settings": given,
        "budget": budget,
        "own_seeds": order.own_seeds,
        "init": None if order.init is None else Path(order.init).name,
        _WEIGHTS: None if order.init is None else _weights_of(order.init),
        "splits": splits,
    }


def _weights_of(model: str) -> str:
    """A hash of the network in a model file."""
    tensors, header = read_model(Path(model))
    weights = {name: value for name, value in tensors.items() if name.startswith("field/")}
    return checksum(weights, {"field": header.get("field")})[:_DIGITS]


def remember_place(folder: Path, head: dict[str, Any]) -> None:
    """Writes dataset.json where it is not there, with the folder, relative to its own, where relative sources are to be looked for.

    Args:
        folder: Of the dataset.
        head: What it says otherwise.
    """
    found = read_json(folder / DATASET) if (folder / DATASET).exists() else head
    try:
        here = os.path.relpath(os.getcwd(), folder.resolve())
    except ValueError:  # on another drive
        here = os.getcwd()
    places = found.get(PLACES, [])
    if here not in places or found is head:
        write_json(folder / DATASET, found | {PLACES: [*places, here]})


def places_of(folder: Path) -> list[Path]:
    """Where relative sources of a dataset may lie: the folders in which it was made, and the one around it."""
    try:
        told = read_json(folder / DATASET).get(PLACES, [])
        found = [folder.resolve() / str(place) for place in told]
    except (UsageError, AttributeError, TypeError):
        found = []
    return [*found, folder.resolve().parent]


def check_same(folder: Path, described: dict[str, Any]) -> None:
    """Refuses to go on with a dataset of other settings.

    Args:
        folder: The dataset.
        described: What is asked for now.

    Raises:
        UsageError: names what differs.
    """
    try:
        told = read_json(folder / DATASET)
        before = told["order"]
        then: dict[str, Any] = {**before, **before["settings"]}
        newer = told.get("format", 0) > FORMAT
    except (UsageError, LookupError, TypeError, AttributeError):
        raise UsageError(f"{shown(folder / DATASET)} is missing or damaged, so it is not known how its signals were fitted.") from None
    if newer:
        raise UsageError(f"{shown(folder)} was written by a newer nint ({told.get('nint')}); this is {__version__}.")
    now: dict[str, Any] = {**described, **described["settings"]}
    if _WEIGHTS not in before:  # an older dataset, which tells neither weights nor settings of 0
        now = {name: value for name, value in now.items() if name in then or (name != _WEIGHTS and value not in (None, {}, 0))}
    names = [name for name in {**then, **now} if name != "settings" and then.get(name) != now.get(name)]
    if names:
        differing = "; ".join(f"{name} was {then.get(name)}, now {now.get(name)}" for name in names)
        raise UsageError(f"The dataset in {shown(folder)} was made otherwise: {differing}. Give the same settings, or another --out.")


def settings_told(folder: Path) -> dict[str, Any] | None:
    """The settings and the budget of a dataset, to show them; None where its file is damaged."""
    if not (folder / DATASET).exists():
        return {}
    try:
        order = read_json(folder / DATASET)["order"]
        return {**order["settings"], **order["budget"]}
    except (UsageError, LookupError, TypeError):
        return None


def failures_told(folder: Path) -> list[dict[str, str]] | None:
    """Signals without a field, each with id, source and error; None where the file of them is damaged."""
    if not (folder / FAILED).exists():
        return []
    try:
        return [{name: str(one[name]) for name in ("id", "source", "error")} for one in read_json(folder / FAILED)["signals"]]
    except (UsageError, LookupError, TypeError):
        return None
