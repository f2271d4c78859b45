import math

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from nint.errors import UsageError
from nint.metrics import psnr, ssim


def pair(shape, seed=0, noise=0.2):
    rng = np.random.default_rng(seed)
    target = rng.random(shape)
    return target + noise * rng.standard_normal(shape), target


def slow_ssim(prediction, target, weights, sample_covariance):
    """Wang et al. 2004, eq. 13, one window at a time, over the windows that lie inside."""
    side, height, width = len(weights), *target.shape
    count = side * side
    unbias = count / (count - 1) if sample_covariance else 1.0
    found = []
    for top in range(height - side + 1):
        for left in range(width - side + 1):
            x = np.clip(prediction[top : top + side, left : left + side], 0, 1)
            y = target[top : top + side, left : left + side]
            mx, my = (weights * x).sum(), (weights * y).sum()
            vx, vy = (unbias * (weights * (v - m) ** 2).sum() for v, m in ((x, mx), (y, my)))
            cov = unbias * (weights * (x - mx) * (y - my)).sum()
            c1, c2 = 0.01**2, 0.03**2
            found.append((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(found))


@pytest.mark.parametrize("shape", [(5, 3), (16, 9, 3), (1200, 1000, 2)])
def test_psnr_is_its_formula_with_the_prediction_clamped(shape):
    prediction, target = pair(shape)
    assert prediction.max() > 1 and prediction.min() < 0
    expected = 10 * math.log10(1 / np.mean((np.clip(prediction, 0, 1) - target) ** 2))
    assert psnr(prediction, target) == pytest.approx(expected, rel=1e-12)
    assert psnr(prediction, target) > 10 * math.log10(1 / np.mean((prediction - target) ** 2))


def test_psnr_sums_in_float64():
    target = np.zeros((1500, 1500), np.float32)
    prediction = np.full_like(target, 1e-3)
    prediction[0, 0] = 1  # a float32 sum loses the small errors beside it
    expected = 10 * math.log10(target.size / (1 + (target.size - 1) * float(np.float32(1e-3)) ** 2))
    assert psnr(prediction, target) == pytest.approx(expected, rel=1e-12)


def test_psnr_of_equal_images_is_infinite_and_of_nan_is_nan():
    _, target = pair((4, 4))
    assert psnr(target, target) == math.inf
    assert psnr(target * 0 + 7, target * 0 + 1) == math.inf
    assert math.isnan(psnr(target * math.nan, target))


@pytest.mark.parametrize("shape", [(7, 7), (9, 12), (10, 8, 3), (8, 8, 4)])
def test_ssim_is_the_slow_oracle(shape):
    prediction, target = pair(shape)
    planes = [(prediction, target)] if len(shape) == 2 else [(prediction[..., c], target[..., c]) for c in range(shape[2])]
    expected = np.mean([slow_ssim(p, t, np.full((7, 7), 1 / 49), True) for p, t in planes])
    assert ssim(prediction, target) == pytest.approx(expected, abs=1e-10)
    assert ssim(prediction, target, window="uniform") == ssim(prediction, target)


def test_gaussian_ssim_is_the_slow_oracle():
    prediction, target = pair((14, 12))
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    found = ssim(prediction, target, window="gaussian")
    assert found == pytest.approx(slow_ssim(prediction, target, weights, False), abs=1e-10)
    assert abs(found - ssim(prediction, target)) > 1e-3


def test_ssim_is_scikit_images_default():
    prediction, target = pair((33, 21, 3))
    expected = structural_similarity(np.clip(prediction, 0, 1), target, data_range=1, channel_axis=2)
    assert ssim(prediction, target) == pytest.approx(expected, abs=1e-12)
    one = ssim(prediction[..., :1], target[..., :1])
    assert one == ssim(prediction[..., 0], target[..., 0])
    expected = structural_similarity(
        *(np.clip(x, 0, 1) for x in (prediction, target)), data_range=1, channel_axis=2, gaussian_weights=True, use_sample_covariance=False
    )
    assert ssim(prediction, target, window="gaussian") == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("window", ["uniform", "gaussian"])
def test_strips_of_rows_change_nothing(monkeypatch, window):
    prediction, target = pair((40, 13, 2))
    whole = ssim(prediction, target, window=window)
    monkeypatch.setattr("nint.metrics.image._CHUNK", 1)
    for rows in (1, 7, 33, 34):
        monkeypatch.setattr("nint.metrics.image._STRIP_ROWS", rows)
        assert ssim(prediction, target, window=window) == pytest.approx(whole, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_tensors_are_taken_like_arrays(dtype):
    prediction, target = (torch.from_numpy(x).to(dtype) for x in pair((9, 9, 3)))
    arrays = prediction.double().numpy(), target.double().numpy()
    assert psnr(prediction.requires_grad_(), target) == pytest.approx(psnr(*arrays), rel=1e-9)
    assert ssim(prediction, target) == pytest.approx(ssim(*arrays), abs=1e-6)


def test_inputs_are_left_alone():
    prediction, target = pair((8, 8))
    before = prediction.copy(), target.copy()
    psnr(prediction, target)
    ssim(prediction, target)
    assert np.array_equal(prediction, before[0]) and np.array_equal(target, before[1])


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_what_cannot_be_compared_is_refused(metric):
    image = np.zeros((8, 8))
    with pytest.raises(UsageError, match=r"shape \(8, 8\).*\(8, 9\)"):
        metric(image, np.zeros((8, 9)))
    with pytest.raises(UsageError, match="uint8"):
        metric(image, image.astype(np.uint8))
    with pytest.raises(UsageError, match="empty"):
        metric(np.zeros((0, 8)), np.zeros((0, 8)))


def test_ssim_refuses_what_its_window_does_not_fit():
    for shape in ((6, 20), (20, 6, 3)):
        with pytest.raises(UsageError, match="at least 7 pixels a side"):
            ssim(np.zeros(shape), np.zeros(shape))
    with pytest.raises(UsageError, match="at least 11 pixels a side"):
        ssim(np.zeros((10, 10)), np.zeros((10, 10)), window="gaussian")
    with pytest.raises(UsageError, match="window=box"):
        ssim(np.zeros((10, 10)), np.zeros((10, 10)), window="box")
    with pytest.raises(UsageError, match="shape"):
        ssim(np.zeros(100), np.zeros(100))
