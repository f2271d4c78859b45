import numpy as np
import pytest
import tifffile
import torch

import nint
from nint.errors import UsageError
from nint.signals.image.loader import from_array, load_image
from nint.signals.image.signal import ImageSignal
from nint.signals.image.write import write_image
from nint.signals.observed import ObservedSignal
from nint.signals.open import open_signal

RNG = np.random.default_rng(0)


def rgba(hole):
    pixels = RNG.integers(0, 255, (12, 10, 4), dtype=np.uint8)
    pixels[..., 3] = np.where(hole, 0, 200)
    return pixels


HOLE = np.zeros((12, 10), bool)
HOLE[3:6, 2:8] = True


def test_transparent_pixels_are_left_out_and_alpha_dropped(tmp_path):
    write_image(rgba(HOLE), tmp_path / "a.png")
    signal = open_signal(tmp_path / "a.png", transparent="unobserved")
    assert isinstance(signal, ObservedSignal) and signal.layout.channels == 3
    assert torch.equal(signal.kept, torch.from_numpy(np.flatnonzero(~HOLE)))
    assert len(signal.pool(torch.device("cpu"))) == 102
    assert any("18 of 120 points are unobserved" in line for line in signal.report())


def test_alpha_is_a_channel_unless_asked(tmp_path):
    write_image(rgba(HOLE), tmp_path / "a.png")
    for options in ({}, {"transparent": "fit"}):
        signal = open_signal(tmp_path / "a.png", **options)
        assert isinstance(signal, ImageSignal) and signal.layout.channels == 4 and signal.observed is None


def test_nan_is_unobserved_and_does_not_count():
    array = RNG.random((12, 10)).astype(np.float32)
    array[HOLE] = np.nan
    signal = open_signal(array)
    guess = torch.full((120, 1), 0.5)
    error = np.nanmean((np.clip(0.5, 0, 1) - array.astype(np.float64)) ** 2)
    assert signal.evaluate(lambda coords: guess) == {"psnr": pytest.approx(-10 * np.log10(error))}


def test_inpainting_learns_what_is_there_and_decodes_everything():
    y, x = np.mgrid[0:24, 0:20] / 24
    array = (0.5 + 0.4 * np.sin(3 * y + 2 * x)).astype(np.float32)
    holed = array.copy()
    holed[8:12, 6:10] = np.nan
    fit = nint.fit(holed, field="siren:size=2x24,omega_0=10", sampler="nint", budget=150, lr=2e-3)
    assert fit.metrics["psnr"] > 30
    assert np.abs(fit.decode() - array)[8:12, 6:10].max() < 0.1


def test_after_reduction_only_full_pixels_are_observed():
    pixels = RNG.integers(0, 255, (12, 12, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[0, 0, 3] = 0
    signal = open_signal(pixels, max_side=6, transparent="unobserved")
    assert signal.kept.tolist() == list(range(1, 36))


def areas(height, width, rows, columns):
    """`[rows * columns, height * width]`: how much of each pixel lies in each area of a coarser grid, from the overlaps of intervals."""

    def overlaps(count, size):
        edges, step = np.arange(count + 1) * size / count, np.arange(size)
        return np.clip(np.minimum(edges[1:, None], step + 1) - np.maximum(edges[:-1, None], step), 0, None)

    return np.einsum("ai,bj->abij", overlaps(rows, height), overlaps(columns, width)).reshape(rows * columns, -1)


@pytest.mark.parametrize("max_side", [6, 5])
@pytest.mark.parametrize("channels", [None, 3])
@pytest.mark.parametrize("how", ["array", "nan", "nodata"])
def test_means_over_areas_with_unobserved_pixels_are_unobserved(tmp_path, how, channels, max_side):
    array = RNG.random((12, 10, channels or 1)).astype(np.float32)
    array[HOLE] = -9999 if how == "nodata" else np.nan
    stored = array if channels else array[..., 0]
    tags = [(42113, "s", 0, "-9999", True)] if how == "nodata" else []
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb" if channels else "minisblack", extratags=tags)
    signal = from_array(stored, max_side=max_side) if how == "array" else load_image(tmp_path / "a.tif", max_side=max_side)
    rows, columns = signal.layout.height, signal.layout.width
    weights = areas(12, 10, rows, columns)
    touched = (weights[:, HOLE.reshape(-1)] > 1e-6).any(axis=1)
    assert np.array_equal(signal.observed.numpy(), ~touched) and 0 < touched.sum() < len(touched)
    means = (weights / weights.sum(axis=1, keepdims=True)) @ np.where(HOLE[..., None], 0, array).reshape(120, -1)
    assert np.allclose(signal.image.reshape(rows * columns, -1)[~touched], means[~touched], atol=1e-5)


@pytest.mark.parametrize(
    ("array", "options", "part"),
    [
        (rgba(HOLE)[..., :3], {"transparent": "unobserved"}, "no alpha channel"),
        (rgba(np.ones_like(HOLE)), {"transparent": "unobserved"}, "no observed pixel"),
        (rgba(HOLE), {"transparent": "unobservd"}, "Did you mean 'unobserved'"),
        (rgba(HOLE), {"transparent": "unobserved", "super_resolution": 2}, "needs every pixel"),
        (np.full((4, 4), np.nan, np.float32), {}, "no observed pixel"),
        (np.full((4, 4), np.nan, np.float32), {"max_side": 2}, "no observed pixel"),
        (np.where(np.eye(4), np.nan, 0.1 * np.arange(4)), {"max_side": 1}, "no observed pixel"),
    ],
)
def test_bad_masks(array, options, part):
    with pytest.raises(UsageError, match=part):
        open_signal(array, **options)


def test_samplers_that_need_a_grid_say_so():
    array = RNG.random((12, 10)).astype(np.float32)
    array[HOLE] = np.nan
    with pytest.raises(UsageError, match="needs an image"):
        nint.fit(array, field="siren:size=1x8", sampler="egra", budget=2)


def test_a_masked_array_is_unobserved_where_it_is_masked():
    pixels = np.random.default_rng(0).random((9, 8)).astype(np.float32)
    hidden = np.ma.masked_less(pixels, 0.3)
    plain = np.where(pixels < 0.3, np.nan, pixels)
    for kind in ("image", "array"):
        assert open_signal(hidden, kind=kind).fingerprint() == open_signal(plain, kind=kind).fingerprint()
    cube = np.ma.masked_less(np.random.default_rng(0).random((4, 5, 6)), 0.3)
    assert open_signal(cube, kind="volume").fingerprint() == open_signal(cube.filled(np.nan), kind="volume").fingerprint()
    with pytest.raises(UsageError, match="masks entries of uint8, which knows no NaN"):
        open_signal(np.ma.masked_less(np.arange(72, dtype=np.uint8).reshape(9, 8), 9))
