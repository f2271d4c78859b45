"""Settings: dataclass fields with a help line, the paper's letter and a valid range; and their text form.

The text form names a thing with its settings, `nint:random_share=0.5,refresh_interval=20`. It is the same on the
command line, in JSON records, in bench rows and in the published tables. A setting that was renamed declares its old names as
aliases; they are read everywhere and never written.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import numbers
import operator
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from nint.errors import UsageError, nearest

_Spec = TypeVar("_Spec")
_LARGEST = 2**53
"""Bound of whole numbers that declare none: above it they are no longer exact as floats."""

_TYPE_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", type(None): "none"}

RENAMED_OPTIONS = {"truth": "ground_truth"}
"""Old name -> name now, of options of signals: the old one is still read, from command lines, from Python and from the records of runs."""


def setting(
    default: Any,
    help: str,
    *,
    symbol: str = "",
    above: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] | None = None,
    aliases: tuple[str, ...] = (),
) -> Any:
    """A dataclass field that documents and checks itself.

    Args:
        default: Default value (dataclass field default).
        help: One line, shown by `nint list`.
        symbol: The letter in the paper, if it has one.
        above: Exclusive lower bound; whole numbers without an upper one are at most 2^53.
        at_least: Inclusive lower bound.
        at_most: Inclusive upper bound.
        choices: Allowed words.
        aliases: Earlier names, which are still read.
    """
    meta = {"help": help, "symbol": symbol, "above": above, "at_least": at_least, "at_most": at_most, "choices": choices}
    return dataclasses.field(default=default, metadata=meta | renamed(*aliases))


def renamed(*old: str) -> dict[str, Any]:
    """Metadata of a dataclass field that earlier versions called by other names."""
    return {"aliases": old}


def current_names(cls: type) -> dict[str, str]:
    """Earlier name -> name of each field of a dataclass that was renamed."""
    return {old: field.name for field in dataclasses.fields(cls) for old in field.metadata.get("aliases", ())}


def accepts_aliases(cls: type[_Spec]) -> type[_Spec]:
    """Class decorator, above `@dataclass`: the constructor also takes the earlier names of its settings, as keywords."""
    names, init = current_names(cls), cls.__init__

    @functools.wraps(init)
    def renaming(self: _Spec, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **_in_current_names(kwargs, names, label_of(cls)))

    cls.__init__ = renaming  # type: ignore[assignment, method-assign]  # dataclasses set it too
    return cls


def _in_current_names(values: Mapping[str, Any], names: Mapping[str, str], what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = names.get(key, key)
        if name in found:
            raise UsageError(f"{what}: {name} is given twice, also by its earlier name; give it once.")
        found[name] = value
    return found


@functools.lru_cache(maxsize=256)
def _type_hints(cls: Any) -> dict[str, Any]:
    """The types of a class's settings; reading them takes a millisecond, and specs are made by the thousand."""
    return typing.get_type_hints(cls)


