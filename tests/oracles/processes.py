"""A group whose processes are threads, for tests of what is computed; what crosses real processes is tested with torchrun."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nint.distributed.group import Group


class Meeting:
    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=60)
        self.tensors: list[Any] = [None] * size


class ThreadGroup(Group):
    def __init__(self, meeting: Meeting, rank: int) -> None:
        self.rank, self.size, self.device = rank, meeting.size, torch.device("cpu")
        self._meeting = meeting

    def _exchange(self, tensor: Tensor) -> list[Tensor]:
        self._meeting.tensors[self.rank] = tensor.clone()
        self._meeting.barrier.wait()
        every = list(self._meeting.tensors)
        self._meeting.barrier.wait()
        return every

    def sum_(self, tensor: Tensor) -> Tensor:
        every = self._exchange(tensor)
        assert len({(part.dtype, part.shape) for part in every}) == 1, "gloo would read past the end"
        return tensor.copy_(torch.stack(every).sum(0))

    def from_(self, tensor: Tensor, rank: int) -> Tensor:
        every = self._exchange(tensor)
        assert len({(part.dtype, part.shape) for part in every}) == 1, "gloo would read past the end"
        return tensor.copy_(every[rank])


def together(size: int, work: Callable[[Group], Any]) -> list[Any]:
    """Runs a function once a rank, and returns what each gave."""
    meeting = Meeting(size)
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def run(rank: int) -> None:
        try:
            results[rank] = work(ThreadGroup(meeting, rank))
        except BaseException as error:
            errors.append(error)
            meeting.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    real = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    if real or errors:
        raise (real or errors)[0]
    return results
