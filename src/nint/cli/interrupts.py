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
    """While this context is open, signals are noted; call it to learn whether one has come.

    Programs between a person and this one may pass the same Ctrl-C on twice, so that one within half a second of the first is not
    taken for a second.

    Attributes:
        received: The signal that came first, or None.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._since = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __call__(self) -> bool:
        return self.received is not None

    @property
    def exit_code(self) -> int:
        """128 + the signal, as shells count it; 0 where none came."""
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
            # Not print: the signal may have come in the middle of another print.
            with contextlib.suppress(OSError):
                os.write(_STDERR, b"\nStopping after this step and saving; press Ctrl-C again to abort at once.\n")
        elif number == signal.SIGINT and now - self._since > _SAME_PRESS_S:
            raise KeyboardInterrupt
