"""Choosing a device and saying what it is."""

from __future__ import annotations

import platform
import sys
from typing import Any

import torch

from nint.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps")


def check_device(name: Any) -> None:
    """Refuses what names no device anywhere, also where the device is another machine's.

    Raises:
        UsageError: for anything but a text or a `torch.device`.
    """
    if not isinstance(name, (str, torch.device)):
        raise UsageError(f"device={name!r} must be auto, cpu, cuda or mps, or a torch.device.")


def resolve_device(name: str | torch.device) -> torch.device:
    """The device of a name: "auto", "cpu", "cuda", "cuda:1" or "mps"; a `torch.device` of another kind is taken as it is.

    Raises:
        UsageError: for a device that is not there, and what is none.
    """
    check_device(name)
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"There is no device called '{name}'; use auto, cpu, cuda or mps.") from error
    if device.type not in DEVICES:
        if isinstance(name, torch.device):
            return device
        raise UsageError(f"Device '{name}' is not supported; use auto, cpu, cuda or mps.")
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise UsageError(
            f"Device '{name}' was requested but this machine (or this PyTorch) has no such CUDA GPU; use --device auto or cpu."
        )
    if device.type == "mps" and not has_mps:
        raise UsageError("Device 'mps' was requested but this machine has no Apple GPU; use --device auto or cpu.")
    return device


def device_name(device: torch.device) -> str:
    """Model name of a GPU or processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine() or device.type


def peak_memory_bytes(device: torch.device) -> int | None:
    """Largest memory so far: of the GPU's allocator on CUDA, else of the whole process; None where the system does not tell (Windows)."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
