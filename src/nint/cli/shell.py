"""Command lines that are printed for copying."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable


def path_word(word: str) -> str:
    """A path as a word of a command line: one that begins with a dash, and would be taken for an option, behind `./`."""
    return f"./{word}" if word.startswith("-") and word != "-" else word


def shell_line(words: Iterable[str]) -> str:
    """Words quoted for a shell, on one line: one with letters that cannot be printed in the form $'...', which sh lacks and bash has."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    quoted = "".join(
        f"\\{letter}" if letter in "\\'" else letter if letter.isprintable() else "".join(f"\\x{byte:02x}" for byte in os.fsencode(letter))
        for letter in word
    )
    return f"$'{quoted}'"
