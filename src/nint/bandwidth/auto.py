"""`setting=auto` in the text form of a network: settings that are left to the kernel."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from nint.bandwidth.search import SETTINGS, Choice, check_setting, choose
from nint.fields import FIELDS, FieldSpec
from nint.settings import split_text
from nint.signals.base import Signal

AUTO = "auto"


def without_auto(form: Any) -> tuple[Any, tuple[str, ...]]:
    """A text form without its settings that say "auto", and their names; anything else as it is.

    Raises:
        UsageError: for a setting that the kernel cannot choose.
    """
    if not isinstance(form, str) or AUTO not in form:
        return form, ()
    name, raw = split_text(form)
    automatic = tuple(key for key, value in raw.items() if value == AUTO)
    rest = ",".join(f"{key}={value}" for key, value in raw.items() if value != AUTO)
    plain = f"{name}:{rest}" if rest else name
    for setting in automatic:
        check_setting(FIELDS.parse(plain), setting)
    return plain, automatic


def offered(field: FieldSpec) -> tuple[str, ...]:
    """The setting that the default recipe leaves to the kernel: the network's first that the kernel can choose; none of other networks."""
    own = FIELDS.name_of(field)
    return tuple(setting for name, setting in SETTINGS if name == own)[:1]


def with_choices(field: FieldSpec, automatic: Sequence[str], signal: Signal, seed: int) -> tuple[FieldSpec, tuple[Choice, ...]]:
    """A network with its automatic settings chosen, one after another; what that took counts as preparation.

    Args:
        field: The network with all other settings.
        automatic: Names, in the order in which they are chosen.
        signal: What is to be fitted.
        seed: Of the run.
    """
    choices = []
    for setting in automatic:
        choice = choose(field, setting, signal, seed)
        changed: Any = {setting: choice.chosen}
        field = dataclasses.replace(field, **changed)
        signal.preparation_seconds += choice.seconds
        choices.append(choice)
    return field, tuple(choices)


def said(choice: Choice) -> str:
    """A sentence on a choice."""
    chosen = f"{choice.setting}={choice.chosen:g} is the kernel's choice at the start weights"
    doubt = "" if choice.sure else "; it is unsure, since others come close or it lies at the end of those tried"
    return f"{chosen}: it predicts left-out points at {choice.decibels:.1f} dB ({choice.seconds:.1f} s{doubt})."
