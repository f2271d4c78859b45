"""What a run is about to do, in a few lines, before it does it."""

from __future__ import annotations

from pathlib import Path

from nint.cli.estimate import Speed, measure, measured_points, memory_for, points_of, seconds_for, steps_in, steps_to_go
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
    """Prints what was chosen, what the sampler has to say, and about how much time and memory it will take.

    Args:
        show: Where to.
        job: What will run.
        trial: A run of it at its first step, which is used up by measuring.
        budget: When it stops.
        folder: Where its files go.
        every: Steps between full evaluations; None leaves it to their share of the time.
        notes: Further sentences.
    """
    sampler, probe, optimizer = job.sampler, trial.teacher.probe, OPTIMIZERS.parse(job.optimizer)
    parameters = sum(p.numel() for p in trial.field.parameters())
    papers = ("defaults", f"of {job.signal.layout.kind} signals: {job.signal.defaults.source}")
    defaults = [papers] if job.recipe == "paper" else []  # a recipe of its own says itself what it chose
    speed = measure(trial)
    start = f", goes on after step {trial.step:,}" if trial.step else ""
    show.facts(
        [
            ("signal", f"{job.signal.name}, {job.signal.layout.describe()}, {len(probe):,} points"),
            ("recipe", recipe_text(job)),
            ("field", f"{_field_text(job)}, {parameters:,} parameters"),
            ("sampler", every_setting(sampler, SAMPLERS.name_of(sampler))),
            ("batch", _batch_text(job, trial)),
            ("learning rate", f"{job.rate:g} {_course(job)}, {_rate_source(job)}"),
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
    """ "default: sampler=nint-fast, batch_share=0.02, ...", with what it chose, or "paper"."""
    if job.recipe == "paper":
        return "paper"
    chosen = ", ".join(f"{name}={value_text(value)}" for name, value in job.chosen.items())
    return f"{job.recipe} chose {chosen or 'nothing, because everything is named'}"


def budget_text(budget: Budget, total_steps: int, by_clock: bool = False) -> str:
    """ "300 steps or 60 s, whichever comes first; schedules laid out for 5,000 steps".

    Args:
        budget: When the run stops.
        total_steps: What schedules read.
        by_clock: Whether the learning rate follows the seconds of the budget.
    """
    limits = [f"{budget.psnr:g} dB"] if budget.psnr is not None else []
    steps = budget.steps if budget.steps is not None or budget.seconds is not None else total_steps
    limits += [f"{steps:,} steps"] if steps is not None else []
    limits += [f"{budget.seconds:g} s"] if budget.seconds is not None else []
    joined = limits[0] if len(limits) == 1 else f"{', '.join(limits[:-1])} or {limits[-1]}, whichever comes first"
    if by_clock and budget.seconds is not None:
        return f"{joined}; the learning rate is laid out for them"
    return joined if steps == total_steps else f"{joined}; schedules are laid out for {total_steps:,} steps"


def _field_text(job: Job) -> str:
    return every_setting(job.field, FIELDS.name_of(job.field)) if isinstance(job.field, FieldSpec) else type(job.field).__name__


def _batch_text(job: Job, trial: Run) -> str:
    # the least of a few steps: now and then a sampler takes all points to look around
    counts = [min(points_of(trial, step + ahead) for ahead in range(3)) for step in (trial.step, job.total_steps)]
    if counts[0] == counts[1]:
        return f"{counts[0]:,} points a step"
    return f"{counts[0]:,} points a step, growing to {counts[1]:,}"


def _course(job: Job) -> str:
    return f"{job.lr_schedule} after a rise over {job.warm_up:.3g} of the run" if job.warm_up else job.lr_schedule


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
    return (
        f"Only about {steps:,} steps fit into {budget.seconds:g} s here, and a good fit takes some hundreds; more --seconds, a smaller "
        "--max-side or a smaller --size help.",
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
        measuring = f"evaluation takes at most {SHARE:.0%} of it, and one of everything at the end"
    else:
        measuring = f"{duration((steps // every + 1) * measured_points(trial) * speed.forward)} of evaluation"
    return f"{most} {duration(training)} ({steps:,} steps); {measuring}; about {memory(memory_for(trial))} of memory"
