"""The command line `nint`: imports the subcommand that is asked for and reports errors in one sentence."""

from __future__ import annotations

import errno
import importlib
import io
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import nint.cli.started  # noqa: F401 - before anything that takes time
from nint.cli.show import complain, printable
from nint.distributed.launch import is_first, launched
from nint.errors import NintError, UsageError, nearest
from nint.version import __version__

COMMANDS = {
    "fit": ("nint.cli.fit:FitOptions", "fit a network to an image, a sound, a shape, a video, a volume, ..."),
    "fit-all": ("nint.cli.fit_all:FitAllOptions", "fit a network to each of many signals, into a dataset of fields"),
    "tune": ("nint.cli.tune:TuneOptions", "which bandwidth the kernel chooses for a signal, before any training"),
    "decode": ("nint.cli.decode:DecodeOptions", "write a fitted signal at any size"),
    "decode-all": ("nint.cli.decode_all:DecodeAllOptions", "write every signal of a dataset of fields"),
    "pack": ("nint.cli.pack:PackOptions", "a model as a small file: quantised, fine-tuned, entropy-coded"),
    "export": ("nint.cli.export:ExportOptions", "a network for other programs: ONNX, torch.export, or JSON with a page for the browser"),
    "eval": ("nint.cli.evaluate:EvalOptions", "measure a model against a file"),
    "compare": ("nint.cli.compare:CompareOptions", "samplers and fields side by side on one input"),
    "bench": ("nint.cli.bench:BenchOptions", "the paper's tables and figures, ours beside the published numbers"),
    "report": ("nint.cli.report:ReportOptions", "one HTML page about a fit, a comparison or a benchmark"),
    "watch": ("nint.cli.watch:WatchOptions", "a local page that shows runs while they train, side by side"),
    "inspect": ("nint.cli.inspect:InspectOptions", "show what a model file or a dataset of fields says of itself"),
    "list": ("nint.cli.listing:ListOptions", "list samplers and fields with their settings, and samples"),
    "completion": ("nint.cli.completion:CompletionOptions", "print a script that completes commands and options in a shell"),
    "assets": ("nint.cli.assets:AssetsOptions", "list optional files, such as the weights of LPIPS, or get one"),
}
"""Subcommand -> ("module:class of its options", help line). The module also has `run(options) -> exit code`."""

_OUTSIDE = {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.ENAMETOOLONG, errno.EDQUOT}
"""Errors of the operating system that the user can do something about."""

_SHARED = {"fit": "nint.cli.fit_sharded"}
"""Commands that work over the processes of a launcher -> the module that does it."""

_BAD = "\N{REPLACEMENT CHARACTER}"
_ESCAPED = re.compile(r"(?:\\x[0-9a-f]{2})+")
_MAX_LETTERS = 1000
_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line.

    Args:
        argv: Without the program's name; `sys.argv` if None.

    Returns:
        The exit code: 0; 2 with one sentence on standard error for a user error; 1 where every run of a comparison or benchmark failed;
        130 and 143 after Ctrl-C and SIGTERM.

    Raises:
        MemoryError: never; it is reported as a user error.
        OSError: for a system error that the user can do nothing about.
        RuntimeError: for an error in nint or in a library.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    if argv is None and not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries are for programmers
    try:
        code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
    except NintError as error:
        return _complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return _complain("Aborted.", _INTERRUPTED)
    except BrokenPipeError:  # the reader of the output has closed it; the rest of the buffer must not raise again at exit
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        return _BROKEN_PIPE
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        return _complain("There is not enough memory for this; use a smaller --size, batch or input, or a smaller decoded size.", 2)
    except OSError as error:
        if error.errno not in _OUTSIDE:
            raise
        return _complain(f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}.", 2)
    return code


def _is_memory(error: Exception) -> bool:
    """Whether an error of PyTorch or Python means that memory could not be allocated."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    name, *rest = arguments
    if name == "--version":
        print(f"nint {__version__}")
        return 0
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        raise UsageError(f"nint has no {kind} '{name}'.{nearest(name, ['--help', '--version'] if kind == 'option' else COMMANDS)}")
    if launched() and name not in _SHARED:
        return _refuse_several(name)
    module_name, _, options = COMMANDS[name][0].partition(":")
    module = importlib.import_module(_SHARED[name] if launched() else module_name)
    run: Callable[[Any], int] = module.run

    from nint.cli.parsing import parse

    try:
        return run(parse(getattr(module, options), name, rest))
    except SystemExit as stop:  # help was shown
        return int(stop.code or 0)


def _refuse_several(name: str) -> int:
    """Refuses a command under a launcher.

    Raises:
        UsageError: on the process that prints.
    """
    if not is_first():
        return 2
    raise UsageError(
        f"nint {name} works in one process, but a launcher has started several (WORLD_SIZE is set); only nint fit shares them."
    )


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {line}" for name, (_, line) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: nint COMMAND ...",
            "",
            "Fit implicit neural representations fast by choosing which coordinates to train on.",
            "",
            *lines,
            "",
            "nint COMMAND --help shows the options of a command, nint --version the version.",
        ]
    )


def _complain(sentence: str, code: int) -> int:
    complain(readable(sentence))
    return code


def readable(sentence: str) -> str:
    """A sentence on one line of at most about 1,000 letters, without control characters or the bytes of a file.

    Messages may quote what stands in a damaged file, which must not reach the terminal.
    """
    plain = " ".join(_ESCAPED.sub(_BAD, printable(sentence)).split())
    return plain if len(plain) <= _MAX_LETTERS else f"{plain[: _MAX_LETTERS // 2]} ... {plain[-_MAX_LETTERS // 2 :]}"


if __name__ == "__main__":
    sys.exit(main())
