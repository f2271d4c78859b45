"""What a run is about to do, in a few lines, before it does it."""

from __future__ import annotations

from pathlib import Path

from nint.cli.estimate import Speed, evaluated_points, measure, memory_for, points_of, seconds_for, steps_in, steps_to_go
from nint.cli.show import Show
from nint.fields import FIELDS, FieldSpec
from nint.machine.devices import device_name
from nint.monitors.paced import SHARE
from nint.report.words import duration, every_setting, memory
from nint.runs.job import Job
from nint.samplers import SAMPLERS
from nint.settings import value_text
from nint.training.budgets import Budget
from nint.training.engine import Run
from nint.training.optimizers import OPTIMIZERS

FEW_STEPS = 300
"""Fewer steps rarely make a good fit."""


def announce(show: Show, job: Job, trial: Run, budget: Budget, folder: Path, every: int | None, notes: tuple[str, ...] = ()) -> None:
    """Prints the settings of a run, the remarks of signal and sampler, and estimates of time and memory.

    Args:
        show: Output.
        job: The job that will run.
        trial: A run of the job at its first step; timing it changes its weights, so it must be discarded afterwards.
        budget: Stopping rule.
        folder: Output folder of the run.
        every: Steps between full evaluations; None leaves it to their share of the time.
        notes: Further sentences.

    Cost: about a second for the timing.
    """
    sampler, probe, optimizer = job.sampler, trial.teacher.probe, OPTIMIZERS.parse(job.optimizer)
    parameters = sum(p.numel() for p in trial.field.parameters())
    source = ("defaults", f"of {job.signal.layout.kind} signals: {job.signal.defaults.source}")
    defaults = [source] if job.recipe == "paper" else []  # the other recipes list their own choices
    speed = measure(trial)
    start = f", continues after step {trial.step:,}" if trial.step else ""
    show.facts(
        [
            ("signal", f"{job.signal.name}, {job.signal.layout.describe()}, {len(probe):,} points"),
            ("recipe", recipe_text(job)),
            ("field", f"{_field_text(job)}, {parameters:,} parameters"),
            ("sampler", every_setting(sampler, SAMPLERS.name_of(sampler))),
            ("batch", _batch_text(job, trial)),
            ("learning rate", f"{job.rate:g} {_lr_schedule_text(job)}, {_rate_source(job)}"),
            ("optimizer", every_setting(optimizer, OPTIMIZERS.name_of(optimizer))),
            ("loss", job.loss),
            ("budget", f"{budget_text(budget, job.total_steps, job.by_clock)}; seed {job.seed}{start}"),
            ("device", f"{job.device} ({device_name(job.device)}), {_threads(trial)}, chunks of {probe.chunk_size:,} points"),
            *defaults,
            ("output", str(folder)),
            *(("note", said) for said in (*job.signal.report(), *job.notes, trial.teacher.sampler.note(probe), *notes)),
            *(("note", said) for said in _few_steps(trial, budget, speed)),
            ("estimate", _estimate(trial, budget, every, speed)),
        ]
    )


def recipe_text(job: Job) -> str:
    """The recipe and the settings that it chose, as in "default chose sampler=nint-fast, batch_share=0.02"; or "paper"."""
    if job.recipe == "paper":
        return "paper"
    chosen = ", ".join(f"{name}={value_text(value)}" for name, value in job.chosen.items())
    return f"{job.recipe} chose {chosen or 'nothing, because every setting was given'}"


def budget_text(budget: Budget, total_steps: int, by_clock: bool = False) -> str:
    """A budget in words, as in "300 steps or 60 s of training, whichever comes first; schedules are laid out for 5,000 steps".

    Args:
        budget: Stopping rule.
        total_steps: Steps along which schedules are laid out.
        by_clock: Whether the learning rate follows the elapsed fraction of the seconds of the budget.
    """
    limits = [f"{budget.psnr:g} dB"] if budget.psnr is not None else []
    steps = budget.steps if budget.steps is not None or budget.seconds is not None else total_steps
    limits += [f"{steps:,} steps"] if steps is not None else []
    limits += [f"{budget.seconds:g} s"] if budget.seconds is not None else []
    joined = limits[0] if len(limits) == 1 else f"{', '.join(limits[:-1])} or {limits[-1]}, whichever comes first"
    if by_clock and budget.seconds is not None:
        return f"{joined}; the learning rate decays over them"
    return joined if steps == total_steps else f"{joined}; schedules are laid out for {total_steps:,} steps"


def _field_text(job: Job) -> str:
    return every_setting(job.field, FIELDS.name_of(job.field)) if isinstance(job.field, FieldSpec) else type(job.field).__name__


def _batch_text(job: Job, trial: Run) -> str:
    # The smallest of a few steps: some samplers train on all points at some steps.
    counts = [min(points_of(trial, step + ahead) for ahead in range(3)) for step in (trial.step, job.total_steps)]
    if counts[0] == counts[1]:
        return f"{counts[0]:,} points a step"
    return f"{counts[0]:,} points a step, growing to {counts[1]:,}"


def _lr_schedule_text(job: Job) -> str:
    return f"{job.lr_schedule} after a warm-up over {job.warm_up:.3g} of the run" if job.warm_up else job.lr_schedule


def _rate_source(job: Job) -> str:
    if job.lr is not None:
        return job.rate_source
    source = job.field.lr_source if isinstance(job.field, FieldSpec) else ""
    return f"the network's own default ({source})" if source else "the network's own default"


def _threads(trial: Run) -> str:
    threads = trial.threads
    return f"{threads} thread{'s' if threads != 1 else ''}"


def _few_steps(trial: Run, budget: Budget, speed: Speed) -> tuple[str, ...]:
    """A sentence where a budget of seconds allows too few steps for a good fit, with what would help."""
    if budget.seconds is None:
        return ()
    steps = steps_in(trial, speed, (1 - SHARE) * max(budget.seconds - trial.clock.wall_s, 0.0)) + trial.step
    if steps >= FEW_STEPS or (budget.steps is not None and budget.steps <= steps):
        return ()
    fewer_points = "a smaller --max-side " if trial.signal.layout.kind in ("image", "video") else ""
    return (
        f"Only about {steps:,} steps fit into {budget.seconds:g} s here, and a good fit takes some hundreds; more --seconds, "
        f"{fewer_points}or a smaller --size help.",
    )


def _estimate(trial: Run, budget: Budget, every: int | None, speed: Speed) -> str:
    steps = steps_to_go(budget, trial.step, trial.teacher.total_steps)
    bounds = []
    if steps is not None:
        bounds.append((seconds_for(trial, speed, steps), steps))
    if budget.seconds is not None:
        left = max(budget.seconds - trial.clock.wall_s, 0.0)
        bounds.append((left, steps_in(trial, speed, (1 - SHARE) * left)))
    training, steps = min(bounds)
    most = "at most about" if budget.psnr is not None else "about"
    if every is None:
        evaluating = f"evaluation takes at most {SHARE:.0%} of it, and a full one at the end"
    else:
        evaluating = f"{duration((steps // every + 1) * evaluated_points(trial) * speed.forward)} of evaluation"
    return f"{most} {duration(training)} ({steps:,} steps); {evaluating}; about {memory(memory_for(trial))} of memory"
