"""Weights as whole numbers times step sizes."""

import math
from decimal import Decimal, getcontext

import numpy as np
import pytest
import torch

from nint.packing.levels import LEAST_INDEX, MOST_INDEX, Levels, quantise, rows_of, step_sizes, top_of


def test_step_sizes_are_the_powers_of_two_to_float32():
    getcontext().prec = 40
    indices = [*range(-40, 41), LEAST_INDEX, MOST_INDEX, LEAST_INDEX + 5]
    found = step_sizes(torch.tensor(indices))
    for index, size in zip(indices, found.tolist(), strict=True):
        exact = Decimal(2) ** (Decimal(index) / 16)
        assert abs(Decimal(size) / exact - 1) < Decimal(2) ** -22  # the mantissa is rounded down, so one unit in the last place


def test_a_quantised_tensor_is_within_half_a_step_and_uses_the_range():
    weights = torch.randn(40, 64, generator=torch.Generator().manual_seed(0)) * torch.logspace(-3, 3, 40).unsqueeze(1)
    levels = quantise(weights, 31)
    step = step_sizes(levels.steps).unsqueeze(1)
    assert (levels.tensor() - weights).abs().le(step * 0.5001).all()
    assert levels.codes.abs().amax(1).ge(29).all()  # a step is rounded up by at most 2^(1/16)
    assert levels.codes.abs().max() <= 31


def test_the_weights_are_single_products_in_float32():
    levels = quantise(torch.randn(3, 50, generator=torch.Generator().manual_seed(1)), 127)
    rows = zip(levels.codes, step_sizes(levels.steps), strict=True)
    slow = np.array([[np.float32(code) * np.float32(size) for code in row] for row, size in rows])
    assert np.array_equal(levels.tensor().numpy(), slow)


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-30, 3e30])
def test_extreme_rows_stay_finite(value: float):
    levels = quantise(torch.full((2, 20), value), 15)
    assert torch.isfinite(levels.tensor()).all()
    if value >= 1e-28:
        assert torch.allclose(levels.tensor(), torch.full((2, 20), value), rtol=0.04)


def test_short_rows_share_one_step_size():
    assert rows_of((88, 2)) == (1, 176)
    assert rows_of((88, 88)) == (88, 88)
    assert rows_of((88,)) == (1, 88)
    assert rows_of(()) == (1, 1)
    assert quantise(torch.ones(88, 2), 7).steps.shape == (1,)


def test_bits_may_be_fractional():
    assert [top_of(bits) for bits in (1, 2, 6, 6.5, 8, 40)] == [1, 1, 31, 44, 127, 2**17 - 1]


def test_levels_keep_shapes_of_any_rank():
    for shape in ((), (5,), (4, 30), (3, 4, 20)):
        levels = quantise(torch.randn(shape, generator=torch.Generator().manual_seed(2)), 127)
        assert isinstance(levels, Levels) and levels.tensor().shape == shape
        assert levels.codes.numel() == math.prod(shape)
