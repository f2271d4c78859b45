"""A frozen dataclass of options <-> a command line. tyro parses; its errors are reported in one sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

from nint.cli.shell import path_word, shell_line
from nint.errors import UsageError, nearest
from nint.settings import current_word

Options = TypeVar("Options")

_END = "--"
_QUOTED = 40  # letters of a wrong value that a message repeats
_BORDERS = "│|╭╮╰╯─-+ "
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_OPTION = re.compile(r"^\W*?(--[a-z-]+ [A-Z]+)\W*$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The range of a number.

    Attributes:
        low: Smallest value.
        high: Largest value.
        open_low: Exclude the smallest value.
        open_high: Exclude the largest value.
        whole: Whether the number is a whole one, for the message.
    """

    low: float
    high: float
    open_low: bool = False
    open_high: bool = False
    whole: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        low, high = (f"{bound:,}" if isinstance(bound, int) else f"{bound:g}" for bound in (self.low, self.high))
        ends = f"above {low}" if self.open_low else f"from {low}"
        return f"{kind} {ends} {'and below' if self.open_high else 'and at most' if self.open_low else 'to'} {high}"


MAX_STEPS, MAX_SEEDS, MAX_THREADS, MAX_SIDE = 10**9, 1000, 1024, 2**30
"""Largest numbers of steps, of seeds, of threads or processes, and of pixels along a side."""

POSITIVE = Bounds(0, 1e9, open_low=True)
"""Seconds, factors, rates."""

FRACTION = Bounds(0, 1, open_low=True)
"""A part of something that cannot be empty."""


def positional(metavar: str) -> tuple[Any, ...]:
    """Annotations of a positional argument."""
    return Positional, *_value(metavar, _text)


def positionals(metavar: str) -> tuple[Any, ...]:
    """Annotations of any number of positional arguments."""
    return Positional, arg(metavar=f"{metavar} ...", help_behavior_hint="")


def text(metavar: str) -> tuple[Any, ...]:
    """Annotations of an option that takes a text that is not empty."""
    return _value(metavar, _text)


def whole(metavar: str, low: int, high: int) -> tuple[Any, ...]:
    """Annotations of an option that takes a whole number from `low` to `high`."""
    return *_value(metavar, _whole), Bounds(low, high, whole=True)


def number(metavar: str, bounds: Bounds) -> tuple[Any, ...]:
    """Annotations of an option that takes a finite number."""
    return *_value(metavar, _number), bounds


def wholes(*metavars: str, low: int, high: int) -> tuple[Any, ...]:
    """Annotations of an option that takes one whole number from `low` to `high` for each metavar."""
    read = _value(" ".join(metavars), lambda *words: tuple(map(_whole, words)), count=len(metavars))
    return *read, Bounds(low, high, whole=True)


def several(metavar: str) -> tuple[Any, ...]:
    """Annotations of an option that takes any number of texts."""
    return (arg(metavar=f"{metavar} ...", help_behavior_hint=""),)


def numbers(metavar: str, bounds: Bounds) -> tuple[Any, ...]:
    """Annotations of an option that takes any number of numbers within the bounds."""

    def read(*words: str) -> tuple[float, ...]:
        if not words:
            raise ValueError("it needs a value.")
        return tuple(map(_whole if bounds.whole else _number, words))

    return *_value(f"{metavar} ...", read, count="*"), bounds


def flag() -> tuple[Any, ...]:
    """Annotations of a switch."""
    return FlagCreatePairsOff, arg(help_behavior_hint="")


def parse(options: type[Options], name: str, arguments: Sequence[str]) -> Options:
    """Reads the arguments of a subcommand.

    Args:
        options: A dataclass of options; its docstring is the help text.
        name: The subcommand.
        arguments: The words after the subcommand.

    Raises:
        UsageError: for an unknown option (the nearest is named), a missing argument or a value of the wrong type.
        SystemExit: with 0, after the help has been printed.
    """
    end = list(arguments).index(_END) if _END in arguments else len(arguments)  # behind it, words are no options
    before, complaint = [current_word(word) for word in arguments[:end]], io.StringIO()
    if "--help" in before or "-h" in before:
        before, end = ["--help"], len(arguments)  # alone, because tyro's help omits the options that the other words have set
    _refuse_unknown(before, options, name)
    words = [*before, *arguments[end:]]
    try:
        with contextlib.redirect_stderr(complaint):
            result, left = tyro.cli(options, prog=f"nint {name}", args=words, return_unknown_args=True)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(_sentence(complaint.getvalue(), options, name)) from None
    if left:
        raise UsageError(f"{name}: unexpected argument '{left[0]}'; see nint {name} --help.")
    _check_texts(result)
    _check_bounds(result)
    return result


