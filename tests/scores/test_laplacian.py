"""Grey levels and Laplacian differences against scipy and a pixel loop."""

import numpy as np
import pytest
import torch
from oracles.evos import GREY, LAPLACE, make_pool, oracle_laplacian, oracle_maps, rng
from scipy import ndimage

from nint.scores.laplacian import laplacian, laplacian_error, luma_error
from nint.scores.luma import luma


@pytest.mark.parametrize("grid", [(7, 11), (1, 5), (5, 1), (1, 1), (2, 2)])
def test_laplacian_is_that_of_scipy_and_of_a_pixel_loop(grid):
    image = np.random.default_rng(3).uniform(0, 255, grid)
    ours = laplacian(torch.from_numpy(image).reshape(-1), grid).numpy().reshape(grid)
    np.testing.assert_allclose(ours, ndimage.correlate(image, LAPLACE, mode="constant", cval=0.0), atol=1e-10)
    np.testing.assert_allclose(ours, oracle_laplacian(image), atol=1e-10)


def test_grey_by_number_of_channels():
    values = torch.rand(9, 4, generator=rng(), dtype=torch.float64)
    luminance = values[:, :3].numpy() @ GREY
    np.testing.assert_allclose(luma(values), luminance, atol=1e-14)  # alpha does not count
    np.testing.assert_allclose(luma(values[:, :3]), luminance, atol=1e-14)
    assert torch.equal(luma(values[:, :2]), values[:, 0])
    assert torch.equal(luma(values[:, :1]), values[:, 0])
    five = torch.rand(9, 5, generator=rng(), dtype=torch.float64)
    np.testing.assert_allclose(luma(five), five.numpy().mean(1), atol=1e-14)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0), (-3.0, 5.0)])
def test_detail_error_clamps_the_prediction_and_counts_in_8_bit_levels(channels, value_range):
    grid, (low, high) = (6, 9), value_range
    pool = make_pool(grid, channels, value_range)
    prediction = (torch.rand(54, channels, generator=rng(5), dtype=torch.float64) * 2 - 0.5) * (high - low) + low  # half a range outside
    ours = laplacian_error(luma_error(prediction, pool.values, value_range), grid)

    def symmetric(tensor):
        return ((tensor - low) / (high - low) * 2 - 1).numpy()

    _, detail = oracle_maps(symmetric(prediction), symmetric(pool.values), grid)
    np.testing.assert_allclose(ours, detail, rtol=1e-9, atol=1e-6)
    assert detail.max() > 1e3  # the 0..255 scale, not 0..1
