"""`nint.fit`: one call from a file or array to a model of it. The job is read in job.py, the loop is in engine.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nint.budgets import Budget
from nint.build import build_run
from nint.checkpoint import CHECKPOINT, MODEL, restore
from nint.engine import Monitor, train
from nint.errors import DivergedError, UsageError
from nint.fields import FieldSpec
from nint.files import write_json
from nint.fitted import Fit, round_to_half
from nint.job import Job, make_job
from nint.monitors.checkpoint import Checkpoint
from nint.monitors.evaluate import Evaluate
from nint.monitors.snapshots import Snapshots
from nint.record import record_of
from nint.rundir import claim

RECORD = "run.json"
SNAPSHOTS = "snapshots"


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
    half: bool = False,
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
        half: Store the model in half precision; its metrics are then those of the rounded weights.
        monitors: Further monitors.
        **settings: Those of `make_job`: field, sampler, batch_share, batch_size, optimizer, lr, lr_schedule, loss,
            total_steps, seed, device, chunk_size, and the options of the signal's kind (images: max_side).

    Returns:
        The fitted signal; its `record` tells what was done.

    Raises:
        UsageError: for bad input, before anything is written.
        DivergedError: if training blows up; the last good checkpoint stays in `out`.
    """
    job = make_job(source, **settings)
    budget = Budget(steps=budget) if isinstance(budget, int) else budget or Budget()
    return run_job(
        job,
        budget,
        out=out,
        resume=resume,
        force=force,
        init=init,
        eval_every=eval_every,
        snapshots=snapshots,
        half=half,
        monitors=monitors,
    )


def default_eval_every(budget: Budget, total_steps: int) -> int:
    """Steps between evaluations where nothing else is asked: about fifty over the run, at most 100 apart."""
    return max(min(budget.expected_steps(total_steps) // 50, 100), 1)


def _evaluations(job: Job, budget: Budget, eval_every: int | None) -> Evaluate:
    every_s = budget.seconds / 50 if budget.seconds is not None and eval_every is None else None
    return Evaluate(eval_every or default_eval_every(budget, job.total_steps), every_s=every_s)


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
    half: bool = False,
    monitors: Sequence[Monitor] = (),
    interrupted: Callable[[], bool] = lambda: False,
) -> Fit:
    """Runs a job; see `fit`."""
    run = build_run(job, budget, None if resume else init, interrupted)
    spec = job.field if isinstance(job.field, FieldSpec) else None
    result = Fit(run.field, spec, job.signal.layout)
    folder = None if out is None else Path(out)
    settings = job.settings()
    watchers: list[Monitor] = [_evaluations(job, budget, eval_every)]
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
    result.record = record_of(job, run, settings, reason) | {"init": None if init is None else str(init), "half": half}
    if half:
        round_to_half(run.field)
        result.metrics = job.signal.evaluate(result.predict)
        result.record |= result.metrics
    if folder is not None:
        result.save(folder / MODEL, half=half)
        write_json(folder / RECORD, result.record)
    return result