def command_line(options: Any, name: str) -> str:
    """The shortest command line that gives these options, quoted for a shell."""
    places = _positionals(type(options))
    given = [getattr(options, place) for place in places]
    words = ["nint", name, *(path_word(str(word)) for value in given for word in (value if isinstance(value, tuple) else (value,)))]
    named: list[str] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name not in places and value != field.default:
            named.append(option_name(field.name))
            if not isinstance(value, bool):
                named += (
                    path_word(item) if isinstance(item, str) else str(item) for item in (value if isinstance(value, tuple) else (value,))
                )
    return shell_line([*words, *named])


def _check_bounds(options: Any) -> None:
    hints = typing.get_type_hints(type(options), include_extras=True)
    for field in dataclasses.fields(options):
        bounds = next((part for part in getattr(hints[field.name], "__metadata__", ()) if isinstance(part, Bounds)), None)
        value = getattr(options, field.name)
        for item in () if bounds is None or value is None else value if isinstance(value, tuple) else (value,):
            if bounds is not None and item not in bounds:
                raise UsageError(f"{option_name(field.name)} {_number_text(item)} is out of range; it must be {bounds}.")


def _check_texts(options: Any) -> None:
    places = _positionals(type(options))
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if isinstance(value, tuple) and "" in value:
            label = field.name.removesuffix("s").upper() if field.name in places else option_name(field.name)
            raise UsageError(f"{label}: a text is empty.")


def _number_text(value: float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)[:_QUOTED]


def _value(metavar: str, read: Callable[..., Any], count: int | Literal["*"] = 1) -> tuple[Any, ...]:
    spec = PrimitiveConstructorSpec(
        nargs=count,
        metavar=metavar,
        instance_from_str=lambda words: read(*words),
        is_instance=lambda value: True,
        str_from_instance=lambda value: [str(item) for item in (value if isinstance(value, tuple) else (value,))],
    )
    return spec, arg(metavar=metavar, help_behavior_hint=_default_hint)


def _default_hint(default: str) -> str:
    return "" if default in ("None", "", "required") else f"(default: {default})"


def _text(word: str) -> str:
    if not word:
        raise ValueError("the text is empty.")
    return word


def _whole(word: str) -> int:
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"'{word[:_QUOTED]}' is not a whole number.") from None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"'{word[:_QUOTED]}' is not a number.") from None


def option_name(field: str) -> str:
    """The option of a field: "--max-side" of max_side."""
    return "--" + field.replace("_", "-")


def _positionals(options: type) -> list[str]:
    hints = typing.get_type_hints(options, include_extras=True)
    return [field.name for field in dataclasses.fields(options) if Positional in getattr(hints[field.name], "__metadata__", ())]


def _refuse_unknown(words: list[str], options: type, name: str) -> None:
    places = _positionals(options)
    known = ["--help", *(option_name(field.name) for field in dataclasses.fields(options) if field.name not in places)]
    for word in words:
        if not word.startswith("-") or word == "-" or _is_number(word):
            continue
        asked = word.partition("=")[0]
        if asked.replace("_", "-") not in known and os.path.lexists(word):
            raise UsageError(f"{name} has no option '{asked}'; for the file of that name write {shell_line([path_word(word)])}.")
        if asked.replace("_", "-") not in known:
            raise UsageError(f"{name} has no option '{asked}'.{nearest(asked, known)}")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _sentence(panel: str, options: type, name: str) -> str:
    """The first paragraph of an error panel of tyro's, without the frame."""
    lines = [line.strip(_BORDERS) for line in _COLOUR.sub("", panel).splitlines()[1:]]
    start = next((number for number, line in enumerate(lines) if line), len(lines))
    end = next((number for number in range(start, len(lines)) if not lines[number]), len(lines))
    found = " ".join(lines[start:end])
    if found.startswith("Missing from"):
        wanted = [place.upper() for place in _positionals(options)]
        missing = [place for place in wanted if place in found.split()] + _OPTION.findall(_COLOUR.sub("", panel))
        return f"{name} needs {' and '.join(missing or wanted)}; see nint {name} --help."
    if match := re.match(r"Missing value for argument '(\S+)'\. Expected (\d+) values?", found):
        return f"{match[1]} needs {'a value' if match[2] == '1' else f'{match[2]} values'}."
    found = re.sub(r"^Error parsing (\S+): ", r"\1: ", found).rstrip(".")
    return f"{found}." if found else f"The options cannot be read; see nint {name} --help."
