"""`nint completion`: completion of commands, options, files and names for a shell. shtab writes the script."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import typing
from dataclasses import dataclass
from typing import Annotated, Any

from nint.cli.parsing import positional
from nint.errors import UsageError, nearest

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")

_FILES = {"INPUT", "FILE", "MODEL", "OUT", "TARGET"}
_FOLDERS = {"DIR", "FOLDER"}


@dataclass(frozen=True)
class CompletionOptions:
    """Prints a script that completes nint's commands, options, files and names in a shell.

    bash: nint completion bash > ~/.local/share/bash-completion/completions/nint;
    zsh: nint completion zsh > _nint in a folder of $fpath; fish: nint completion fish > ~/.config/fish/completions/nint.fish

    Attributes:
        shell: bash, zsh, fish, tcsh or powershell
    """

    shell: Annotated[str, *positional("SHELL")]


def run(options: CompletionOptions) -> int:
    """Runs `nint completion`; returns the exit code.

    Raises:
        UsageError: for another shell.
    """
    if options.shell not in SHELLS:
        raise UsageError(f"There is no completion for '{options.shell}'; give {', '.join(SHELLS)}.{nearest(options.shell, SHELLS)}")
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """The script of a shell, as text."""
    import shtab

    return str(shtab.complete(_parser(), shell))


def _parser() -> argparse.ArgumentParser:
    """The command line in argparse's words, for shtab alone; nothing is parsed by it."""
    from nint.cli.main import COMMANDS
    from nint.version import __version__

    top = argparse.ArgumentParser("nint")
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(metavar="COMMAND")
    for name, (place, line) in COMMANDS.items():
        module, _, options = place.partition(":")
        _add_options(commands.add_parser(name, help=line, description=line), getattr(importlib.import_module(module), options))
    return top


def _add_options(parser: argparse.ArgumentParser, options: type) -> None:
    from tyro.conf import Positional

    from nint.cli.parsing import option_name

    hints = typing.get_type_hints(options, include_extras=True)
    said = _help_of(options)
    for field in dataclasses.fields(options):
        parts = getattr(hints[field.name], "__metadata__", ())
        metavar = next((str(found) for part in parts if (found := getattr(part, "metavar", None))), "")
        words = {"help": said.get(field.name, "").replace("%", "%%")}
        if Positional in parts:
            many = metavar.endswith("...")
            action = parser.add_argument(field.name, metavar=metavar or None, nargs="*" if many else "?", **words)  # type: ignore[arg-type]
        elif not metavar:
            action = parser.add_argument(option_name(field.name), action="store_true", **words)  # type: ignore[arg-type]
        else:
            count: Any = "+" if metavar.endswith("...") else None
            action = parser.add_argument(option_name(field.name), metavar=metavar, nargs=count, **words)  # type: ignore[arg-type]
        _complete(action, metavar.removesuffix(" ..."))


def _complete(action: argparse.Action, metavar: str) -> None:
    """What a value may be: a file, a folder, or one of some words."""
    import shtab

    if metavar in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif metavar in _FOLDERS:
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    elif words := _words(metavar):
        action.choices = words


def _words(metavar: str) -> list[str]:
    if metavar == "SHELL":
        return list(SHELLS)
    if metavar == "SAMPLER":
        from nint.samplers import SAMPLERS

        return list(SAMPLERS.names())
    if metavar == "FIELD":
        from nint.fields import FIELDS

        return list(FIELDS.names())
    if metavar == "KIND":
        from nint.signals.kinds import KINDS

        return list(KINDS)
    if metavar == "LOSS":
        return ["l2", "l1", "huber"]
    if metavar == "DEVICE":
        return ["auto", "cpu", "cuda", "mps"]
    return metavar.split("|") if "|" in metavar else []


def _help_of(options: type) -> dict[str, str]:
    """Attribute -> its line in the docstring of the options and of the classes that they extend."""
    import docstring_parser

    found: dict[str, str] = {}
    for kind in reversed(options.__mro__):
        for entry in docstring_parser.parse(kind.__doc__ or "").params:
            found[entry.arg_name] = " ".join((entry.description or "").split())
    return found
