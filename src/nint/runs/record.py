"""The JSON record of a run: settings, versions, timings, counts and the curve."""

from __future__ import annotations

import dataclasses
import platform
from typing import Any

import torch

from nint.machine.devices import device_name, peak_memory_bytes
from nint.machine.matmul import matmul_backend, multiplying
from nint.runs.job import Job
from nint.training.engine import Run
from nint.version import __version__


def record_of(job: Job, run: Run, settings: dict[str, Any], reason: str) -> dict[str, Any]:
    """The JSON record of a run."""
    chosen = run.teacher.cost
    with multiplying(run.matmul):
        matmul = matmul_backend(job.device)
    return {
        "source": job.source,
        "scaling": job.signal.scaling(),
        "settings": settings,
        "budget": dataclasses.asdict(run.budget),
        "stopped": reason,
        "versions": {"nint": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"device": str(job.device), "name": device_name(job.device), "system": platform.platform()},
        "threads": run.threads,
        "chunk_size": run.teacher.probe.chunk_size,
        "matmul": matmul,
        "parameters": sum(p.numel() for p in run.field.parameters()),
        "points": len(run.teacher.probe),
        **{name: run.curve[-1][name] for name in job.signal.metrics if name in run.curve[-1]},
        "steps": run.step,
        "training_seconds": run.clock.training_s,
        "selection_seconds": run.clock.selection_s,
        "wall_seconds": run.clock.wall_s,
        "preparation_seconds": run.signal.preparation_seconds,
        "compile_seconds": run.teacher.probe.forwards.compile_seconds,
        "points_trained": run.cost.backward,
        "points_forwarded": run.cost.forward + chosen.forward,
        "points_backwarded": run.cost.backward + chosen.backward,
        "points_in_jvps": run.cost.jvp + chosen.jvp,
        "forward_equivalents": run.forward_equivalents,
        "peak_memory_bytes": peak_memory_bytes(job.device),
        "curve": run.curve,
    }
