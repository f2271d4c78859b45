"""`nint.fit`: one call from a file or array to a model of it. Assembles the parts; the loop is in engine.py."""

from __future__ import annotations

import dataclasses
import math
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nint import schedules
from nint.arithmetic import matmul_backend
from nint.budgets import Budget
from nint.checkpoint import CHECKPOINT, MODEL, restore
from nint.clock import Clock
from nint.devices import device_name, peak_memory_bytes, resolve_device
from nint.engine import Monitor, Run, train
from nint.errors import DivergedError, UsageError, nearest
from nint.fields import FIELDS, FieldSpec
from nint.files import write_json
from nint.fitted import Fit
from nint.monitors.checkpoint import Checkpoint
from nint.monitors.evaluate import Evaluate
from nint.monitors.snapshots import Snapshots
from nint.objectives import make_loss
from nint.optimizers import OPTIMIZERS
from nint.rundir import claim
from nint.samplers import SAMPLERS
from nint.samplers.base import BatchSampler, Sampler
from nint.signals.base import Signal
from nint.signals.open import open_signal
from nint.teacher import Teacher
from nint.version import __version__

RECORD = "run.json"
SNAPSHOTS = "snapshots"


@dataclasses.dataclass(frozen=True)
class Job:
    """Everything that decides a run, checked. Text forms where a thing has one.

    Attributes:
        signal: What to fit.
        field: Spec of the network, or a ready module.
        sampler: Which coordinates.
        optimizer: Text form of the optimizer.
        lr: Learning rate; None is the field's own default.
        lr_schedule: "constant", "cosine" or "exponential", over total_steps.
        loss: Name of the point loss.
        total_steps: What schedules read.
        seed: Of the start weights and, apart from them, of the sampler.
        device: Where.
        chunk_size: Points at a time; None chooses for the device.
    """

    signal: Signal
    field: FieldSpec | nn.Module
    sampler: Sampler
    optimizer: str = "adam"
    lr: float | None = None
    lr_schedule: str = "constant"
    loss: str = "l2"
    total_steps: int = 5000
    seed: int = 0
    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    chunk_size: int | None = None

    def __post_init__(self) -> None:
        if self.lr is not None and not (math.isfinite(self.lr) and self.lr > 0):
            raise UsageError(f"lr={self.lr} must be a finite number above 0, for example 1e-4.")
        if self.lr_schedule not in schedules.LR_SCHEDULES:
            known = nearest(self.lr_schedule, schedules.LR_SCHEDULES)
            raise UsageError(f"There is no learning-rate schedule called '{self.lr_schedule}'.{known}")
        if self.total_steps < 1:
            raise UsageError(f"total_steps={self.total_steps} must be at least 1.")
        if not 0 <= self.seed < 2**62:
            raise UsageError(f"seed={self.seed} must be a whole number of at least 0.")
        make_loss(self.loss)
        OPTIMIZERS.parse(self.optimizer)

    @property
    def rate(self) -> float:
        """The learning rate in force."""
        if self.lr is not None:
            return self.lr
        return self.field.default_lr if isinstance(self.field, FieldSpec) else 1e-4

    def build_field(self) -> nn.Module:
        """The network at its start weights, which depend on the seed alone."""
        if not isinstance(self.field, FieldSpec):
            return self.field.to(self.device)
        generator = torch.Generator().manual_seed(self.seed)
        layout = self.signal.layout
        return self.field.build(layout.in_features, layout.out_features, generator).to(self.device)

    def settings(self) -> dict[str, Any]:
        """What a resume must match, as JSON."""
        return {
            "input": self.signal.name,
            "content": self.signal.fingerprint(),
            "field": FIELDS.text(self.field) if isinstance(self.field, FieldSpec) else type(self.field).__name__,
            "sampler": SAMPLERS.text(self.sampler),
            "optimizer": OPTIMIZERS.text(OPTIMIZERS.parse(self.optimizer)),
            "lr": self.rate,
            "lr_schedule": self.lr_schedule,
            "loss": self.loss,
            "total_steps": self.total_steps,
            "seed": self.seed,
        }


def make_job(
    source: Any,
    *,
    field: str | FieldSpec | nn.Module = "siren",
    sampler: str | Sampler = "nint",
    batch_share: float | None = None,
    optimizer: str = "adam",
    lr: float | None = None,
    lr_schedule: str = "constant",
    loss: str = "l2",
    total_steps: int = 5000,
    seed: int = 0,
    device: str | torch.device = "auto",
    chunk_size: int | None = None,
    **signal_options: Any,
) -> Job:
    """Reads the source and checks every setting; nothing is written and nothing is trained.

    Raises:
        UsageError: says what is wrong and what would be right.
    """
    chosen: Sampler = SAMPLERS.parse(sampler)
    if batch_share is not None:
        if not isinstance(chosen, BatchSampler):
            raise UsageError(f"Sampler '{SAMPLERS.name_of(chosen)}' has no batch share; leave --batch-share out or choose another sampler.")
        chosen = dataclasses.replace(chosen, batch_share=batch_share)
    return Job(
        signal=open_signal(source, **signal_options),
        field=FIELDS.parse(field) if isinstance(field, (str, type)) else field,
        sampler=chosen,
        optimizer=optimizer,
        lr=lr,
        lr_schedule=lr_schedule,
        loss=loss,
        total_steps=total_steps,
        seed=seed,
        device=resolve_device(device) if isinstance(device, str) else device,
        chunk_size=chunk_size,
    )


