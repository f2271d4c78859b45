"""Whether a launcher of torch.distributed started this process, and joining the group of those that it started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from nint.errors import LostProcessError, UsageError

if TYPE_CHECKING:
    from nint.distributed.group import Group

_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others; one that has ended is noticed at once, one whose machine is gone after this long."""


def launched() -> bool:
    """Whether a launcher (torchrun, or any that sets RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT) started several processes."""
    return all(os.environ.get(name) for name in _VARIABLES) and os.environ["WORLD_SIZE"] != "1"


def is_first() -> bool:
    """Whether this is the process that prints and writes: rank 0, or the only one."""
    return not launched() or os.environ["RANK"] == "0"


@contextmanager
def joined(device: str) -> Iterator[Group]:
    """The group of all processes of a launcher: NCCL between CUDA devices, gloo between CPUs.

    Args:
        device: "auto", "cpu", or "cuda", of which each process takes the one of its LOCAL_RANK.

    Yields:
        The group.

    Raises:
        UsageError: where the processes do not find each other, or the device is not there.
        LostProcessError: that of the body, passed on.
    """
    import torch
    import torch.distributed as dist
    from torch.distributed.rendezvous import rendezvous

    from nint.distributed.group import Group
    from nint.machine.devices import resolve_device

    if not dist.is_available():
        raise UsageError("This PyTorch was built without torch.distributed, so several processes cannot share a run; start one.")
    place = resolve_device(device)
    if place.type not in ("cpu", "cuda"):
        if device != "auto":
            raise UsageError(f"--device {device} does not work over several processes; use cpu or cuda.")
        place = torch.device("cpu")
    if place.type == "cuda":
        place = resolve_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if place.index is None else str(place))
        torch.cuda.set_device(place)
    try:
        store, rank, size = next(rendezvous("env://", timeout=_TIMEOUT))
        dist.init_process_group("nccl" if place.type == "cuda" else "gloo", store=store, rank=rank, world_size=size, timeout=_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise UsageError(f"The processes of this run cannot reach each other at {where}: {str(error).splitlines()[0]}.") from error
    try:
        yield Group(device=place, store=store)
    except LostProcessError:  # taking the group down may wait for the one that is lost, before anybody has been told
        raise
    except BaseException:
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()
