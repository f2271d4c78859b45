"""Grey copies, Canny, Otsu, dilation and Sobel magnitudes against slow loops."""

import numpy as np
import pytest
import torch
from oracles.pictures import exact_grey, grey_levels, picture, rows_of
from skimage.filters import threshold_otsu

from nint.errors import UsageError
from nint.scores import edges
from nint.signals.base import GridCoords, Pool


class Lazy:
    """Rows that exist only when asked for, and only by slices."""

    def __init__(self, rows):
        self.rows, self.shape = rows, tuple(rows.shape)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, part):
        assert isinstance(part, slice)
        return self.rows[part].clone()


def pool_of(image, value_range=(0.0, 1.0), lazy=False):
    values = rows_of(image, value_range)
    return Pool(GridCoords(image.shape[:2]), Lazy(values) if lazy else values, tuple(image.shape[:2]), value_range)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("value_range", [(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)])
def test_grey_copy_of_a_non_square_image(channels, value_range):
    image = picture(17, 29, channels)
    grey = edges.luma_8bit(pool_of(image, value_range))
    assert grey.dtype == np.uint8
    assert np.abs(grey - exact_grey(image)).max() <= 0.5 + 1e-4  # a level of exactly k + 1/2 may go either way


def test_grey_copy_reads_lazy_rows_in_parts(monkeypatch):
    image = picture(17, 29)
    whole = edges.luma_8bit(pool_of(image))
    monkeypatch.setattr(edges, "_ROWS", 100)
    np.testing.assert_array_equal(edges.luma_8bit(pool_of(image, lazy=True)), whole)


def test_grey_copy_clamps_what_lies_outside_the_range():
    pool = Pool(GridCoords((1, 3)), torch.tensor([[-3.0], [0.5], [7.0]]), (1, 3))
    assert edges.luma_8bit(pool).tolist() == [[0, 128, 255]]
    constant = Pool(GridCoords((1, 3)), torch.full((3, 1), 2.0), (1, 3), value_range=(2.0, 2.0))
    assert edges.luma_8bit(constant).tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("grid", [None, (12,), (2, 2, 3)])
def test_a_pool_that_is_no_image_is_refused(grid):
    with pytest.raises(UsageError, match="2-D grid"):
        edges.luma_8bit(Pool(torch.zeros(12, 3), torch.zeros(12, 1), grid))


def test_canny_finds_a_step_where_its_slope_passes_the_thresholds():
    image = np.zeros((9, 14), np.uint8)
    image[:, 8:] = 10  # Sobel of the step: 10 * (1 + 2 + 1) = 40
    assert not edges.canny(image, 30, 40).any()  # an edge must be above the stronger threshold
    found = edges.canny(image, 30, 39)
    assert found.dtype == bool
    assert set(np.nonzero(found)[1]) <= {7, 8}
    assert (found.sum(1) == 1).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
def test_tiny_images(shape):
    image = np.zeros(shape, np.uint8)
    assert edges.canny(image, 30, 40).shape == shape
    assert edges.sobel_magnitude(image).shape == shape
    assert edges.otsu(image) == 0


def test_otsu_splits_as_scikit_image_does():
    for seed in range(5):
        grey = grey_levels(picture(30, 40, 1, seed))
        np.testing.assert_array_equal(grey > edges.otsu(grey), grey > threshold_otsu(grey))


def test_dilation_by_a_2x2_rectangle():
    marks = np.random.default_rng(0).random((11, 7)) < 0.15
    slow = np.zeros_like(marks)
    for row, column in np.ndindex(marks.shape):
        slow[row, column] = any(marks[r, c] for r in (row - 1, row) for c in (column - 1, column) if r >= 0 and c >= 0)
    np.testing.assert_array_equal(edges.dilate_2x2(marks), slow)
    assert slow.sum() > marks.sum()


def test_sobel_magnitude_with_repeated_borders():
    grey = grey_levels(picture(8, 13, 1))
    wide = np.pad(grey.astype(float), 1, mode="edge")
    kernel = [(-1, 1), (0, 2), (1, 1)]
    for row, column in np.ndindex(grey.shape):
        across = sum(w * (wide[row + 1 + d, column + 2] - wide[row + 1 + d, column]) for d, w in kernel)
        down = sum(w * (wide[row + 2, column + 1 + d] - wide[row, column + 1 + d]) for d, w in kernel)
        assert edges.sobel_magnitude(grey)[row, column] == pytest.approx((across**2 + down**2) ** 0.5)
