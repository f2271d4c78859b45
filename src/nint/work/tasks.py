"""Running tasks on workers: as many at a time as there are workers, those of a worker that has died again, each outcome as it comes."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from nint.errors import UsageError

_POLL_S = 0.2
DEATHS = 3
"""Worker processes that one task may take with it; all but the first of them run nothing else meanwhile."""


class Workers(Protocol):
    """Where tasks run: a pool of processes or a cluster."""

    slots: int
    died: tuple[type[BaseException], ...]
    shares_files: bool

    def submit(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Future[Any]:
        """Starts `function(*arguments, threads=..., interrupted=..., **options)` on a worker; a cluster leaves `interrupted` out.

        Function, arguments and result travel by pickle. `interrupted` is a function that says whether to stop.
        """

    def close(self) -> None:
        """Ends the tasks under way; what they have done is lost."""


@dataclass(frozen=True)
class Task:
    """One call.

    Attributes:
        key: Its name, unlike that of any other.
        arguments: Of the function.
        options: Likewise.
    """

    key: str
    arguments: tuple[Any, ...]
    options: dict[str, Any] = field(default_factory=dict)


def workers_of(workers: int, scheduler: str | None, threads: int | None) -> Workers:
    """A pool of processes, or a cluster.

    Args:
        workers: Processes.
        scheduler: Address of a Dask scheduler whose workers are taken instead.
        threads: CPU threads of each; None gives each process its part of the cores (one core, on a cluster).

    Raises:
        UsageError: for a cluster that cannot be used.
    """
    if scheduler is not None:
        from nint.work.dask_cluster import DaskCluster

        return DaskCluster(scheduler, threads or 1)

    from nint.work.pool import ProcessPool

    return ProcessPool(workers, threads or max((os.cpu_count() or 1) // workers, 1))


def run_tasks(
    pool: Workers,
    function: Callable[..., Any],
    tasks: Iterable[Task],
    *,
    finished: Callable[[Task, Any], None],
    failed: Callable[[Task, Exception | None], Iterable[Task]],
    progress: Callable[[float, str], None] = lambda done, what: None,
    interrupted: Callable[[], bool] = lambda: False,
) -> None:
    """Runs every task once, in order as far as workers are free.

    A task whose worker died runs again, alone with others that were never there when one died; after `DEATHS` deaths it has failed.

    Args:
        pool: The workers.
        function: What a task calls.
        tasks: Taken one by one as workers become free.
        finished: Told each result, in this thread.
        failed: Told a task that raised, with its error, or None where it was given up for the workers that died with it; what it returns is
            run instead.
        progress: Told how many tasks are settled, and how many run.
        interrupted: Asked several times a second; true stops, and what is under way is lost.

    Raises:
        UsageError: where a cluster drops the tasks.
    """
    coming: Iterator[Task] = iter(tasks)
    again: deque[Task] = deque()
    flying: dict[Future[Any], Task] = {}
    deaths: Counter[str] = Counter()
    settled = 0

    def next_task() -> Task | None:
        return again[0] if again else _peeked(coming, again)

    while (task := next_task()) is not None or flying:
        if interrupted():
            return
        # A task that was there when a worker died runs alone from then on, so that it cannot take others with it again.
        while task is not None and len(flying) < pool.slots and not (flying and any(deaths[one.key] for one in (task, *flying.values()))):
            again.popleft()
            flying[pool.submit(function, *task.arguments, **task.options)] = task
            task = next_task()
        progress(settled, f"{len(flying)} at a time")
        done, _ = wait(flying, timeout=_POLL_S, return_when=FIRST_COMPLETED)
        for future in done:
            task = flying.pop(future)
            try:
                outcome = future.result()
            except pool.died:
                deaths[task.key] += 1
                if deaths[task.key] < DEATHS:
                    again.appendleft(task)
                else:
                    settled += 1
                    again.extend(failed(task, None))
                continue
            except CancelledError:
                raise UsageError("The cluster has dropped the runs; finished ones are kept, and the same command goes on.") from None
            except Exception as error:
                settled += 1
                again.extend(failed(task, error))
                continue
            settled += 1
            finished(task, outcome)
    progress(settled, "")


def _peeked(coming: Iterator[Task], into: deque[Task]) -> Task | None:
    """The next task, which is put first in line; None where there is none."""
    for task in coming:
        into.append(task)
        return task
    return None
