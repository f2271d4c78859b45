"""How many CPU threads a run works with: measured on its own step, and looked at again when steps become slow.

Networks whose passes are written out share chunks of points out to workers, each with one thread inside; the number of workers changes no
bit of the result, so it may change while a run goes on. Other networks use PyTorch's threads inside each operation, which changes rounding:
there the number is chosen once and kept.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from nint.fields.written_out import written_out
from nint.machine.workers import workers

LIMIT_S = 1.0
"""Seconds that measuring takes, about."""

_CLEARLY = 0.95
"""What more threads must at least bring: their share of the time with fewer."""

_TURNS = 7
"""Of each number, at most: where steps are short these tell enough."""

_TURN_S, _REPEATS = 0.1, 10
"""Seconds, and calls at most, of each number's turn: workers that have just slept are slow to wake."""

_SLOW = 2.0
_WINDOW = 20
_TRIES = 6


def candidates(most: int | None = None) -> list[int]:
    """1, 2, 4, ... up to the processors that this process may use."""
    if most is None:
        most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = [1]
    while found[-1] * 2 <= most:
        found.append(found[-1] * 2)
    return found if found[-1] == most else [*found, most]


def shares_chunks(field: nn.Module) -> bool:
    """Whether the threads of a network's run are workers, whose number does not change the result."""
    return written_out(field) is not None


@contextmanager
def using(threads: int, field: nn.Module) -> Iterator[None]:
    """Within it, a network's run works with so many threads.

    Args:
        threads: At least 1.
        field: The network.
    """
    if shares_chunks(field):
        with workers(threads):
            yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fastest(work: Callable[[], object], field: nn.Module, choices: list[int], limit_s: float = LIMIT_S) -> tuple[int, dict[int, float]]:
    """Times some work with each number of threads, in turn, so that a busy moment hits all of them.

    Args:
        work: A step, or a part of one that scales like it; what it changes is lost.
        field: The network that works.
        choices: Numbers of threads, rising.
        limit_s: Seconds to spend, about; each number is tried at least once.

    Returns:
        The number to take (more threads only where they are clearly faster) and number -> median seconds.
    """
    if len(choices) == 1:
        return choices[0], {}
    found: dict[int, list[float]] = {number: [] for number in choices}
    end = time.perf_counter() + limit_s
    work()  # what is loaded at first use
    start = time.perf_counter()
    work()
    repeats = max(1, min(_REPEATS, int(_TURN_S / (time.perf_counter() - start))))
    for _ in range(_TURNS):
        for number, times in found.items():
            with using(number, field):
                start = time.perf_counter()
                for _ in range(repeats):
                    work()
                times.append((time.perf_counter() - start) / repeats)
        if time.perf_counter() > end:
            break
    medians = {number: statistics.median(times) for number, times in found.items()}
    best = choices[0]
    for number in choices[1:]:
        if medians[number] < _CLEARLY * medians[best]:
            best = number
    return best, medians


class Adjuster:
    """Watches the steps of a run whose chunks are shared out, and tries other numbers of workers once steps are much slower than they were.

    Args:
        threads: Number at the start.
        choices: Numbers to try.

    Attributes:
        threads: Number to take for the next step.
        changes: [step, number] of each change.
    """

    def __init__(self, threads: int, choices: list[int]) -> None:
        self.threads = threads
        self.changes: list[list[int]] = []
        self._choices = choices
        self._best = float("inf")
        self._recent: deque[float] = deque(maxlen=_WINDOW)
        self._trial: dict[int, list[float]] = {}
        self._before = threads

    def observe(self, step: int, seconds_per_point: float) -> None:
        """Takes note of a step.

        Args:
            step: Its number.
            seconds_per_point: What it took, by the points of its batch.
        """
        if self._trial:
            self._trial[self.threads].append(seconds_per_point)
            self._next(step)
            return
        self._recent.append(seconds_per_point)
        if len(self._recent) < _WINDOW:
            return
        usual = statistics.median(self._recent)
        self._best = min(self._best, usual)
        if usual > _SLOW * self._best and len(self._choices) > 1:
            self._trial = {number: [] for number in self._choices}
            self._before = self.threads
            self._next(step)

    def _next(self, step: int) -> None:
        short = [number for number, times in self._trial.items() if len(times) < _TRIES]
        if short:
            self.threads = min(short, key=lambda number: len(self._trial[number]))
            return
        medians = {number: statistics.median(times) for number, times in self._trial.items()}
        self.threads = min(medians, key=lambda number: medians[number])
        self._trial, self._best = {}, min(medians.values())
        self._recent.clear()
        if self.threads != self._before:
            self.changes.append([step, self.threads])
