"""Tasks are all done once, whatever the number of workers, and PyTorch's own threads are as before."""

import os
import threading

import pytest
import torch

from nint.machine.workers import count, share_out, workers


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("tasks", [0, 1, 2, 7])
def test_every_task_once(number, tasks):
    done = []
    with workers(number):
        assert count() == number and torch.get_num_threads() == 1
        share_out([lambda n=n: done.append(n) for n in range(tasks)])
    assert sorted(done) == list(range(tasks))
    assert torch.get_num_threads() == 1  # as the tests pin it


def test_workers_work_side_by_side_with_one_thread_each():
    meeting, seen = threading.Barrier(2, timeout=20), []

    def task():
        meeting.wait()  # passes only where both run at the same time
        seen.append((threading.current_thread().name, torch.get_num_threads()))

    with workers(2):
        share_out([task, task])
    assert len({name for name, _ in seen}) == 2 and all(threads == 1 for _, threads in seen)


def test_the_first_error_is_raised_after_all_have_ended():
    done = []

    def fail():
        raise KeyError("here")

    with workers(2), pytest.raises(KeyError, match="here"):
        share_out([fail, lambda: done.append(1), lambda: done.append(2)])
    assert sorted(done) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_makes_workers_of_its_own():
    with workers(2):
        share_out([lambda: None, lambda: None])
        child = os.fork()
        if child == 0:
            done = []
            share_out([lambda: done.append(1), lambda: done.append(2)])
            os._exit(0 if sorted(done) == [1, 2] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
