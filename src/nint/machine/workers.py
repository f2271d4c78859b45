"""Worker threads for chunks: each works through chunks of its own with one thread inside, so nothing waits within a small operation.

With PyTorch's own threads each operation is split and waited for: on a machine that does other things too, every such wait can cost a turn
of the scheduler. Here threads meet once for all chunks of a batch. What is computed does not depend on the number of workers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_asked: ContextVar[int | None] = ContextVar("workers", default=None)
_pools: dict[int, ThreadPoolExecutor] = {}


def count() -> int:
    """How many workers there are: as many as `workers` said, else one for each of PyTorch's threads."""
    asked = _asked.get()
    return torch.get_num_threads() if asked is None else asked


@contextmanager
def workers(number: int) -> Iterator[None]:
    """Within it, chunks are shared out to so many workers, and everything else runs on one thread.

    Args:
        number: At least 1.
    """
    token, before = _asked.set(number), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _asked.reset(token)


def share_out(tasks: Sequence[Callable[[], None]]) -> None:
    """Runs tasks that touch nothing of one another, on as many workers as there are; returns when all are done.

    Args:
        tasks: Called once each, in any order, in the caller's inference mode and never under autocast, both of which PyTorch keeps for each
            thread by itself. The first error of any is raised, after all have ended.
    """
    tasks = _in_the_callers_mode(tasks)
    number = min(count(), len(tasks))
    if number <= 1:
        for task in tasks:
            task()
        return
    futures = [_pool(number).submit(task) for task in tasks]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]


def _in_the_callers_mode(tasks: Sequence[Callable[[], None]]) -> Sequence[Callable[[], None]]:
    inference, cast = torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
    if not (inference or cast):
        return tasks

    def wrapped(task: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            with torch.inference_mode(inference), torch.autocast("cpu", enabled=False):
                task()

        return run

    return [wrapped(task) for task in tasks]


def _pool(number: int) -> ThreadPoolExecutor:
    if number not in _pools:
        before = torch.get_num_threads()
        pool = ThreadPoolExecutor(number, "nint", initializer=torch.set_num_threads, initargs=(1,))
        for started in [pool.submit(lambda: None) for _ in range(number)]:
            started.result()
        torch.set_num_threads(before)  # a worker's own setting is also the default of threads to come
        _pools[number] = pool
    return _pools[number]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pools.clear)  # a child has none of its parent's threads
