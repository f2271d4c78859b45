"""Learning rates against formulas written from the specification."""

import math

import pytest

from nint.errors import UsageError
from nint.training.learning_rate import LR_SCHEDULES, check_warm_up, learning_rate, rate_at


def test_learning_rates():
    for total in (1, 3, 1000):
        for t in range(0, total + 1, max(total // 50, 1)):
            assert learning_rate("constant", 1e-3, t, total) == 1e-3
            assert math.isclose(learning_rate("cosine", 1e-3, t, total), 1e-3 * math.cos(math.pi * t / total / 2) ** 2, abs_tol=1e-15)
            assert math.isclose(learning_rate("exponential", 1e-3, t, total), 1e-3 * 10 ** (-t / total), rel_tol=1e-12)
    assert learning_rate("cosine", 1.0, 500, 100) == pytest.approx(0.0, abs=1e-15)


def test_a_bad_name_points_to_the_nearest():
    with pytest.raises(UsageError, match="'cosine'"):
        learning_rate("cosin", 1e-3, 0, 10)


def test_a_schedule_of_zero_steps():
    for schedule in ("constant", "cosine", "exponential"):
        assert learning_rate(schedule, 1e-3, 0, 0) == 1e-3


@pytest.mark.parametrize("schedule", LR_SCHEDULES)
@pytest.mark.parametrize(("total", "warm_up"), [(100, 0.1), (1000, 0.02), (7, 0.5)])
def test_a_warm_up_and_then_the_schedule_over_the_rest(schedule, total, warm_up):
    warm = warm_up * total
    for step in range(total + 3):
        if step < warm:
            expected = 0.05 + 0.95 * step / warm
        else:
            part = min((step - warm) / (total - warm), 1)
            expected = {"constant": 1.0, "cosine": math.cos(math.pi * part / 2) ** 2, "exponential": 10**-part}[schedule]
        assert learning_rate(schedule, 3e-3, step, total, warm_up) == pytest.approx(3e-3 * expected, abs=1e-15)
        if step < total:
            assert learning_rate(schedule, 3e-3, step, total, warm_up) == rate_at(schedule, 3e-3, step / total, warm_up)


def test_the_first_step_of_a_warm_up_is_above_zero():
    assert learning_rate("cosine", 1.0, 0, 1000, 0.02) == pytest.approx(0.05)
    assert max(learning_rate("cosine", 1.0, step, 1000, 0.02) for step in range(1000)) == pytest.approx(1.0)


@pytest.mark.parametrize("warm_up", [-0.1, 1.0, 2.0, math.nan, math.inf])
def test_bad_warm_ups(warm_up):
    with pytest.raises(UsageError, match=r"warm_up=.* must be a fraction of the run from 0 to less than 1"):
        check_warm_up(warm_up)
