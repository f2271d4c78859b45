"""`python -m nint.live.child FOLDER PORT`: serves the page until standard input ends, as it does with the process that started this."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path


def main(folder: str, port: str) -> None:
    """Serves the page about a folder.

    Args:
        folder: Of the run.
        port: On 127.0.0.1.
    """
    from nint.live.server import listening, serve

    threading.Thread(target=_end_with_input, daemon=True).start()
    serve(Path(folder), listening(int(port)))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:3])
