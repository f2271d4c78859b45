"""The few collective operations that a run over several processes is made of."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor

from nint.errors import LostProcessError, NintError, UsageError

T = TypeVar("T")

_MEMORY = "out of memory"

_GLANCE = timedelta(seconds=1)
"""How long gloo waits at a time; in between Python hears signals."""

_PATIENCE_S = 20.0
"""How long a process that was told to end waits for the others: launchers kill after 30 s, and gloo (PyTorch 2.13) sometimes waits for ever
for a process that was killed in the middle of a message."""


class Group:
    """The processes of a run. Every method is called by all of them, in the same order.

    Args:
        process_group: Of `torch.distributed`; None is that of all processes.
        device: Where its tensors lie: the CPU for gloo, a CUDA device for NCCL.
        store: Of the launcher, by which processes can still tell each other something when one is lost.

    Attributes:
        rank: Number of this process.
        size: How many there are.
        device: As given.
        told_to_end: Whether somebody has asked this process to stop; settable. Then it waits twenty seconds at most for the others.
        waiting: Whether an operation was given up that still waits in the background: the interpreter then ends only after the time limit
            of the process group, so leave by `os._exit`.

    Raises:
        LostProcessError: from every method, where another process has ended or does not answer.
    """

    def __init__(self, process_group: Any = None, device: torch.device | str = "cpu", store: Any = None) -> None:
        import torch.distributed as dist

        self._group, self._store = process_group, store
        self.rank, self.size = dist.get_rank(process_group), dist.get_world_size(process_group)
        self.device = torch.device(device)
        self.told_to_end: Callable[[], bool] = lambda: False
        self.waiting = False

    def sum_(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor by the sum over all processes, the same bits on each."""
        import torch.distributed as dist

        def reduce(there: Tensor) -> Any:
            return dist.all_reduce(there, group=self._group, async_op=True)

        return self._moved(tensor, reduce)

    def first_(self, tensor: Tensor) -> Tensor:
        """Replaces a tensor by that of the first process."""
        return self.from_(tensor, 0)

    def from_(self, tensor: Tensor, rank: int) -> Tensor:
        """Replaces a tensor by that of one process."""
        import torch.distributed as dist

        def broadcast(there: Tensor) -> Any:
            source = rank if self._group is None else dist.get_global_rank(self._group, rank)
            return dist.broadcast(there, source, group=self._group, async_op=True)

        return self._moved(tensor, broadcast)

    def counts(self, number: int) -> list[int]:
        """A whole number of each process, by rank."""
        found = torch.zeros(self.size, dtype=torch.long)
        found[self.rank] = number
        return [int(count) for count in self.sum_(found).tolist()]

    def total(self, number: int) -> int:
        """The sum of a whole number over all processes."""
        return sum(self.counts(number))

    def gathered(self, rows: Tensor, everywhere: bool = True) -> Tensor:
        """The rows of all processes by rank, `[sum of m, ...]` from `[m, ...]` each.

        Args:
            rows: Of one type and row shape on all processes.
            everywhere: Whether all get them; otherwise only the first does, and the others get none.
        """
        counts = self.counts(len(rows))
        keeps = everywhere or self.rank == 0
        whole = rows.new_empty((sum(counts) if keeps else 0, *rows.shape[1:]))
        begin = 0
        for rank, count in enumerate(counts):
            if count == 0:
                continue
            part = rows.contiguous() if rank == self.rank else rows.new_empty((count, *rows.shape[1:]))
            part = self.from_(part, rank)
            if keeps:
                whole[begin : begin + count] = part
            begin += count
        return whole

    def texts(self, text: str) -> list[str]:
        """A text of each process, by rank."""
        raw = text.encode("utf-8", "replace")
        counts = self.counts(len(raw))
        letters = self.gathered(torch.tensor(list(raw), dtype=torch.uint8)).tolist()
        found, begin = [], 0
        for count in counts:
            found.append(bytes(letters[begin : begin + count]).decode("utf-8", "replace"))
            begin += count
        return found

    def agreed(self, work: Callable[[], T]) -> T:
        """What a function returns, on the condition that it succeeds on every process.

        Args:
            work: Anything that may refuse with a `NintError`; it must not itself use the group.

        Raises:
            UsageError: on all processes, with the message of the first that refused.
        """
        refusal, result = "", None
        try:
            result = work()
        except NintError as error:
            refusal = str(error) or type(error).__name__
        refusals = [said for said in self.texts(refusal) if said]
        if refusals:
            raise UsageError(refusals[0])
        return result  # type: ignore[return-value]  # it is None only where T is

    def claimed(self, what: str) -> bool:
        """Whether this process is the first to claim something, as far as the launcher's store still answers; not a collective operation.

        Args:
            what: A word.
        """
        try:
            return bool(self._store.add(f"nint/{what}", 1) == 1)
        except (RuntimeError, AttributeError):  # it was kept by the process that was lost
            return self.rank in (0, 1)

    def _moved(self, tensor: Tensor, operation: Callable[[Tensor], Any]) -> Tensor:
        """Applies an operation in place, on the group's device.

        Raises:
            LostProcessError: where it fails for want of another process.
            RuntimeError: where memory is short.
        """
        there = tensor if tensor.device == self.device and tensor.is_contiguous() else tensor.to(self.device).contiguous()
        try:
            self._wait(operation(there))
        except RuntimeError as error:
            if _MEMORY in str(error).lower():
                raise
            raise LostProcessError(str(error)) from error
        return tensor if there is tensor else tensor.copy_(there)

    def _wait(self, work: Any) -> None:
        """Waits for an operation under way.

        Raises:
            RuntimeError: that of the operation, or where this process was told to end and the others do not answer.
        """
        if self.device.type != "cpu":  # orders the streams of the device, and returns at once
            work.wait()
            return
        told_at: float | None = None
        while True:
            try:
                work.wait(_GLANCE)
                return
            except RuntimeError:  # of the operation, or because the glance is over
                if work.is_completed():
                    work.wait()
                    return
            if told_at is None and self.told_to_end():
                told_at = time.monotonic()
            if told_at is not None and time.monotonic() - told_at > _PATIENCE_S:
                self.waiting = True
                raise RuntimeError("told to end, while another process did not answer")
