"""What a benchmark row says of the machine it ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import torch

from nint.machine.matmul import matmul_backend
from nint.version import __version__


def machine() -> dict[str, Any]:
    """Processor, cores, threads, versions and matrix library."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "nint": __version__,
        "matmul": matmul_backend(torch.device("cpu")),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
