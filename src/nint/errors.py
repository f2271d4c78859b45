"""Errors that a person can act on. The command line prints their text and exits with `exit_code`."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Sequence
from typing import Any


class NintError(Exception):
    """Base of every error that nint raises on purpose; its text is one clear sentence."""

    exit_code = 2


class UsageError(NintError, ValueError):
    """Something that was asked for cannot be: a bad file, setting, size or combination."""


class UnsupportedFieldError(NintError, TypeError):
    """A module for which K v is not defined: random, or mixing the points of a batch."""


class DivergedError(NintError, ArithmeticError):
    """Training produced NaN, infinity or an exploding loss.

    Args:
        step: 0-based step at which it was seen.
        reason: What was seen.
        saved: Where the last good checkpoint lies, if one was written.
    """

    def __init__(self, step: int, reason: str, saved: str | None = None) -> None:
        self.step = step
        self.reason = reason
        kept = f" The last good checkpoint is kept in {saved}." if saved else ""
        super().__init__(f"Training diverged at step {step}: {reason}; try a lower learning rate.{kept}")


class LostProcessError(NintError, ConnectionError):
    """Another process of a run over several has ended or does not answer; what this one has cannot be completed.

    Args:
        reason: What the communication library said.
        kept: When it was noticed and what is kept, as a clause.
    """

    exit_code = 1

    def __init__(self, reason: str, kept: str = "") -> None:
        self.reason = reason
        super().__init__(f"Another process of this run was lost{' ' if kept else ''}{kept}.")


def nearest(word: str, known: Iterable[str]) -> str:
    """Returns ' Did you mean X?' for the closest known word, else the list of all known words."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f" Did you mean '{close[0]}'?"
    return f" Known: {', '.join(known)}." if known else ""


def what_is(value: Any) -> str:
    """What a value is, for a message: "the text 'bce'", "None", "the class Linear", "a function" or "an object of class Linear"."""
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        return f"the text {value!r}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return "a function" if inspect.isroutine(value) else f"an object of class {type(value).__name__}"


def listed(words: Sequence[str]) -> str:
    """Words as they stand in a sentence: "a", "a and b", "a, b and c"."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


def sentence(error: Exception) -> str:
    """What went wrong, with the kind of error where it is not one of nint's own."""
    return str(error) if isinstance(error, NintError) else f"{type(error).__name__}: {error}"
