"""Threads are measured, and workers tried again once steps become slow; time is told, not taken."""

import time

import pytest
import torch
from torch import nn

from nint.fields import FIELDS
from nint.machine import workers as machine
from nint.training import threads
from nint.training.threads import Adjuster, candidates, fastest, shares_chunks, using

SIREN = FIELDS.parse("siren:size=2x8").build(2, 1, torch.Generator().manual_seed(0))
RELU = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))


@pytest.mark.parametrize(("most", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])])
def test_candidates(most, expected):
    assert candidates(most) == expected


def test_threads_of_a_run_are_workers_or_pytorchs_own():
    assert shares_chunks(SIREN) and not shares_chunks(RELU)
    with using(2, SIREN):
        assert machine.count() == 2 and torch.get_num_threads() == 1
    with using(2, RELU):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 1


class Told:
    """A clock whose seconds depend on the number of workers, and work that takes them."""

    def __init__(self, monkeypatch, seconds):
        self.now, self.seconds, self.done = 0.0, seconds, []
        monkeypatch.setattr(threads.time, "perf_counter", lambda: self.now)

    def work(self):
        self.done.append(machine.count())
        self.now += self.seconds[machine.count()]


@pytest.mark.parametrize(
    ("seconds", "best"),
    [({1: 0.1, 2: 0.06, 4: 0.05}, 4), ({1: 0.1, 2: 0.097, 4: 0.096}, 1), ({1: 0.1, 2: 0.5, 4: 0.9}, 1), ({1: 0.1, 2: 0.06, 4: 0.3}, 2)],
)
def test_the_fastest_number_is_taken_and_more_only_where_they_clearly_help(monkeypatch, seconds, best):
    told = Told(monkeypatch, seconds)
    number, medians = fastest(told.work, SIREN, [1, 2, 4])
    assert number == best and medians == pytest.approx(seconds)
    assert told.now < 1.0 + 2 * sum(seconds.values())


def test_each_number_is_tried_once_however_slow(monkeypatch):
    told = Told(monkeypatch, {1: 9.0, 2: 5.0})
    assert fastest(told.work, SIREN, [1, 2])[0] == 2 and told.done[2:] == [1, 2]  # after two calls that load and size the turns


def test_one_processor_needs_no_trial():
    assert fastest(lambda: pytest.fail("tried"), SIREN, [1]) == (1, {})


def test_steps_that_stay_as_they_were_change_nothing():
    adjuster = Adjuster(2, [1, 2])
    for step in range(200):
        adjuster.observe(step, 1.0 + 0.3 * (step % 3))
    assert adjuster.threads == 2 and adjuster.changes == []


def test_slow_steps_make_it_try_the_others_and_take_the_fastest():
    """Someone else has taken a processor: two workers wait for each other."""
    adjuster = Adjuster(2, [1, 2])
    for step in range(40):
        adjuster.observe(step, 1.0)
    tried = set()
    for step in range(40, 100):
        tried.add(adjuster.threads)
        adjuster.observe(step, 3.0 if adjuster.threads == 2 else 1.6)
    assert tried == {1, 2} and adjuster.threads == 1
    assert [number for _, number in adjuster.changes] == [1]
    for step in range(100, 200):  # what is usual now is the new measure
        adjuster.observe(step, 1.6)
    assert len(adjuster.changes) == 1


def test_a_real_step_is_measured():
    number, medians = fastest(lambda: time.sleep(0.001), SIREN, [1, 2], limit_s=0.02)
    assert number in (1, 2) and all(value >= 0.001 for value in medians.values())
