"""Running what a store does not hold yet: interleaved in this process, or as independent jobs of worker processes or a cluster."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Callable, Iterable
from typing import Any

from nint.bench.inputs import content_of
from nint.bench.interleaved import sentence
from nint.bench.runs import RunSpec, merged
from nint.bench.store import Store
from nint.bench.work import Progress, failure, run_group, unpack, work
from nint.errors import UsageError
from nint.runs.contents import MODEL
from nint.work.tasks import DEATHS, Task, Workers, run_tasks, workers_of


def run_all(
    specs: Iterable[RunSpec],
    store: Store,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    threads: int | None = None,
    command: str = "",
    experiment: str = "bench",
    progress: Progress = lambda done, what: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> None:
    """Runs what the store does not hold, writing each run into it as it ends. A run that failed is there with its error.

    Args:
        specs: The runs.
        store: Where they go.
        workers: 1: the runs of a group take turns in this process, which then compares their times fairly. More: processes, a run each.
        scheduler: Address of a Dask scheduler whose workers run them instead.
        threads: CPU threads of each run that does not say its own; None leaves this process as it is, and gives each of several
            processes its part of the cores (one core, on a cluster).
        command: For the records.
        experiment: For the records: "bench" or "compare".
        progress: Told how many of the missing runs are finished, and what is running.
        interrupted: Asked every block of steps; true stops; a run under way that took longer than a minute goes on at the next launch.

    Raises:
        UsageError: for budgets of seconds where runs would share cores, inputs that have changed, or a cluster that cannot be used.
    """
    wanted = missing(specs, store)
    check_parallel(wanted, workers, scheduler)
    if not wanted or interrupted():
        return
    facts = {"command": command, "experiment": experiment, "launch": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}
    if workers == 1 and scheduler is None:
        _run_here(wanted, store, threads, facts, progress, interrupted)
        return
    pool = workers_of(min(workers, len(wanted)), scheduler, threads)
    try:
        _run_on(pool, wanted, store, facts, progress, interrupted)
    finally:
        pool.close()


def missing(specs: Iterable[RunSpec], store: Store) -> list[RunSpec]:
    """The runs that the store does not hold, each once: never run, failed, not evaluated or not kept where they are to be.

    Raises:
        UsageError: where a finished run was made from another file of the same name.
    """
    found, records = [], store.records()
    for spec in merged(specs):
        record = records.get(spec.key)
        kept = not spec.keep or (store.place(spec.key) / MODEL).exists()
        if record is None or record.get("error") is not None or not kept or not spec.evaluated(record["curve"]):
            found.append(spec)
            continue
        now, then = content_of(spec.input), record.get("input_content")
        if now is not None and then is not None and now != then:
            raise UsageError(f"{spec.input} is not the file that the runs in {store.folder} were made from; choose another --out.")
    return found


def check_parallel(specs: Iterable[RunSpec], workers: int, scheduler: str | None) -> None:
    """Refuses what cannot run side by side.

    Raises:
        UsageError: for less than one worker, two kinds of them, or budgets of seconds.
    """
    if workers < 1:
        raise UsageError(f"--workers {workers} must be at least 1.")
    if workers > 1 and scheduler is not None:
        raise UsageError("--workers starts processes here and --scheduler uses those of a cluster; give one of them.")
    alone = workers == 1 and scheduler is None
    if not alone and any(spec.seconds is not None for spec in specs):
        option = "--scheduler" if scheduler is not None else f"--workers {workers}"
        raise UsageError(
            f"{option} is for budgets of steps: runs with a budget of seconds would share cores and memory and so time each other; "
            "run those one after another, without it."
        )


def _run_here(
    specs: list[RunSpec],
    store: Store,
    threads: int | None,
    facts: dict[str, Any],
    progress: Progress,
    interrupted: Callable[[], bool],
) -> None:
    import torch

    groups: dict[str, list[RunSpec]] = {}
    for spec in specs:
        groups.setdefault(spec.group or f"alone/{spec.key}", []).append(spec)
    done = 0
    warm: set[Any] = set()
    before = torch.get_num_threads()
    try:
        for group in groups.values():
            torch.set_num_threads(group[0].threads or threads or before)
            tell = functools.partial(_told, progress, done)
            for record in run_group(group, store.place, warm, facts=facts, logs=store.folder, progress=tell, interrupted=interrupted):
                store.append(record)
            if interrupted():
                return
            done += len(group)
    finally:
        torch.set_num_threads(before)


def _told(progress: Progress, before: int, part: float, what: str) -> None:
    progress(before + part, what)


def _run_on(
    pool: Workers,
    specs: list[RunSpec],
    store: Store,
    facts: dict[str, Any],
    progress: Progress,
    interrupted: Callable[[], bool],
) -> None:
    by_key = {spec.key: spec for spec in specs}

    def task(spec: RunSpec) -> Task:
        place = str(store.place(spec.key)) if pool.shares_files else None
        return Task(spec.key, (spec.to_json(),), {"place": place, "facts": facts})

    def finished(task: Task, outcome: dict[str, Any] | None) -> None:
        if outcome is not None:
            unpack(outcome["files"], store.place(task.key))
            store.append(outcome["record"])

    def failed(task: Task, error: Exception | None) -> tuple[Task, ...]:
        died = f"its worker process died {DEATHS} times, most likely because it ran out of memory"
        store.append(failure(by_key[task.key], died if error is None else sentence(error), facts))
        return ()

    run_tasks(pool, work, map(task, specs), finished=finished, failed=failed, progress=progress, interrupted=interrupted)
