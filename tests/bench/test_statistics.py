"""Statistics against NumPy, SciPy and enumeration, and times to a target on curves made by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nint.bench.statistics import Difference, Effort, Summary, best, effort, paired_difference, summary, value_from

CURVE = [
    {"step": 10, "training_seconds": 0.5, "forward_equivalents": 1.0, "flops": 1e9, "psnr": 18.0, "lpips": 0.9},
    {"step": 20, "training_seconds": 1.1, "forward_equivalents": 2.0, "flops": 2e9, "psnr": 25.0, "lpips": 0.5},
    {"step": 30, "training_seconds": 1.6, "forward_equivalents": 3.0, "flops": 3e9, "psnr": 24.0, "lpips": 0.2},
    {"step": 40, "training_seconds": 2.2, "forward_equivalents": 4.0, "flops": 4e9, "psnr": 30.5, "lpips": 0.3},
]


@pytest.mark.parametrize("count", [2, 3, 7, 50])
def test_mean_and_sample_deviation(count):
    values = np.random.default_rng(count).normal(30, 4, count)
    found = summary(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-14)
    assert found.deviation == pytest.approx(np.std(values, ddof=1), rel=1e-12)
    assert found.deviation == pytest.approx(stats.tstd(values), rel=1e-12)
    assert found.size == count


def test_a_large_offset_does_not_swallow_the_spread():
    assert summary([1e9, 1e9 + 1, 1e9 + 2]).deviation == pytest.approx(1.0)


def test_of_one_there_is_no_spread_and_of_none_nothing():
    assert summary([7]) == Summary(7.0, None, 1)
    assert summary([]) is None


@pytest.mark.parametrize("count", [3, 4, 6])
def test_the_interval_is_that_of_all_resamples_and_p_that_of_the_paired_t_test(count):
    rng = np.random.default_rng(count)
    others = rng.normal(30, 4, count)
    values = others + rng.normal(0.5, 0.4, count)
    found = paired_difference(values, others)
    assert found.mean == pytest.approx((values - others).mean())
    assert found.pairs == count
    # Oracle: every one of the n^n resamples, none drawn at random.
    means = [np.mean(drawn) for drawn in itertools.product(values - others, repeat=count)]
    low, high = np.percentile(means, [2.5, 97.5])
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)
    t = (values - others).mean() / ((values - others).std(ddof=1) / count**0.5)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), count - 1))
    assert found == paired_difference(values, others)  # no generator of the process has a say
    assert paired_difference(others, values).mean == -found.mean


@pytest.mark.parametrize(
    ("values", "others", "expected"),
    [
        ([1.0, 2.0], [0.0, 0.0], None),  # two differences of one sign are no evidence
        ([], [], None),
        ([1.0, 2.0, np.inf], [0.0, 0.0, 0.0], None),
        ([1.0, 2.0, 3.0], [0.0, 1.0, 2.0], Difference(1.0, 1.0, 1.0, None, 3)),
        ([5.0, 5.0, 5.0], [5.0, 5.0, 5.0], Difference(0.0, 0.0, 0.0, None, 3)),
    ],
)
def test_what_has_no_spread_or_too_few_pairs(values, others, expected):
    assert paired_difference(values, others) == expected


def test_an_interval_excludes_zero_on_either_side():
    assert Difference(1.0, 0.5, 2.0, 0.01, 3).excludes_zero
    assert Difference(-1.0, -2.0, -0.5, 0.01, 3).excludes_zero
    assert not Difference(1.0, -0.5, 2.0, 0.3, 3).excludes_zero
    assert not Difference(0.0, 0.0, 0.0, None, 3).excludes_zero


def test_the_first_evaluation_as_good_as_the_target_counts():
    assert effort(CURVE, "psnr", 25.0) == Effort(20, 1.1, 2e9, 2.0)  # equal is reached; the later fall does not count against it
    assert effort(CURVE, "psnr", 25.01) == Effort(40, 2.2, 4e9, 4.0)
    assert effort(CURVE, "psnr", 30.51) is None


def test_a_metric_of_which_less_is_better_is_reached_from_above():
    assert effort(CURVE, "lpips", 0.5) == Effort(20, 1.1, 2e9, 2.0)
    assert effort(CURVE, "lpips", 0.25) == Effort(30, 1.6, 3e9, 3.0)
    assert effort(CURVE, "lpips", 0.19) is None


def test_rows_without_the_metric_are_passed_over():
    curve = [{"step": 1, "training_seconds": 0.1, "forward_equivalents": 1.0}, {**CURVE[0], "psnr": None}, CURVE[3]]
    assert effort(curve, "psnr", 10.0) == Effort(40, 2.2, 4e9, 4.0)
    assert effort([], "psnr", 1.0) is None


def test_flops_may_be_missing():
    assert effort([{"step": 5, "training_seconds": 1.0, "forward_equivalents": 1.0, "psnr": 30.0}], "psnr", 30.0) == Effort(
        5, 1.0, None, 1.0
    )


def test_best():
    assert best(CURVE, "psnr") == 30.5
    assert best(CURVE, "lpips") == 0.2
    assert best(CURVE, "ssim") is None


def test_the_value_of_a_checkpoint_is_that_of_the_evaluation_due_at_it():
    assert value_from(CURVE, "psnr", 20, seconds=False) == 25.0
    assert value_from(CURVE, "psnr", 1.0, seconds=True) == 25.0  # the step that used up the second ended at 1.1
    assert value_from(CURVE, "psnr", 41, seconds=False) is None