def build_run(job: Job, budget: Budget, init: str | Path | None = None, interrupted: Callable[[], bool] = lambda: False) -> Run:
    """A run at step 0.

    Args:
        job: What to run.
        budget: When to stop.
        init: A model whose weights to start from.
        interrupted: Asked after each step; true stops the run.
    """
    field = job.build_field()
    if init is not None:
        _start_from(field, Path(init))
    pool = job.signal.pool(job.device)
    teacher = Teacher(
        field,
        pool.coords,
        pool.values,
        job.sampler,
        total_steps=job.total_steps,
        seed=job.seed,
        grid=pool.grid,
        loss=job.loss,
        chunk_size=job.chunk_size,
        value_range=pool.value_range,
    )
    optimizer = OPTIMIZERS.parse(job.optimizer).build([p for p in field.parameters() if p.requires_grad], job.rate)
    return Run(
        field=field,
        teacher=teacher,
        optimizer=optimizer,
        rate=lambda step: schedules.learning_rate(job.lr_schedule, job.rate, step, job.total_steps),
        signal=job.signal,
        budget=budget,
        clock=Clock(job.device),
        seed=job.seed,
        interrupted=interrupted,
    )


def _start_from(field: nn.Module, path: Path) -> None:
    donor = Fit.load(path).state_dict()
    own = field.state_dict()
    if {k: v.shape for k, v in donor.items()} != {k: v.shape for k, v in own.items()}:
        raise UsageError(f"{path} holds a network of another shape; give the same --field and --size, and a signal with as many channels.")
    field.load_state_dict(donor)


def fit(
    source: Any,
    *,
    budget: Budget | int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    init: str | Path | None = None,
    eval_every: int | None = None,
    snapshots: bool = True,
    monitors: Sequence[Monitor] = (),
    **settings: Any,
) -> Fit:
    """Fits a coordinate network to a signal, choosing at each step which coordinates to train on.

    Args:
        source: A path, "sample:NAME", an array `[h, w]` or `[h, w, c]`, a PIL image or a `Signal`.
        budget: When to stop, or a number of steps; None runs `total_steps`.
        out: Folder for the model, checkpoint, record and snapshots; None writes nothing.
        resume: Go on with the run in `out`.
        force: Replace the run in `out`.
        init: A model to start from.
        eval_every: Steps between evaluations; None spreads about fifty over the run.
        snapshots: Record selections and reconstructions in `out`.
        monitors: Further monitors.
        **settings: Those of `make_job`: field, sampler, batch_share, optimizer, lr, lr_schedule, loss, total_steps, seed,
            device, chunk_size, max_side.

    Returns:
        The fitted signal; its `record` tells what was done.

    Raises:
        UsageError: for bad input, before anything is written.
        DivergedError: if training blows up; the last good checkpoint stays in `out`.
    """
    job = make_job(source, **settings)
    budget = Budget(steps=budget) if isinstance(budget, int) else budget or Budget()
    return run_job(
        job, budget, out=out, resume=resume, force=force, init=init, eval_every=eval_every, snapshots=snapshots, monitors=monitors
    )


def run_job(
    job: Job,
    budget: Budget,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    init: str | Path | None = None,
    eval_every: int | None = None,
    snapshots: bool = True,
    monitors: Sequence[Monitor] = (),
    interrupted: Callable[[], bool] = lambda: False,
) -> Fit:
    """Runs a job; see `fit`."""
    run = build_run(job, budget, None if resume else init, interrupted)
    spec = job.field if isinstance(job.field, FieldSpec) else None
    result = Fit(run.field, spec, job.signal.layout)
    folder = None if out is None else Path(out)
    settings = job.settings() | {"init": None if init is None else str(init)}
    watchers: list[Monitor] = [Evaluate(eval_every or max(min(budget.expected_steps(job.total_steps) // 50, 100), 1))]
    if folder is not None:
        claim(folder, resume=resume, force=force)
        if resume:
            restore(folder / CHECKPOINT, run, settings)
        if snapshots:
            watchers.append(Snapshots(folder / SNAPSHOTS))
        watchers.append(Checkpoint(folder / CHECKPOINT, result, settings))
    elif resume:
        raise UsageError("Resuming needs the folder of the run; give --out.")
    run.field.train()
    try:
        reason = train(run, [*watchers, *monitors])
    except DivergedError as error:
        kept = folder / CHECKPOINT if folder is not None and (folder / CHECKPOINT).exists() else None
        raise DivergedError(error.step, error.reason, None if kept is None else str(kept)) from None
    run.field.eval()
    result.metrics = {name: run.curve[-1][name] for name in job.signal.metrics if name in run.curve[-1]}
    result.record = record_of(job, run, settings, reason)
    if folder is not None:
        result.save(folder / MODEL)
        write_json(folder / RECORD, result.record)
    return result


def record_of(job: Job, run: Run, settings: dict[str, Any], reason: str) -> dict[str, Any]:
    """The JSON record of a run."""
    chosen = run.teacher.cost
    return {
        "settings": settings,
        "budget": dataclasses.asdict(run.budget),
        "stopped": reason,
        "versions": {"nint": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"device": str(job.device), "name": device_name(job.device), "system": platform.platform()},
        "threads": torch.get_num_threads(),
        "chunk_size": run.teacher.probe.chunk_size,
        "matmul": matmul_backend(job.device),
        "parameters": sum(p.numel() for p in run.field.parameters()),
        "points": len(run.teacher.probe),
        **{name: run.curve[-1][name] for name in job.signal.metrics if name in run.curve[-1]},
        "steps": run.step,
        "training_seconds": run.clock.training_s,
        "selection_seconds": run.clock.selection_s,
        "points_forwarded": run.cost.forward + chosen.forward,
        "points_backwarded": run.cost.backward + chosen.backward,
        "points_in_jvps": run.cost.jvp + chosen.jvp,
        "units": run.units,
        "peak_memory_bytes": peak_memory_bytes(job.device),
        "curve": run.curve,
    }
