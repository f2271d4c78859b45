"""Worker processes on this machine, one run each at a time."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from nint.bench.work import work


class ProcessPool:
    """Worker processes; a new set of them where one has died, which ends the others.

    Args:
        workers: How many.
        threads: CPU threads of PyTorch in each.

    Attributes:
        slots: Runs at a time.
        died: What a future raises when its worker has died.
        shares_files: Whether workers see this machine's files.
    """

    died: tuple[type[BaseException], ...] = (BrokenProcessPool,)
    shares_files = True

    def __init__(self, workers: int, threads: int) -> None:
        self.slots, self._threads = workers, threads
        self._start()

    def _start(self) -> None:
        # spawn, not fork: threads of PyTorch do not survive a fork. A new event each time: a worker that was killed may hold its lock.
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._executor = ProcessPoolExecutor(self.slots, context, initializer=_begin, initargs=(self._stop,))

    def submit(self, spec: dict[str, Any], *, place: str | None, facts: dict[str, Any]) -> Future[dict[str, Any] | None]:
        """Starts a run; see `nint.bench.work.work`."""
        job = functools.partial(_work, spec, threads=self._threads, place=place, facts=facts)
        try:
            return self._executor.submit(job)
        except BrokenProcessPool:
            self._executor.shutdown(wait=True)
            self._start()
            return self._executor.submit(job)

    def close(self) -> None:
        """Stops the runs under way after their step, and the workers."""
        self._stop.set()
        self._executor.shutdown(wait=True, cancel_futures=True)


_stop: Any = None
"""In a worker process: set when its run is to stop."""


def _begin(stop: Any) -> None:
    """In a worker process, before its first run."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to every process; the first one decides what to do
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Ends this process with its parent, which would otherwise leave it waiting for runs for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(spec: dict[str, Any], **options: Any) -> dict[str, Any] | None:
    return work(spec, interrupted=_stop.is_set, **options)
