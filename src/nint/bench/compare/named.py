"""Samplers and networks as a person names them: one word each, and each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nint.errors import UsageError
from nint.registry import Registry

ALL = "all"


def check_separate(texts: Iterable[str], known: Registry) -> None:
    """Refuses several names in one word, "nint,uniform".

    Args:
        texts: Text forms.
        known: What they name.

    Raises:
        UsageError: gives them as separate words.
    """
    names = {*known.names(), ALL}
    for text in texts:
        words: list[str] = []
        for part in text.split(","):
            if not words or part.partition(":")[0].strip() in names:
                words.append(part.strip())
            else:  # a setting of the name before it
                words[-1] += f",{part}"
        if len(words) > 1:
            raise UsageError(f"'{text}' names several {known.noun}s; separate them by spaces: {' '.join(words)}.")


def repeats(texts: Iterable[str], form: Callable[[str], str]) -> list[str]:
    """A sentence for each name that does not count, because another one before it means the same.

    Args:
        texts: As they are given.
        form: The one text form of all that mean the same.
    """
    first: dict[str, str] = {}
    said: dict[str, None] = {}
    for text in texts:
        if text == ALL:
            continue
        same = form(text)
        if same in first:
            twice = f"{text} is named more than once and counts once."
            said.setdefault(twice if text == first[same] else f"{text} is left out: it is the same as {first[same]}.")
        first.setdefault(same, text)
    return list(said)
