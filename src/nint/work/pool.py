"""Worker processes on this machine, one task each at a time."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any


class ProcessPool:
    """Worker processes; a new set of them where one has died, which ends the others.

    Args:
        workers: How many.
        threads: CPU threads of PyTorch in each.

    Attributes:
        slots: Tasks at a time.
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

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Starts a task; see `nint.work.tasks.Workers`."""
        job = functools.partial(_work, function, *arguments, threads=self._threads, **options)
        try:
            return self._executor.submit(job)
        except BrokenProcessPool:
            self._executor.shutdown(wait=True)
            self._start()
            return self._executor.submit(job)

    def close(self) -> None:
        """Stops the tasks under way after their step, and the workers."""
        self._stop.set()
        self._executor.shutdown(wait=True, cancel_futures=True)


_stop: Any = None
"""In a worker process: set when its task is to stop."""


def _begin(stop: Any) -> None:
    """In a worker process, before its first task."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to every process; the first one decides what to do
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """Ends this process with its parent, which would otherwise leave it waiting for tasks for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    return function(*arguments, interrupted=_stop.is_set, **options)
