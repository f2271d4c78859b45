"""Finds what a run was fitted to, so that a report can show it beside the reconstruction."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from nint.errors import NintError, UsageError
from nint.reporting.html.facts import part
from nint.signals.base import Signal

_COMMANDS = {"fit": "nint.cli.fit:FitOptions", "compare": "nint.cli.compare:CompareOptions"}


def find_original(record: dict[str, Any], given: str | Signal | None = None) -> tuple[Signal | None, str]:
    """The signal of a run.

    A sample is known by its name, a file by the command that the record holds or by the reader.

    Args:
        record: Of the run.
        given: The file, where the reader says where it is, or the signal itself.

    Returns:
        The signal, or None and a sentence that says why it is not there.

    Raises:
        UsageError: where a given file cannot be read or is not what was fitted.
    """
    settings = part(record, "settings")
    name, options = str(settings.get("input", "")), part(settings, "options")
    source, asked = _from_command(record)
    if given is not None:
        signal = given if isinstance(given, Signal) else _open(given, options or asked)
        if not _same(signal, settings):
            raise UsageError(f"--input {given} is not what this run was fitted to ({name}); give the same file.")
        return signal, ""
    for place, how in ((name if name.startswith("sample:") else None, options or asked), (source, asked)):
        if place is None or not (place.startswith("sample:") or Path(place).exists()):
            continue
        try:
            signal = _open(place, how)
        except (NintError, OSError, ValueError, TypeError):
            continue
        if _same(signal, settings):
            return signal, ""
    what = name or "what was fitted"
    return None, f"The original ({what}) is not at hand, so nothing is compared with it here; name it with --input FILE."


def _open(source: str, options: dict[str, Any]) -> Signal:
    from nint.signals.open import open_signal

    return open_signal(source, **options)


def _same(signal: Signal, settings: dict[str, Any]) -> bool:
    content = settings.get("content")
    return not content or signal.fingerprint() == content


def _from_command(record: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The input and its options in the command of a record."""
    from nint.cli.parsing import parse
    from nint.cli.signal_options import signal_options
    from nint.signals.kinds import resolve

    try:
        words = shlex.split(str(record.get("command") or ""))
        if len(words) < 3 or words[0] != "nint" or words[1] not in _COMMANDS or "--help" in words or "-h" in words:
            return None, {}
        options = parse(resolve(_COMMANDS[words[1]]), words[1], words[2:])
        return options.input, signal_options(options)
    except (NintError, ValueError):
        return None, {}
