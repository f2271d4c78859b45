"""The page beside a run: a process of its own, so that nothing of it can stop or slow the training process, and that ends with it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from nint.errors import UsageError

_PACKAGES = ("starlette", "uvicorn")
_PATIENCE_S = 5.0


def check_packages() -> None:
    """Checks that the page can be served.

    Raises:
        UsageError: for a missing package.
    """
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(f"The live page needs the package {missing[0]}; pip install 'nint[live]'.")


@contextlib.contextmanager
def page_beside(folder: Path, port: int | None, say: Callable[[str], None]) -> Iterator[None]:
    """Serves the page about a folder while the context lasts; what goes wrong with the page is said, and the run goes on.

    Args:
        folder: Of the run.
        port: Of the page; None is a free one.
        say: Prints a line.

    Raises:
        UsageError: where the port is taken; before the run starts.
    """
    from nint.live.server import address_of, listening

    own = listening(port)  # here, so that a port that is taken is known before the run
    address = address_of(own)
    chosen = own.getsockname()[1]
    own.close()
    command = [sys.executable, "-m", "nint.live.child", str(folder.absolute()), str(chosen)]
    try:
        # A session of its own: Ctrl-C is for the run. The child ends when its standard input does, be it that this process was killed.
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        say(f"The live page could not be started ({error}); the run goes on without it.")
        yield
        return
    say(f"watch at {address} (this machine only; closing the page stops nothing)")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if child.stdin is not None:
                child.stdin.close()
        try:
            child.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
