"""Finds the signal that a run was fitted to, so that a report can show it beside the reconstruction."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from nint.errors import NintError, UsageError
from nint.report.facts import part
from nint.signals.base import Signal


def find_original(record: dict[str, Any], given: str | Signal | None = None, read: Signal | None = None) -> tuple[Signal | None, str]:
    """The signal that a run was fitted to.

    A sample is found by its name, a file by the path in the record unless another is given.

    Args:
        record: Record of the run.
        given: Path of the file, or the signal itself.
        read: What that path holds, where it was read already.

    Returns:
        The signal and "", or None and a sentence that says why it is missing.

    Raises:
        UsageError: where a given file cannot be read or holds another signal than the fitted one.
    """
    settings = part(record, "settings")
    name, options = str(settings.get("input", "")), part(settings, "options")
    if given is not None:
        signal = read if read is not None else opened(record, given)
        if not is_same(record, signal):
            raise UsageError(f"--input {given} is not what this run was fitted to ({name}); give the same file.")
        return signal, ""
    place = name if name.startswith("sample:") else str(record.get("source") or "")
    if place.startswith("sample:") or (place and Path(place).exists()):
        with contextlib.suppress(NintError, OSError, ValueError, TypeError):
            signal = _open(place, options)
            if is_same(record, signal):
                return signal, ""
    what = name or "the fitted signal"
    return None, f"The original ({what}) was not found, so nothing is compared with it here; give it with --input FILE."


def opened(record: dict[str, Any], given: str | Signal) -> Signal:
    """A given file, read with the options of a run; or the signal itself.

    Raises:
        UsageError: where it cannot be read.
    """
    return given if isinstance(given, Signal) else _open(given, part(part(record, "settings"), "options"))


def is_same(record: dict[str, Any], signal: Signal) -> bool:
    """Whether a run was fitted to a signal, as far as its record tells."""
    content = part(record, "settings").get("content")
    return not content or signal.fingerprint() == content


def _open(source: str, options: dict[str, Any]) -> Signal:
    from nint.signals.open import open_signal

    return open_signal(source, **options)