def label_of(cls: type) -> str:
    """What messages call a spec: its class name in the style of an id, "nint-reference"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()


def check(spec: Any, what: str) -> None:
    """Checks every setting of a spec against its declared range. Call it from `__post_init__`.

    Raises:
        UsageError: names the setting, its value and what would be right.
    """
    hints = _type_hints(type(spec))  # type: ignore[arg-type]  # mypy takes no class for hashable
    for field in dataclasses.fields(spec):
        value, meta = getattr(spec, field.name), field.metadata
        if "help" not in meta:  # not made by `setting`
            continue
        label = f"{what}: {field.name}={_shown(value)}"
        if not _has_type(value, hints[field.name]):
            raise UsageError(f"{label} is of the wrong type; it must be {_type_words(hints[field.name])}.")
        if value is None:
            continue
        if meta.get("choices") and value not in meta["choices"]:
            raise UsageError(f"{label} is not known.{nearest(str(value), meta['choices'])}")
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            whole_number = isinstance(value, numbers.Integral)
            low_open, low, high = meta["above"], meta["at_least"], meta["at_most"]
            high = _LARGEST if high is None and whole_number else high
            inside = (
                (whole_number or math.isfinite(value))
                and (low_open is None or value > low_open)
                and (low is None or value >= low)
                and (high is None or value <= high)
            )
            if not inside:
                bounds = (("above", low_open), ("at least", low), ("at most", high))
                words = [f"{word} {_bound(number)}" for word, number in bounds if number is not None]
                raise UsageError(f"{label} is out of range; it must be {', '.join(['a finite number', *words])}.")


def _bound(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _shown(value: Any) -> str:
    """A value in a message, shortened where it is long."""
    try:
        text = str(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "..."
    return text if len(text) <= 60 else f"{text[:57]}..."


def split_text(text: str) -> tuple[str, dict[str, str]]:
    """Splits `name:key=value,key=value` into the name and its raw settings.

    Raises:
        UsageError: where an item is not key=value, or a key stands twice.
    """
    name, _, rest = text.strip().partition(":")
    raw: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in rest.split(","))):
        key, equals, value = item.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"'{item}' in '{text}' is not a setting; write name:key=value,key=value.")
        if key in raw:
            raise UsageError(f"'{text}' sets {key} twice.")
        raw[key] = value
    return name, raw


def build(cls: type, name: str, raw: dict[str, str]) -> Any:
    """Builds a spec of class `cls` from raw text settings.

    Raises:
        UsageError: on an unknown setting (the nearest is named) or a value of the wrong type.
    """
    hints = _type_hints(cls)
    known = {field.name for field in dataclasses.fields(cls) if field.init}
    values = {}
    for key, text in _in_current_names(raw, current_names(cls), name).items():
        if key not in known:
            raise UsageError(f"{name} has no setting '{key}'.{nearest(key, known)}")
        values[key] = _coerce(text, hints[key], f"{name}: {key}")
    return cls(**values)


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _has_type(value: Any, hint: Any) -> bool:
    options = _options(hint)
    if not set(options) <= set(_TYPE_WORDS):
        return True  # not a type that has a text form; the class checks it itself
    if value is None or isinstance(value, (bool, str)):
        return type(value) in options
    if isinstance(value, numbers.Integral):
        return int in options or float in options
    return isinstance(value, numbers.Real) and float in options


def _type_words(hint: Any) -> str:
    return " or ".join(_TYPE_WORDS.get(option, str(option)) for option in _options(hint))


def _coerce(text: str, hint: Any, label: str) -> Any:
    options = _options(hint)
    if type(None) in options and text.lower() == "none":
        return None
    for kind in (bool, int, float, str):
        if kind not in options:
            continue
        if kind is bool:
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            continue
        try:
            return kind(text)
        except ValueError:
            continue
    raise UsageError(f"{label}={text} cannot be read; it must be {_type_words(hint)}.")


def text_form(spec: Any, name: str) -> str:
    """The shortest text form of a spec: its name and the settings that differ from the defaults."""
    changed = []
    for field in dataclasses.fields(spec):
        value = getattr(spec, field.name)
        if field.init and value != field.default:
            changed.append(f"{field.name}={value_text(value)}")
    return f"{name}:{','.join(changed)}" if changed else name


def value_text(value: Any) -> str:
    """A setting's value as it stands in a text form; floats as short as they can be read back exactly."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if not isinstance(value, float):
        return str(value)
    short = f"{value:.12g}"
    return short if float(short) == value else repr(float(value))


def chosen(value: str, known: tuple[str, ...], label: str) -> str:
    """A word, checked.

    Raises:
        UsageError: for a word that is not known; the nearest is named.
    """
    if value not in known:
        raise UsageError(f"{label}={value} is not known.{nearest(str(value), known)}")
    return value


def whole(value: Any, label: str, at_least: int = 1) -> int:
    """A whole number of at least 1, or of at least another.

    Raises:
        UsageError: names the label and the value.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = at_least - 1
    if number < at_least or isinstance(value, bool):
        shown = repr(value) if isinstance(value, str) else value
        raise UsageError(f"{label}={shown} is out of range; it must be a whole number of at least {at_least}.")
    return number


def is_finite(value: Any) -> bool:
    """Whether a value is a number, and neither NaN nor infinite."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def current_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options under their names of now.

    Raises:
        UsageError: for an option that is given under both names.
    """
    both = [old for old, new in RENAMED_OPTIONS.items() if options.get(old) is not None and options.get(new) is not None]
    if both:
        raise UsageError(f"{both[0]} is the old name of {RENAMED_OPTIONS[both[0]]}; give only {RENAMED_OPTIONS[both[0]]}.")
    renamed = {old: RENAMED_OPTIONS[old] for old in RENAMED_OPTIONS if options.get(old) is not None}
    return {renamed.get(name, name): value for name, value in options.items() if name not in RENAMED_OPTIONS or name in renamed}


def current_word(word: str) -> str:
    """A word of a command line, `--truth` or `--truth=RULE`, with the name of now."""
    flag, is_pair, value = word.partition("=")
    name = RENAMED_OPTIONS.get(flag.removeprefix("--").replace("-", "_")) if flag.startswith("--") else None
    return word if name is None else f"--{name.replace('_', '-')}{is_pair}{value}"
