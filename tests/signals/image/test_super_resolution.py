import math

import numpy as np
import pytest
import torch
from PIL import Image

import nint
from nint.errors import UsageError
from nint.metrics import psnr, ssim
from nint.signals.base import GridCoords
from nint.signals.image.loader import from_array, from_pil, load_image
from nint.signals.image.signal import ImageLayout, ImageSignal
from nint.signals.image.super_resolution import SuperResolutionSignal
from nint.signals.image.write import write_image
from nint.signals.kinds import load


def pixels(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def slow_box(image, factor):
    height, width, channels = image.shape
    found = np.empty((height // factor, width // factor, channels))
    for row in range(len(found)):
        for column in range(found.shape[1]):
            area = image[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            found[row, column] = area.reshape(-1, channels).mean(axis=0)
    return found


def cubic(distance):
    """Keys 1981, eq. 4 (a = -0.5)."""
    x = abs(distance)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def slow_bicubic(image, factor):
    def weights(size):
        found = np.zeros((size // factor, size))
        for low in range(size // factor):
            centre = (low + 0.5) * factor
            found[low] = [cubic((high + 0.5 - centre) / factor) for high in range(size)]
            found[low] /= found[low].sum()  # what lies beyond the edge takes no part
        return found

    reduced = np.einsum("ih,hwc,jw->ijc", weights(image.shape[0]), image, weights(image.shape[1]))
    return reduced.clip(0, 1), reduced


@pytest.mark.parametrize(("shape", "factor"), [((8, 12, 3), 2), ((9, 6), 3), ((8, 8, 4), 4), ((6, 10, 2), 2)])
@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_the_pool_holds_means_of_areas(shape, factor, dtype, top):
    array = pixels(shape, dtype)
    signal = SuperResolutionSignal(array, factor)
    pool = signal.pool("cpu")
    expected = slow_box(array.reshape(*shape[:2], -1) / top, factor)
    assert pool.grid == expected.shape[:2] and len(pool) == expected.shape[0] * expected.shape[1]
    assert pool.values.dtype == torch.float32 and pool.value_range == (0, 1)
    assert np.abs(pool.values.numpy().reshape(expected.shape) - expected).max() < 1e-7


@pytest.mark.parametrize(("shape", "factor"), [((16, 24, 3), 2), ((18, 12), 3)])
def test_bicubic_is_its_formula(shape, factor):
    array = pixels(shape).astype(np.float32) / 255
    array[: shape[0] // 2, : shape[1] // 2] = 0
    array[shape[0] // 2 :, shape[1] // 2 :] = 1  # flat beside noise, so that it overshoots
    expected, unclamped = slow_bicubic(array.reshape(*shape[:2], -1).astype(float), factor)
    assert unclamped.max() > 1 or unclamped.min() < 0
    found = SuperResolutionSignal(array, factor, downsampling="bicubic").pool("cpu").values.numpy().reshape(expected.shape)
    assert np.abs(found - expected).max() < 1e-5
    assert np.abs(found - SuperResolutionSignal(array, factor).low.numpy()).max() > 0.01


def test_both_grids_span_from_end_to_end():
    signal = SuperResolutionSignal(pixels((8, 12)), 2)
    coords = signal.pool("cpu").coords
    axes = np.linspace(-1, 1, 4), np.linspace(-1, 1, 6)
    expected = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    assert np.abs(coords.numpy() - expected).max() < 1e-6
    seen = []
    signal.evaluate(lambda coords: seen.append(coords[:]) or torch.zeros(len(coords), 1))
    assert torch.equal(seen[0], GridCoords((8, 12))[:])


def test_layout_and_evaluation_are_those_of_the_image():
    array = pixels((16, 20, 3))
    signal, plain = SuperResolutionSignal(array, 2), ImageSignal(array)
    assert signal.layout == plain.layout == ImageLayout(16, 20, 3) and np.array_equal(signal.array, array)

    def predict(coords):
        return torch.stack([0.5 + 0.4 * torch.sin(3 * coords[:][:, 0] + c) for c in range(3)], dim=1)

    prediction = predict(GridCoords((16, 20))).numpy().reshape(16, 20, 3)
    found = signal.evaluate(predict)
    assert found == plain.evaluate(predict) and list(found) == ["psnr", "ssim"]
    assert found["psnr"] == pytest.approx(psnr(prediction.astype(float), array / 255), rel=1e-6)
    assert found["ssim"] == pytest.approx(ssim(prediction.astype(float), array / 255), abs=1e-6)
    assert math.isfinite(found["psnr"])


def test_a_remainder_is_cut_off_at_the_end_and_told():
    array = pixels((11, 16, 3))
    signal = SuperResolutionSignal(array, 3)
    assert signal.layout == ImageLayout(9, 15, 3) and np.array_equal(signal.array, array[:9, :15])
    assert signal.pool("cpu").grid == (3, 5)
    cut = "(cut from 16x11, so that 3 divides both sides)"
    told = f"Super-resolution: fitted to 5x3 pixels, the mean of areas of 3x3, and measured on 15x9 {cut}."
    assert signal.report()[0] == told
    whole = SuperResolutionSignal(array[:9, :15], 3, downsampling="bicubic").report()[0]
    assert whole == "Super-resolution: fitted to 5x3 pixels, bicubic by 3, and measured on 15x9."
    assert len(signal.report()) == 2 and "LPIPS" in signal.report()[1]


def test_fingerprints_differ():
    array = pixels((12, 12, 3))
    changed = array.copy()
    changed[0, 0, 0] ^= 1
    signals = [
        ImageSignal(array),
        SuperResolutionSignal(array, 2),
        SuperResolutionSignal(array, 3),
        SuperResolutionSignal(array, 2, downsampling="bicubic"),
        SuperResolutionSignal(changed, 2),
    ]
    assert len({signal.fingerprint() for signal in signals}) == len(signals)
    assert SuperResolutionSignal(array.copy(), 2, "another name").fingerprint() == signals[1].fingerprint()


def test_every_way_of_loading(tmp_path):
    array = pixels((12, 16, 3))
    path = tmp_path / "a.png"
    write_image(array, path)
    expected = SuperResolutionSignal(array, 2)
    for signal, name in [
        (load_image(path, super_resolution=2), "a.png"),
        (load("image", path, {"super_resolution": 2, "max_side": None}), "a.png"),
        (from_array(array, super_resolution=2), "array"),
        (from_pil(Image.fromarray(array), super_resolution=2), "PIL image"),
    ]:
        assert isinstance(signal, SuperResolutionSignal) and signal.name == name
        assert signal.fingerprint() == expected.fingerprint() and torch.equal(signal.low, expected.low)
    cubic = load_image(path, super_resolution=2, downsampling="bicubic")
    assert torch.equal(cubic.low, SuperResolutionSignal(array, 2, downsampling="bicubic").low)
    reduced = load_image(path, 8, super_resolution=2)
    assert reduced.layout == ImageLayout(6, 8, 3) and reduced.pool("cpu").grid == (3, 4)
    assert type(load_image(path)) is ImageSignal


@pytest.mark.parametrize("factor", [0, 1, -2, 9, 2.5, "2", True])
def test_factors_that_cannot_be(factor):
    with pytest.raises(UsageError, match=f"super_resolution={factor!r} is out of range"):
        SuperResolutionSignal(pixels((8, 12)), factor)


def test_other_bad_input():
    with pytest.raises(UsageError, match=r"downsampling=bix is not known\. Did you mean 'box'\?"):
        SuperResolutionSignal(pixels((8, 12)), 2, downsampling="bix")
    with pytest.raises(UsageError, match="no effect without super_resolution"):
        from_array(pixels((8, 12)), downsampling="box")
    board = (np.indices((8, 8)).sum(0) % 2 * 255).astype(np.uint8)
    for array, factor in [(board, 2), (pixels((8, 8)), 8)]:
        with pytest.raises(UsageError, match="once downsampled by"):
            SuperResolutionSignal(array, factor, "a")
    with pytest.raises(UsageError, match="channels"):
        SuperResolutionSignal(pixels((8, 8, 5)), 2)


@pytest.mark.parametrize("sampler", ["nint", "uniform", "full"])
def test_a_fit_sees_the_small_image_and_decodes_the_large_one(sampler):
    y, x = np.mgrid[0:32, 0:24] / 24
    signal = SuperResolutionSignal((0.5 + 0.4 * np.sin(4 * y + 3 * x)).astype(np.float32), 2)
    fit = nint.fit(signal, field="siren:size=2x16", sampler=sampler, budget=60, lr=2e-3)
    assert fit.record["points"] == 16 * 12
    assert fit.decode().shape == (32, 24) and fit.layout == signal.layout
    curve = fit.record["curve"]
    assert fit.metrics["psnr"] == pytest.approx(psnr(fit.decode(), signal.array), abs=1e-3)
    assert curve[-1]["psnr"] > curve[0]["psnr"] + 3
