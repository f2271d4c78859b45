"""`nint list`: samplers and fields with every setting, and the sample signals."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

from nint.cli.parsing import positional
from nint.errors import UsageError, nearest

_WHAT = ("samplers", "fields", "samples")


@dataclass(frozen=True)
class ListOptions:
    """Lists samplers and fields with every setting (its default, its letter in the paper, what it does), and the samples.

    Attributes:
        what: samplers, fields or samples; without it all three
    """

    what: Annotated[str, *positional("WHAT")] = "all"


def run(options: ListOptions) -> int:
    """Runs `nint list`; returns the exit code.

    Raises:
        UsageError: for a list that does not exist.
    """
    if options.what not in (*_WHAT, "all"):
        raise UsageError(f"There is no list of '{options.what}'.{nearest(options.what, _WHAT)}")

    from nint.cli.show import Show

    show = Show()
    for number, what in enumerate(_WHAT if options.what == "all" else (options.what,)):
        if number:
            show.line()
        _samples(show) if what == "samples" else _registry(show, what)
    return 0


def _registry(show: Any, what: str) -> None:
    from nint.fields import FIELDS
    from nint.samplers import SAMPLERS

    registry = SAMPLERS if what == "samplers" else FIELDS
    rows: list[tuple[str, ...]] = []
    for name in registry.names():
        try:
            cls = registry.get(name)
            entry = [(name, "", "", _first_line(cls)), *(_setting_row(field) for field in dataclasses.fields(cls) if field.init)]
        except Exception as error:  # a broken plug-in must not hide the others
            entry = [(name, "", "", f"cannot be used: {' '.join(str(error).split()) or type(error).__name__}")]
        rows += [*entry, ("", "", "", "")]
    show.table((what, "default", "letter", "NAME:SETTING=VALUE,SETTING=VALUE"), rows[:-1])


def _first_line(cls: type) -> str:
    return (cls.__doc__ or "").strip().splitlines()[0] if cls.__doc__ else ""


def _setting_row(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    from nint.settings import value_text

    default = "" if field.default is dataclasses.MISSING else value_text(field.default)
    choices = field.metadata.get("choices")
    text = field.metadata.get("help", "") + (f" ({', '.join(choices)})" if choices else "")
    return f"  {field.name}", default, field.metadata.get("symbol", ""), text


def _samples(show: Any) -> None:
    from nint.signals.kinds import PREFIX
    from nint.signals.samples.images import describe, sample_names

    show.table(("samples", ""), [(f"{PREFIX}{name}", describe(name)) for name in sample_names()])
