"""Runs one command line of nint in a forked child with limits, and says how it went. Linux only.

The parent imports nint and what it uses once; a child then starts in milliseconds. The parent has a single thread (OMP_NUM_THREADS=1, and
nothing is computed in it), so that forking is safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import resource
import select
import signal
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

ADDRESS_SPACE = 4 * 2**30
MAX_RSS = 2 * 2**30
MAX_CPU_S = 60
MAX_FILE = 2**30
_LARGE = 2**26  # a larger file is told by its size and time


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        code: Exit code; minus the signal where one ended it; None where it was stopped for its time.
        seconds: Wall time.
        peak: Largest resident memory in bytes.
        out: Standard output.
        err: Standard error.
    """

    code: int | None
    seconds: float
    peak: int
    out: str
    err: str


def preload() -> None:
    """Imports every module of nint, so that a child starts quickly; what they import when used comes by `run(..., learn=True)`."""
    import nint

    root = Path(nint.__file__).parent
    for file in sorted(root.rglob("*.py")):
        inside = file.relative_to(root).with_suffix("").parts
        if inside[-1] not in ("__init__", "__main__"):
            importlib.import_module(".".join(("nint", *inside)))


def run(words: list[str], folder: Path, timeout_s: float, interrupt_s: float | None = None, learn: bool = False) -> Outcome:
    """Runs `nint WORDS` in a folder.

    Args:
        words: The command line, without the program's name.
        folder: Current folder of the child.
        timeout_s: Wall time after which the child and its children are killed.
        interrupt_s: Wall time after which the child gets Ctrl-C, where a command may rightly be long.
        learn: Import in this process what the child has imported, so that later ones need not.
    """
    outputs = [folder.parent / f".{name}" for name in ("stdout", "stderr")]
    sys.stdout.flush()
    sys.stderr.flush()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_child(words, folder, outputs, folder.parent / ".modules" if learn else None)
    handle = os.pidfd_open(child)
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    try:
        if interrupt_s is not None and not poll.poll(1000 * interrupt_s):
            os.kill(child, signal.SIGINT)
        left = timeout_s - (time.monotonic() - start)
        ended = bool(poll.poll(max(1000 * left, 0)))
        if not ended:
            os.killpg(child, signal.SIGKILL)
        _, status, usage = os.wait4(child, 0)
    finally:
        os.close(handle)
    seconds = time.monotonic() - start
    out, err = (path.read_text(encoding="utf-8", errors="backslashreplace") for path in outputs)
    code = os.waitstatus_to_exitcode(status) if ended else None
    if learn:
        _import_all((folder.parent / ".modules").read_text().split())
    return Outcome(code, seconds, usage.ru_maxrss * 1024, out, err)


def _import_all(names: list[str]) -> None:
    for name in names:
        if name not in sys.modules:
            # Some modules can only be imported by others, and some make themselves up.
            with contextlib.suppress(Exception), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                importlib.import_module(name)


def _be_child(words: list[str], folder: Path, outputs: list[Path], modules: Path | None) -> None:
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for number, path in enumerate(outputs, 1):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(handle, number)
            os.close(handle)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S + 5))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Streams of their own: those of the parent may belong to a test runner.
        sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
        sys.stderr = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="backslashreplace", buffering=1)

        from nint.cli.main import main

        sys.argv = ["nint", *words]
        code = main()
        if modules is not None:
            modules.write_text("\n".join(sys.modules))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def fingerprints(folder: Path) -> dict[str, str]:
    """Path -> hash of everything below a folder; links are told apart from what they lead to, and not followed."""
    found: dict[str, str] = {}
    for root, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = os.path.join(root, name)
            key = os.path.relpath(path, folder)
            if os.path.islink(path):
                found[key] = f"link to {os.readlink(path)}"
            elif os.path.isfile(path) and os.path.getsize(path) > _LARGE:
                found[key] = f"{os.path.getsize(path)} bytes of {os.stat(path).st_mtime_ns}"
            elif os.path.isfile(path):
                with open(path, "rb") as file:
                    found[key] = hashlib.file_digest(file, "sha256").hexdigest()
            else:
                found[key] = "folder" if os.path.isdir(path) else "special"
    return found
