"""`nint.fit`: one call from a file or array to a model of it. The job is read in runs/job.py, the loop is in training/engine.py."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

import torch
from torch import Tensor

from nint.arguments import place, switch
from nint.errors import DivergedError, UsageError, what_is
from nint.fields import FieldSpec
from nint.files import write_json
from nint.machine.fork import refuse_after_fork
from nint.machine.grad_mode import gradients_enabled
from nint.monitors.checkpoint import Checkpoint
from nint.monitors.evaluate import Evaluate
from nint.monitors.paced import PacedEvaluation
from nint.monitors.snapshots import Snapshots
from nint.packing.codecs import sizes_of
from nint.packing.finetune import FineTuning
from nint.runs.build import build_run
from nint.runs.checkpoint import restore, threads_of
from nint.runs.contents import CHECKPOINT, FIT, MODEL, PACKED, RECORD, SNAPSHOT_FILES, SNAPSHOTS, of_fit
from nint.runs.folder import OutputFolder
from nint.runs.job import Job, read_job
from nint.runs.model import Fit, round_to_half
from nint.runs.options import FitKeywords, FitSettings
from nint.runs.record import record_of
from nint.runs.restarts import restarted, start_weights
from nint.runs.start import check_start
from nint.runs.threads import Threads, given, measured
from nint.settings import whole
from nint.training.budgets import Budget
from nint.training.engine import Monitor, Run, train

_OWN = ("recipe", "budget", "out", "resume", "force", "init", "eval_every", "snapshots", "half", "monitors")
"""Arguments of `fit` itself, one of which a misspelt setting may have meant."""
SNAPSHOT_SHARE = 0.05
"""Most of the time of a run that its snapshots take."""

_MOST_TUNING = 2000
"""Fine-tuning steps of a packed model where a budget of seconds leaves time for more."""

_START_SHARE = 0.2
"""Most of a budget of seconds that a slow start takes from training."""


@gradients_enabled()
def fit(
    source: Any,
    *,
    recipe: str = "default",
    budget: Budget | int | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    init: str | Path | None = None,
    eval_every: int | None = None,
    snapshots: bool = True,
    half: bool = False,
    monitors: Sequence[Monitor] = (),
    **settings: Unpack[FitKeywords],
) -> Fit:
    """Fits a coordinate network to a signal, choosing at each step which coordinates to train on.

    Args:
        source: A path, "sample:NAME", an array `[h, w]` or `[h, w, c]`, a PIL image or a `Signal`.
        recipe: Source of the settings that are left out: "default", the fastest way to a good fit that was measured, or "paper".
        budget: When to stop, or a number of steps; None runs `total_steps`.
        out: Folder for the model, checkpoint, record and snapshots; None writes nothing.
        resume: Go on with the run in `out`.
        force: Replace the run in `out`.
        init: A model to start from.
        eval_every: Steps between full evaluations; None spreads about fifty over the run, estimates where they would take more than a
            tenth of it (`nint.monitors.paced`).
        snapshots: Record selections and reconstructions in `out`.
        half: Store the model in half precision; its metrics are then those of the rounded weights.
        monitors: Further monitors.
        **settings: Those of `nint.runs.options.FitSettings`: field, sampler, batch_share, batch_size, optimizer, lr, lr_schedule,
            warm_up, loss, total_steps, seed, device, chunk_size, score_precision, compile, max_kilobytes (with `out`), and the
            options of the signal's kind (images: max_side).

    Returns:
        The fitted signal; its `record` tells what was done.

    Raises:
        UsageError: for bad input or an unknown setting, before anything is written.
        DivergedError: if training blows up, under the default recipe at each of four learning rates; the last good checkpoint stays
            in `out`.
    """
    refuse_after_fork()
    budget = Budget.of(budget)
    job = read_job(source, FitSettings.of(settings, recipe=recipe, caller="nint.fit", others=_OWN), budget)
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


def threads_for(job: Job, budget: Budget, resumed: Path | None = None, trial: Run | None = None) -> Threads:
    """The threads of a run for which none are named.

    Args:
        job: What will run.
        budget: When it stops.
        resumed: Folder of a run to go on with, whose number is taken again.
        trial: A run of the job that may be used up; one is built where it is None.

    Cost: about a second where they are measured.
    """
    before = None if resumed is None else threads_of(resumed / CHECKPOINT)
    if before is not None:
        return given(before)
    if trial is not None:
        return measured(trial)
    if isinstance(job.field, FieldSpec):
        return measured(build_run(job, budget))
    try:
        copied = copy.deepcopy(job.field)  # of the user's own module not a bit may move
    except Exception:  # what cannot be copied
        return Threads(torch.get_num_threads())
    return measured(build_run(dataclasses.replace(job, field=copied), budget))


def run_job(
    job: Job,
    budget: Budget,
    *,
    out: str | Path | OutputFolder | None = None,
    resume: bool = False,
    force: bool = False,
    init: str | Path | None = None,
    eval_every: int | None = None,
    snapshots: bool = True,
    half: bool = False,
    monitors: Sequence[Monitor] = (),
    threads: Threads | None = None,
    already_s: float = 0.0,
    packing_s: float | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    restarting: Callable[[dict[str, Any]], None] = lambda restart: None,
) -> Fit:
    """Runs a job.

    Args:
        job: What to run.
        budget: When to stop; its seconds are those of wall time.
        out: As for `fit`, or a folder that is open already.
        resume: As for `fit`.
        force: As for `fit`.
        init: As for `fit`.
        eval_every: As for `fit`.
        snapshots: As for `fit`.
        half: As for `fit`.
        monitors: As for `fit`.
        threads: CPU threads; read from the checkpoint of a resumed run, else measured, where None.
        already_s: Seconds of the budget that have passed before.
        packing_s: Seconds of fine-tuning where the job packs its model; None goes by steps.
        interrupted: Asked after each step; true stops the run.
        restarting: Called with each try that has diverged, before the next one starts.

    Raises:
        UsageError: for a folder that cannot be used, before anything is written.
        DivergedError: as `fit`.
    """
    if eval_every is not None:
        whole(eval_every, "eval_every")
    resume, force, snapshots, half = (
        switch(value, label) for value, label in ((resume, "resume"), (force, "force"), (snapshots, "snapshots"), (half, "half"))
    )
    init = None if init is None else str(place(init, "init"))
    wrong = [one for one in monitors if not isinstance(one, Monitor)] if isinstance(monitors, Iterable) else [monitors]
    if wrong:
        raise UsageError(f"monitors= must hold monitors (nint.monitors); {what_is(wrong[0])} is none.")
    if out is None and resume:
        raise UsageError("Resuming needs the folder of the run; give --out.")
    with contextlib.ExitStack() as stack:
        folder = None if out is None else _opened(out, stack, job, init, snapshots)
        resuming = folder is not None and check_start(folder, resume=resume, force=force)
        if threads is None:
            threads = threads_for(job, budget, folder.path if folder is not None and resuming else None)
        run = build_run(job, budget, None if resuming else init, interrupted)
        threads.give_to(run)
        run.by_wall = True
        run.clock.wall_s = already_s if budget.seconds is None else min(already_s, _START_SHARE * budget.seconds)
        settings, start = job.settings(), start_weights(run.field)
        if folder is not None and resuming:
            restore(folder / CHECKPOINT, run, settings, init)
            init = run.init
        elif folder is not None:
            folder.clear()  # now that the new run is ready to start
        spec = job.field if isinstance(job.field, FieldSpec) else None
        while True:
            result = Fit(run.field, spec, job.signal.layout)
            watchers: list[Monitor] = [PacedEvaluation() if eval_every is None else Evaluate(eval_every)]
            if folder is not None:
                watchers += [Snapshots(folder / SNAPSHOTS, SNAPSHOT_SHARE)] if snapshots else []
                watchers.append(Checkpoint(folder / CHECKPOINT, result, settings))
            run.field.train()
            try:
                reason = train(run, [*watchers, *monitors])
                break
            except DivergedError as error:
                run = _again(job, run, error, start, init, folder)
                restarting(run.restarts[-1])
        run.field.eval()
        result.metrics = {name: run.curve[-1][name] for name in job.signal.metrics if name in run.curve[-1]}
        said = {"init": run.init, "half": half, "restarts": run.restarts}
        result.record = record_of(job, run, settings, reason) | said
        if half:
            round_to_half(run.field)
            result.metrics = job.signal.evaluate(result.predict)
            result.record |= result.metrics
        if folder is not None:
            _write(result, folder, half)  # before anything else, so that nothing can cost the model
            result.record["sizes"] = sizes_of(job.signal, result.metrics, job.source)
            _write(result, folder, half)
            if job.max_kilobytes is not None and reason != "interrupted":
                result.record["packed"] = _packed(job, result, folder / PACKED, packing_s)
                _write(result, folder, half)  # again, with what the record now says
    return result


def _write(result: Fit, folder: OutputFolder, half: bool) -> None:
    result.save(folder / MODEL, half=half)
    write_json(folder / RECORD, result.record)


def _packed(job: Job, result: Fit, path: Path, seconds: float | None) -> dict[str, Any]:
    """Writes the packed model beside the other; what the record says of it."""
    tuning = FineTuning() if seconds is None else FineTuning(steps=_MOST_TUNING, seconds=seconds)
    packed = result.pack(path, max_kilobytes=job.max_kilobytes, signal=job.signal, tuning=tuning)
    told: dict[str, Any] = packed.record["packing"]
    return {"bytes": path.stat().st_size, "sizes": packed.record["sizes"], **told, **packed.metrics}


def _opened(
    out: str | Path | OutputFolder, stack: contextlib.ExitStack, job: Job, init: str | Path | None, snapshots: bool
) -> OutputFolder:
    """The output folder, open until the stack unwinds where it was not open before."""
    if isinstance(out, OutputFolder):
        return out
    names = of_fit(pictures=False, report=False, log=False, snapshots=snapshots, packed=job.max_kilobytes is not None)
    return stack.enter_context(OutputFolder(out, FIT, names, (job.source, init)))


def _again(job: Job, run: Run, error: DivergedError, start: dict[str, Tensor], init: str | Path | None, folder: OutputFolder | None) -> Run:
    """The next try; the snapshots of the failed one are removed, its checkpoint is replaced by the first of the next.

    Raises:
        DivergedError: where there is no next try.
    """
    try:
        again = restarted(job, run, error, start, init)
    except DivergedError as last:
        kept = folder / CHECKPOINT if folder is not None and (folder / CHECKPOINT).exists() else None
        raise DivergedError(last.step, last.reason, None if kept is None else str(kept)) from None
    if folder is not None:
        folder.remove(SNAPSHOT_FILES)
    return again
