"""Reading curves: hand-made ones, whose answers are seen at a glance."""

import doctest

import pytest

import nint.bench.targets
from nint.bench.targets import Reached, time_to_target, value_at


def curve(*values):
    """One row every 10 steps, 0.5 s and 30 forward equivalents."""
    return [
        {"step": 10 * i, "training_seconds": 0.5 * i, "forward_equivalents": 30.0 * i, "psnr": v, "ssim": None}
        for i, v in enumerate(values, 1)
    ]


def test_the_first_evaluation_at_or_above_the_target_counts():
    rows = curve(18.0, 24.9, 25.0, 31.0)
    assert time_to_target(rows, "psnr", 25) == Reached(30, 1.5, 90.0)
    assert time_to_target(rows, "psnr", 24.9) == Reached(20, 1.0, 60.0)
    assert time_to_target(rows, "psnr", 25.01) == Reached(40, 2.0, 120.0)  # no interpolation between 25 and 31


def test_a_target_that_is_not_reached_gives_none():
    assert time_to_target(curve(18.0, 24.9), "psnr", 25) is None
    assert time_to_target([], "psnr", 25) is None


def test_a_later_fall_does_not_count_and_a_first_row_may_be_the_answer():
    assert time_to_target(curve(18.0, 26.0, 20.0, 27.0), "psnr", 25).step == 20
    assert time_to_target(curve(40.0, 1.0), "psnr", 25).step == 10


def test_values_that_are_absent_are_passed_over():
    rows = curve(18.0, None, 26.0)
    assert time_to_target(rows, "psnr", 10).step == 10
    assert time_to_target(rows, "psnr", 20).step == 30
    assert time_to_target(rows, "ssim", 0.1) is None
    assert time_to_target(rows, "lpips", 0.1) is None


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ({"step": 9}, None),
        ({"step": 10}, 18.0),
        ({"step": 29}, 24.0),
        ({"step": 30}, 23.0),
        ({"step": 1000}, 23.0),
        ({"seconds": 0.49}, None),
        ({"seconds": 1.0}, 24.0),
        ({"step": 30, "seconds": 0.6}, 18.0),
        ({}, 23.0),
    ],
)
def test_value_at_takes_the_last_evaluation_at_or_before(limit, expected):
    assert value_at(curve(18.0, 24.0, 23.0), "psnr", **limit) == expected


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(nint.bench.targets) == (0, 4)
