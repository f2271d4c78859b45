import re

import numpy as np
import pytest

import nint
from nint.errors import UsageError
from nint.runs.job import make_job
from nint.training.budgets import Budget


@pytest.mark.parametrize(
    ("budget", "step", "seconds", "psnr", "expected"),
    [
        (Budget(), 4999, 1e9, 99, None),
        (Budget(), 5000, 0, None, "finished 5000 steps"),
        (Budget(steps=3), 2, 1e9, 99, None),
        (Budget(steps=3), 3, 0, None, "finished 3 steps"),
        (Budget(steps=6000), 5000, 0, None, None),  # schedules end at total_steps, the budget may not
        (Budget(seconds=1.5), 10**6, 1.4, None, None),  # no limit of steps
        (Budget(seconds=1.5), 1, 1.5, None, "used 1.5 s"),
        (Budget(psnr=30), 10, 0, 29.99, None),
        (Budget(psnr=30), 10, 0, None, None),
        (Budget(psnr=30), 10, 0, 30.0, "reached 30 dB"),
        (Budget(psnr=30), 5000, 0, 10, "finished 5000 steps"),
        (Budget(steps=9, seconds=5, psnr=30), 9, 5, 30, "reached 30 dB"),
        (Budget(steps=9, seconds=5, psnr=30), 9, 5, 20, "used 5 s"),
    ],
)
def test_reason(budget, step, seconds, psnr, expected):
    assert budget.reason(step, seconds, psnr, total_steps=5000) == expected


def test_expected_steps():
    assert Budget(steps=7).expected_steps(5000) == 7
    assert Budget(seconds=3).expected_steps(5000) == 5000


@pytest.mark.parametrize(
    "bad",
    [
        {"steps": 0},
        {"steps": -1},
        {"steps": 2.5},
        {"steps": True},
        {"seconds": 0},
        {"seconds": "3"},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"psnr": -3},
        {"psnr": "high"},
    ],
    ids=str,
)
def test_bad_limits(bad):
    (name,) = bad
    with pytest.raises(UsageError, match=name):
        Budget(**bad)


def test_what_an_argument_means():
    limits = Budget(seconds=2)
    assert Budget.of(None) == Budget() and Budget.of(limits) is limits
    assert Budget.of(3) == Budget.of(np.int64(3)) == Budget(steps=3) == Budget(steps=np.int64(3))


ASKING = [
    lambda budget, out: nint.fit(np.eye(6), budget=budget, out=out),
    lambda budget, out: nint.fit(np.eye(6), budget=budget, out=out, resume=True),
    lambda budget, out: nint.fit_all([np.eye(6)], out, budget=budget),
    lambda budget, out: make_job(np.eye(6), budget=budget),
]


@pytest.mark.parametrize("budget", [2.5, 5.0, "30 s", {"seconds": 1}, 0, True, ""], ids=repr)
@pytest.mark.parametrize("ask", ASKING, ids=["fit", "resume", "fit_all", "make_job"])
def test_what_is_no_budget(ask, budget, tmp_path):
    said = rf"^budget={re.escape(repr(budget))} must be a whole number of steps, .* or a limit such as nint\.Budget\(seconds=30\)\.$"
    with pytest.raises(UsageError, match=said):
        ask(budget, tmp_path / "out")
    assert not (tmp_path / "out").exists()
