"""Batches of signals to this process or to workers, and what has become of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nint.errors import sentence
from nint.many.batch import Fitted, Order, fit_batch
from nint.many.items import Item
from nint.many.plan import full_batches
from nint.many.writer import Writer
from nint.runs.threads import Threads
from nint.work.tasks import DEATHS, Task, run_tasks, workers_of

Progress = Callable[[float, str], None]
"""(signals settled so far, of those that were not there; what happens)."""


@dataclass
class Report:
    """What a call has done.

    Attributes:
        wanted: Signals that were named.
        before: Of these, fitted by earlier calls.
        fitted: Fitted by this one.
        failed: (id, error) of the others that were tried.
        notes: (id, sentence) of what was guessed, repaired or left out of those fitted by this one.
        mended: Sentences on what an interrupted call had left damaged.
        interrupted: Whether it was stopped.
    """

    wanted: int = 0
    before: int = 0
    fitted: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    interrupted: bool = False


def worker_count(workers: int | None, missing: list[list[Item]], order: Order, scheduler: str | None) -> int:
    """Processes for these batches; of None one a core where batches are worth it and the budget is not one of seconds."""
    if workers is None:
        if order.budget.seconds is not None or scheduler is not None:
            return 1
        worth = math.ceil(sum(full_batches(batch, order.asked, order.budget) for batch in missing))
        workers = min(os.cpu_count() or 1, worth)
    return max(min(workers, len(missing)), 1)


def dispatch(
    missing: list[list[Item]],
    order: Order,
    writer: Writer,
    report: Report,
    workers: int,
    scheduler: str | None,
    threads: int | None,
    progress: Progress,
    interrupted: Callable[[], bool],
) -> None:
    """Fits batches here or on workers, and writes and reports what ends.

    Args:
        missing: Batches of signals that the dataset does not hold.
        order: How.
        writer: Of the dataset.
        report: Gets what is fitted and failed.
        workers: Processes; 1 is this one, unless there is a scheduler.
        scheduler: As for `fit_all`; so are `threads`.
        threads: As there.
        progress: Told how many signals are settled.
        interrupted: Asked after each step; true stops, and the batches under way are lost.
    """
    settled = 0

    def add(outcomes: list[Fitted]) -> None:
        nonlocal settled
        writer.add(outcomes)
        settled += len(outcomes)
        report.fitted += sum(not one.error for one in outcomes)
        report.notes += [(one.id, said) for one in outcomes for said in one.row.get("notes", ())]
        report.failed += [(one.id, one.error) for one in outcomes if one.error]
        progress(settled, f"{len(report.failed):,} failed" if report.failed else "")

    if not missing or interrupted():
        return
    if workers == 1 and scheduler is None:
        measured: dict[Any, Threads] = {}
        for batch in missing:
            outcomes = fit_batch(batch, order, threads=threads, stack_threads=threads or 1, interrupted=interrupted, measured=measured)
            if outcomes is None:
                return
            add(outcomes)
        return

    def finished(task: Task, outcomes: list[Fitted] | None) -> None:
        if outcomes is not None:
            add(outcomes)

    def failed(task: Task, error: Exception | None) -> Iterator[Task]:
        batch: list[Item] = task.arguments[0]
        if error is None and len(batch) > 1:  # one of them takes its worker with it; the others are innocent
            yield from (_task([item], order, threads) for item in batch)
            return
        words = f"its worker process died {DEATHS} times, most likely because it ran out of memory" if error is None else sentence(error)
        add([Fitted(item.id, item.source, words) for item in batch])

    pool = workers_of(workers, scheduler, threads)
    try:
        tasks = (_task(batch, order, threads) for batch in missing)
        run_tasks(
            pool,
            fit_batch,
            tasks,
            finished=finished,
            failed=failed,
            progress=lambda done, what: progress(settled, what),
            interrupted=interrupted,
        )
    finally:
        pool.close()


def _task(batch: list[Item], order: Order, threads: int | None) -> Task:
    return Task(f"{batch[0].id} and {len(batch) - 1} more", (batch, order), {"stack_threads": threads or 1})
