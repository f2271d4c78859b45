"""A frozen dataclass of options <-> a command line. tyro parses; its errors are reported in one sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import shlex
import typing
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg
from tyro.constructors import PrimitiveConstructorSpec

from nint.errors import UsageError, nearest
from nint.settings import current_word

Options = TypeVar("Options")

_BORDERS = "│|╭╮╰╯─-+ "
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def positional(metavar: str) -> tuple[Any, ...]:
    """Annotations of a positional argument."""
    return Positional, *_value(metavar, _text)


def positionals(metavar: str) -> tuple[Any, ...]:
    """Annotations of any number of positional arguments."""
    return Positional, arg(metavar=f"{metavar} ...", help_behavior_hint="")


def text(metavar: str) -> tuple[Any, ...]:
    """Annotations of an option that takes a text that is not empty."""
    return _value(metavar, _text)


def whole(metavar: str) -> tuple[Any, ...]:
    """Annotations of an option that takes a whole number."""
    return _value(metavar, _whole)


def number(metavar: str) -> tuple[Any, ...]:
    """Annotations of an option that takes a number."""
    return _value(metavar, _number)


def wholes(*metavars: str) -> tuple[Any, ...]:
    """Annotations of an option that takes several whole numbers."""
    return _value(" ".join(metavars), lambda *words: tuple(map(_whole, words)), count=len(metavars))


def several(metavar: str) -> tuple[Any, ...]:
    """Annotations of an option that takes any number of values."""
    return (arg(metavar=f"{metavar} ...", help_behavior_hint=""),)


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
    words, complaint = [current_word(word) for word in arguments], io.StringIO()
    if "--help" in words or "-h" in words:
        words = ["--help"]  # alone, because tyro's help omits the options that the other words have set
    _refuse_unknown(words, options, name)
    try:
        with contextlib.redirect_stderr(complaint):
            result, left = tyro.cli(options, prog=f"nint {name}", args=words, return_unknown_args=True)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UsageError(_sentence(complaint.getvalue(), options, name)) from None
    if left:
        raise UsageError(f"{name}: unexpected argument '{left[0]}'; see nint {name} --help.")
    return result


def command_line(options: Any, name: str) -> str:
    """The shortest command line that gives these options, quoted for a shell."""
    places = _positionals(type(options))
    given = [getattr(options, place) for place in places]
    words = ["nint", name, *(str(word) for value in given for word in (value if isinstance(value, tuple) else (value,)))]
    named: list[str] = []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name not in places and value != field.default:
            named.append(_option(field.name))
            if not isinstance(value, bool):
                named += map(str, value if isinstance(value, tuple) else (value,))
    return shlex.join([*words, *named])


def _value(metavar: str, read: Callable[..., Any], count: int = 1) -> tuple[Any, ...]:
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
        raise ValueError(f"'{word}' is not a whole number.") from None


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise ValueError(f"'{word}' is not a number.") from None


def _option(field: str) -> str:
    return "--" + field.replace("_", "-")


def _positionals(options: type) -> list[str]:
    hints = typing.get_type_hints(options, include_extras=True)
    return [field.name for field in dataclasses.fields(options) if Positional in getattr(hints[field.name], "__metadata__", ())]


def _refuse_unknown(words: list[str], options: type, name: str) -> None:
    places = _positionals(options)
    known = ["--help", *(_option(field.name) for field in dataclasses.fields(options) if field.name not in places)]
    for word in words:
        if not word.startswith("-") or word == "-" or _is_number(word):
            continue
        asked = word.partition("=")[0]
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
        missing = [place for place in wanted if place in found.split()]
        return f"{name} needs {' and '.join(missing or wanted)}; see nint {name} --help."
    if match := re.match(r"Missing value for argument '(\S+)'\. Expected (\d+) values?", found):
        return f"{match[1]} needs {'a value' if match[2] == '1' else f'{match[2]} values'}."
    found = re.sub(r"^Error parsing (\S+): ", r"\1: ", found).rstrip(".")
    return f"{found}." if found else f"The options cannot be read; see nint {name} --help."
