"""Ctrl-C and SIGTERM ask a run to stop after its step; a second Ctrl-C aborts at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from types import FrameType
from typing import Any

_SAME_PRESS_S = 0.5
_STDERR = 2


class Interrupts:
    """A context that catches SIGINT and SIGTERM; calling it tells whether one has arrived.

    A second SIGINT within half a second of the first is ignored: wrappers such as make or uv may deliver one Ctrl-C twice.

    Args:
        quiet: Say nothing.

    Attributes:
        received: The first signal, or None.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self.received: signal.Signals | None = None
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        """Whether a signal has arrived."""
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 plus the number of the signal, as shells report it; 0 without a signal."""
        return 0 if self.received is None else 128 + self.received

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.received is None:
            self.received, self._since = signal.Signals(number), now
            if self._quiet:
                return
            # os.write, because the signal may have interrupted a print.
            with contextlib.suppress(OSError):
                os.write(_STDERR, b"\nStopping after this step and saving; press Ctrl-C again to abort at once.\n")
        elif number == signal.SIGINT and now - self._since > _SAME_PRESS_S:
            raise KeyboardInterrupt
