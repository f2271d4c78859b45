"""Arguments of public functions that text is easily mistaken for: switches, paths, numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nint.errors import UsageError, what_is
from nint.settings import is_finite


def switch(value: Any, label: str) -> bool:
    """A switch: True or False, also as 1 or 0. Texts are refused, of which "no" would count as true.

    Raises:
        UsageError: for anything else.
    """
    for known in (True, False):
        if value is known or (type(value).__name__ in ("int", "bool", "bool_") and value == known):
            return known
    raise UsageError(f"{label} must be True or False; {what_is(value)} is neither.")


def place(value: Any, label: str) -> Path:
    """A path. The empty text, often that of a shell variable that is not set, is none; Python would take it for the current folder.

    Raises:
        UsageError: for anything else.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise UsageError(f"{label} must be a path, as text or a Path; {what_is(value)} is none.")
    if value == "":
        raise UsageError(f"{label} is empty; give a path.")
    return Path(os.fsdecode(value))


def finite(value: Any, label: str) -> float:
    """A number that is neither NaN nor infinite.

    Raises:
        UsageError: for anything else.
    """
    if not is_finite(value):
        shown = repr(value) if isinstance(value, (str, int, float)) else what_is(value)
        raise UsageError(f"{label}={shown} must be a finite number.")
    return float(value)
