"""A progress bar with steps, quality, speed and time left. It is drawn between steps, while the training clock is stopped."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nint.cli.show import printable
from nint.monitors.base import BaseMonitor
from nint.report.words import metric, metric_label
from nint.training.engine import Run

_REDRAW_S = 0.1
_WINDOW_S = 10.0


class ProgressBar(BaseMonitor):
    """A progress bar on standard error, hidden where that is not a terminal. As a context it clears its line after an error.

    Args:
        console: A rich console; None is one on standard error.
        quiet: Draw nothing.
    """

    def __init__(self, console: Any = None, quiet: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = console or Console(stderr=True)
        columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False))
        shown = console.is_terminal and not quiet
        self._bar = Progress(*columns, console=console, auto_refresh=False, transient=True, disable=not shown) if shown else None
        self._task: Any = None
        self._drawn = 0.0
        self._seen: deque[tuple[float, int]] = deque()

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self, run: Run) -> None:
        """Begins a new bar for a run, replacing that of a run that diverged and starts again."""
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._seen = deque([(time.monotonic(), run.step)])
            self._task = self._bar.add_task(f"step {run.step:,}", total=1.0)
            self._draw(run)

    def after_step(self, run: Run) -> None:
        """Redraws the bar at most every 0.1 s."""
        if self._bar is not None and time.monotonic() - self._drawn >= _REDRAW_S:
            self._draw(run)

    def finish(self, run: Run, reason: str) -> None:
        """Draws the last state."""
        if self._bar is not None:
            self._draw(run)

    def _draw(self, run: Run) -> None:
        if self._bar is None:
            return
        now = time.monotonic()
        self._drawn = now
        self._seen.append((now, run.step))
        while now - self._seen[0][0] > _WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()
        since, first = self._seen[0]
        rate = (run.step - first) / (now - since) if now > since else 0.0
        self._bar.update(self._task, completed=run.done_part, description=describe(run, rate))
        self._bar.refresh()


def step_limit(run: Run) -> int | None:
    """The last step that the budget allows; None where only time limits it."""
    budget = run.budget
    return None if budget.steps is None and budget.seconds is not None else budget.expected_steps(run.teacher.total_steps)


def seconds_left(run: Run, rate: float) -> float | None:
    """Seconds of wall time until the first limit of the budget, at `rate` steps per second; None while that is unknown."""
    limit, seconds = step_limit(run), run.budget.seconds
    left = [(limit - run.step) / rate] if limit is not None and rate > 0 else []
    left += [seconds - run.spent_s] if seconds is not None else []
    return max(min(left), 0.0) if left else None


def describe(run: Run, rate: float) -> str:
    """The text of the bar, as in "step 120/300  PSNR 31.42 dB  5.2 steps/s  ETA 0:00:35"."""
    limit = step_limit(run)
    parts = [f"step {run.step:,}" + (f"/{limit:,}" if limit is not None else "")]
    name = run.signal.metrics[0]
    row = next((row for row in reversed(run.curve) if row.get(name) is not None), None)
    if row is not None:
        parts.append(f"{metric_label(name)} {metric(name, row[name])}")
    if rate > 0:
        parts.append(f"{rate:.1f} steps/s" if rate < 100 else f"{rate:.0f} steps/s")
    left = seconds_left(run, rate)
    if left is not None:
        hours, rest = divmod(round(left), 3600)
        bound = "ETA at most" if run.budget.psnr is not None else "ETA"
        parts.append(f"{bound} {hours}:{rest // 60:02}:{rest % 60:02}")
    return "  ".join(parts)


@contextmanager
def runs_bar(runs: int, what: str = "runs") -> Iterator[Callable[[float, str], None]]:
    """A progress bar of several runs on standard error, hidden where that is not a terminal.

    Args:
        runs: Number of runs.
        what: What the bar calls them.

    Yields:
        A function that sets the number of finished runs and the description of the current one.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        BarColumn(),
        TextColumn("{task.completed:.1f} of {task.total} " + what),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=runs)
        yield lambda done, what: bar.update(task, completed=done, description=printable(what))
