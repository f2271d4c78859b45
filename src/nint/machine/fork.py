"""Refusing to compute in a process that would hang.

A fork copies only the thread that forks. The copy of an OpenMP thread pool that has run in the parent waits for threads that the child
does not have, so the child's first parallel operation never returns. The start methods "spawn" and "forkserver" are not affected, nor is
a child that computes with one thread.
"""

from __future__ import annotations

import functools
import os

import torch

from nint.errors import UsageError


class _Process:
    forked_from_threads = False


def refuse_after_fork() -> None:
    """Call it before work that PyTorch does with its CPU threads.

    Raises:
        UsageError: in a process that was forked from one in which nint has used several threads, unless it uses one only.
    """
    if torch.get_num_threads() == 1:
        return
    if _Process.forked_from_threads:
        raise UsageError(
            "This process was forked from one that has used several CPU threads, so PyTorch would hang in it; start it with "
            "multiprocessing's 'spawn' method, or call torch.set_num_threads(1) in it first."
        )
    _watch_forks()


@functools.cache
def _watch_forks() -> None:
    if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
        os.register_at_fork(after_in_child=_mark)


def _mark() -> None:
    _Process.forked_from_threads = True
