import math
import tracemalloc

import numpy as np
import pytest
import torch
from PIL import Image

from nint.errors import UsageError
from nint.metrics import psnr, ssim
from nint.signals.base import GridCoords
from nint.signals.image.loader import from_array, from_pil, load_image
from nint.signals.image.signal import ImageLayout, ImageSignal
from nint.signals.image.write import write_image
from nint.signals.pixels import downsample


def pixels(shape, dtype="uint8", seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def wave(channels):
    """An analytic picture in [0, 1] with a different pattern in each channel."""

    def predict(coords):
        coords = coords[:].double()
        y, x = coords[:, 0], coords[:, 1]
        return torch.stack([0.5 + 0.5 * torch.sin((3 + c) * y + 5 * x * y - c) for c in range(channels)], dim=1).float()

    return predict


def memory_of(signal):
    """A predict function that has learned a signal by heart; coordinates are turned back into row numbers."""
    layout, values = signal.layout, signal.pool("cpu").values

    def predict(coords):
        coords = coords[:].double()
        sides = torch.tensor([layout.height - 1, layout.width - 1])
        row, column = ((coords + 1) / 2 * sides).round().long().unbind(1)
        return values[row * layout.width + column]

    return predict


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_every_level_survives_values_and_decode(dtype, top):
    array = np.arange(top + 1, dtype=dtype).reshape(16, -1)
    signal = ImageSignal(array)
    values = signal.pool("cpu").values
    assert values.dtype == torch.float32 and values.shape == (top + 1, 1)
    assert np.array_equal(values.numpy()[:, 0], (np.arange(top + 1) / np.float64(top)).astype(np.float32))  # the nearest float32
    back = signal.layout.decode(memory_of(signal))
    assert back.dtype == dtype and np.array_equal(back, array)


@pytest.mark.parametrize("shape", [(5, 8), (8, 5, 2), (5, 8, 3), (1, 9, 4), (9, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_pool_and_decode_in_row_order(shape, dtype):
    array = pixels(shape, "uint16").astype(np.float32) / 65535 if dtype == "float32" else pixels(shape, dtype)
    signal = ImageSignal(array, "x")
    height, width, channels = (*shape, 1)[:3]
    pool = signal.pool(torch.device("cpu"))
    assert pool.grid == (height, width) and len(pool) == height * width
    assert (pool.in_features, pool.out_features, pool.value_range) == (2, channels, (0.0, 1.0))
    for row in range(height):
        for column in range(width):
            y, x = (2 * i / (n - 1) - 1 if n > 1 else 0 for i, n in ((row, height), (column, width)))
            assert pool.coords[row * width + column].tolist() == pytest.approx([y, x], abs=1e-6)
    scaled = array if dtype == "float32" else array / np.float64(np.iinfo(dtype).max)
    assert np.allclose(pool.values.numpy(), scaled.reshape(-1, channels), atol=1e-7)
    assert torch.equal(signal.image.reshape(-1, channels), pool.values) and signal.image.shape == (height, width, channels)
    assert signal.layout == ImageLayout(height, width, channels, {"uint8": 8, "uint16": 16, "float32": 32}[dtype])
    back = signal.layout.decode(memory_of(signal))
    assert back.dtype == array.dtype and np.array_equal(back, array)


def test_coordinates_are_a_tensor_until_they_are_many():
    small = ImageSignal(pixels((16, 17))).pool("cpu")
    assert isinstance(small.coords, torch.Tensor)
    large = np.zeros((2048, 2049), np.uint8)
    large[0, 0] = 1
    pool = ImageSignal(large).pool("cpu")
    assert isinstance(pool.coords, GridCoords) and len(pool.coords) == len(pool.values) == 2048 * 2049


def test_points_are_never_redrawn():
    signal = ImageSignal(pixels((4, 4)))
    pool = signal.pool("cpu")
    assert signal.redraw(pool, 10, 0) is pool


def test_bool_is_black_and_white():
    array = pixels((5, 6)) > 127
    signal = ImageSignal(array)
    assert signal.layout.bits == 8
    assert np.array_equal(signal.image[..., 0].numpy(), array.astype(np.float32))


def test_arrays_of_any_memory_order_are_copied():
    base = pixels((6, 8, 3), "uint16")
    for array in (base[::-1], base[:, ::2], base.astype(">u2"), np.asfortranarray(base), base.transpose(1, 0, 2)):
        assert np.array_equal(ImageSignal(array).array, array) and ImageSignal(array).array.flags.c_contiguous
    signal = ImageSignal(base)
    before = signal.fingerprint()
    base[:] = 0
    assert signal.fingerprint() == before and signal.image.max() > 0
    assert np.array_equal(ImageSignal(pixels((6, 8, 1))).array, pixels((6, 8, 1))[..., 0])


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_decode_at_other_sizes_is_the_function_on_that_grid(bits, channels):
    layout = ImageLayout(10, 15, channels, bits)
    predict = wave(channels)
    for options, (height, width) in (
        ({}, (10, 15)),
        ({"scale": 2}, (20, 30)),
        ({"scale": 0.5}, (5, 8)),
        ({"scale": 0.001}, (1, 1)),
        ({"height": 7}, (7, 10)),
        ({"width": 31}, (21, 31)),
        ({"height": 4, "width": 40}, (4, 40)),
        ({"height": 1}, (1, 2)),
    ):
        found = layout.decode(predict, **options)
        y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in (height, width))
        grid = np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1).reshape(-1, 2)
        top = 1 if bits == 32 else 2**bits - 1
        expected = predict(torch.from_numpy(grid)).double().numpy().reshape(height, width, channels) * top
        assert found.shape == ((height, width) if channels == 1 else (height, width, channels))
        assert found.dtype == {8: np.uint8, 16: np.uint16, 32: np.float32}[bits]
        assert np.abs(found.reshape(expected.shape) - expected).max() <= (1e-5 if bits == 32 else 0.5 + 1e-5 * top)


@pytest.mark.parametrize("crop", [(0, 0, 1, 1), (3, 5, 7, 9), (29, 44, 1, 1), (0, 44, 30, 1), (12, 0, 1, 45), (0, 0, 30, 45)])
@pytest.mark.parametrize("channels", [1, 4])
def test_a_crop_is_the_crop_of_the_whole(crop, channels):
    layout = ImageLayout(10, 15, channels, 32)  # floats: equal to the last bit
    whole = layout.decode(wave(channels), scale=3)
    top, left, height, width = crop
    assert np.array_equal(layout.decode(wave(channels), scale=3, crop=crop), whole[top : top + height, left : left + width])


def test_blocks_of_rows_change_nothing(monkeypatch):
    layout = ImageLayout(37, 11, 2, 32)
    whole = layout.decode(wave(2))
    for points in (1, 11, 30, 11 * 36):
        sizes = []

        def predict(coords, sizes=sizes):
            sizes.append(len(coords))
            return wave(2)(coords)

        monkeypatch.setattr("nint.signals.image.layout._BLOCK_POINTS", points)
        assert np.array_equal(layout.decode(predict), whole)
        assert sum(sizes) == 37 * 11 and max(sizes) <= max(points, 11)


def test_a_small_crop_of_a_huge_decode_costs_little():
    asked = []

    def predict(coords):
        asked.append(len(coords))
        return coords[:, :1] * 0 + 0.5

    layout = ImageLayout(1000, 1000, 1)
    tracemalloc.start()
    found = layout.decode(predict, scale=1000, crop=(999_990, 3, 10, 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.shape == (10, 20) and (found == 128).all()
    assert sum(asked) == 200 and peak < 2**20


def test_decode_clamps_and_rounds():
    levels = [-3.0, 0.0, 0.49 / 255, 0.51 / 255, 254.4 / 255, 1.0, 7.0, math.inf, -math.inf]

    def predict(coords):
        return torch.tensor(levels, requires_grad=True)[:, None]

    assert ImageLayout(3, 3, 1, 8).decode(predict).reshape(-1).tolist() == [0, 0, 0, 1, 254, 255, 255, 255, 0]
    assert ImageLayout(3, 3, 1, 16).decode(predict).reshape(-1).tolist() == [0, 0, 126, 131, 65381, 65535, 65535, 65535, 0]
    assert ImageLayout(3, 3, 1, 32).decode(predict).min() == 0


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"scale": 0}, "scale=0"),
        ({"scale": -1}, "scale=-1"),
        ({"scale": math.nan}, "scale=nan"),
        ({"scale": math.inf}, "scale=inf"),
        ({"scale": 2, "height": 4}, "not both"),
        ({"height": 0}, "height=0"),
        ({"width": -3}, "width=-3"),
        ({"height": 4, "width": 0}, "width=0"),
        ({"height": 2.5}, "height=2.5"),
        ({"crop": (0, 0, 11, 1)}, "10 rows and 15 columns"),
        ({"crop": (-1, 0, 1, 1)}, "not inside"),
        ({"crop": (0, 0, 0, 1)}, "not inside"),
        ({"crop": (0, 10, 1, 6)}, "not inside"),
        ({"crop": (0, 0, 1)}, "four whole numbers"),
        ({"crop": (0, 0, 1, 1.5)}, "four whole numbers"),
        ({"crop": 3}, "four whole numbers"),
        ({"scale": 1e9}, "does not fit in memory"),
        ({"scale": 1e30}, "does not fit in memory"),
        ({"scale": 1.7e308}, "does not fit in memory"),
        ({"scale": 1e5}, "does not fit in memory"),
        ({"height": 2**63 - 1}, "does not fit in memory"),
        ({"width": 2**63 - 1, "height": 1}, "does not fit in memory"),
        ({"width": 2**24, "height": 2**24, "crop": (0, 0, 2**24, 2**24)}, "decode a smaller one, or crops of it"),
    ],
)
def test_sizes_and_crops_that_cannot_be(options, word):
    with pytest.raises(UsageError, match=word):
        ImageLayout(10, 15, 1).decode(wave(1), **options)


def test_nan_is_not_an_image():
    with pytest.raises(UsageError, match="NaN"):
        ImageLayout(4, 4, 1).decode(lambda coords: coords[:, :1] * math.nan)


def test_decoded_pixels_are_written_and_read(tmp_path):
    signal = ImageSignal(pixels((5, 8, 4), "uint16"))
    signal.layout.write(signal.layout.decode(memory_of(signal)), tmp_path / "a.png")
    again = load_image(tmp_path / "a.png")
    assert again.name == "a.png" and again.layout == signal.layout and np.array_equal(again.array, signal.array)


def test_evaluate_scores_the_whole_image():
    signal = ImageSignal(pixels((20, 30, 3)))
    predict = wave(3)
    prediction = predict(GridCoords((20, 30))).numpy().reshape(20, 30, 3)
    target = signal.array / 255
    found = signal.evaluate(predict)
    assert list(found) == ["psnr", "ssim"]  # too small for LPIPS
    expected = 10 * math.log10(1 / np.mean((prediction - target) ** 2))
    assert found["psnr"] == pytest.approx(expected, rel=1e-6)
    assert found["ssim"] == pytest.approx(ssim(prediction, target), abs=1e-6)
    assert found["psnr"] == pytest.approx(psnr(prediction, target), rel=1e-6)
    assert signal.evaluate(memory_of(signal)) == {"psnr": math.inf, "ssim": 1.0}


@pytest.mark.parametrize(("shape", "names"), [((6, 40), ["psnr"]), ((40, 6, 3), ["psnr"]), ((7, 7), ["psnr", "ssim"])])
def test_ssim_is_absent_where_its_window_does_not_fit(shape, names):
    signal = ImageSignal(pixels(shape))
    assert list(signal.evaluate(wave(signal.layout.channels))) == names


def test_fingerprint_sees_shape_type_and_content():
    array = pixels((4, 6))
    changed = array.copy()
    changed[3, 5] ^= 1
    variants = [array, array.reshape(6, 4), array.astype(np.uint16), changed, array.reshape(4, 3, 2)]
    prints = [ImageSignal(a).fingerprint() for a in variants]
    assert len(set(prints)) == len(variants)
    assert prints[0] == ImageSignal(array.copy(), "another name").fingerprint() and len(prints[0]) == 16


@pytest.mark.parametrize(
    ("array", "word"),
    [
        (np.zeros((1, 1), np.uint8), "single pixel"),
        (np.zeros((1, 1, 3), np.uint8), "single pixel"),
        (np.full((5, 6), 7, np.uint8), "nothing to learn"),
        (np.full((5, 6, 3), (1, 2, 3), np.uint8), "nothing to learn"),
        (np.zeros((0, 5), np.uint8), "empty"),
        (np.zeros((4, 5, 0)), "empty"),
        (np.array([[0.1, np.inf]]), "NaN or infinity"),
        (np.array([[0.1, 1.01]]), "scale floats"),
        (np.array([[0.1, -0.01]]), "scale floats"),
        (np.array([[0.0, 200.0]]), "from 0 to 200"),
        (np.arange(4).reshape(2, 2), "int64"),
        (np.arange(4, dtype=np.int8).reshape(2, 2), "int8"),
        (np.arange(4, dtype=np.uint32).reshape(2, 2), "uint32"),
        (np.ones((2, 2), complex), "complex"),
        (np.array([[None, 1]]), "object"),
        (np.array([["a", "b"]]), "U1"),
        (np.zeros(9), "shape"),
        (np.zeros((2, 2, 2, 2)), "shape"),
        (np.zeros((4, 5, 6)), "channels seem to come first"),
        (np.zeros((5, 5, 5)), "1 to 4 channels"),
    ],
)
def test_arrays_that_cannot_be_fitted(array, word):
    for build in (ImageSignal, from_array, lambda a, n: from_array(a, n, max_side=3)):
        with pytest.raises(UsageError, match=word) as caught:
            build(array, "mine")
        text = str(caught.value)
        assert "'mine'" in text and text.endswith(".") and "\n" not in text


def test_a_strip_can_be_fitted():
    assert ImageSignal(np.array([[0, 1]], np.uint8)).layout == ImageLayout(1, 2, 1)
    assert ImageSignal(np.array([[0.0], [1.0]])).layout == ImageLayout(2, 1, 1, 32)


def test_a_constant_or_one_pixel_file_is_refused_by_name(tmp_path):
    write_image(np.zeros((1, 1), np.uint8), tmp_path / "dot.png")
    with pytest.raises(UsageError, match=r"'dot.png' is a single pixel"):
        load_image(tmp_path / "dot.png")
    write_image(np.full((9, 9, 3), 5, np.uint16), tmp_path / "flat.png")
    with pytest.raises(UsageError, match=r"'flat.png' has the same value in every pixel"):
        load_image(tmp_path / "flat.png")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_max_side_averages_areas_in_the_files_depth(dtype, channels):
    array = pixels((24, 36, channels), "uint16").astype(np.float32) / 65535 if dtype == "float32" else pixels((24, 36, channels), dtype)
    found = from_array(array, max_side=12).array.reshape(8, 12, channels)
    expected = array.astype(np.float64).reshape(8, 3, 12, 3, channels).mean(axis=(1, 3))
    assert found.dtype == array.dtype
    assert np.abs(found - expected).max() <= (1e-6 if dtype == "float32" else 0.5 + 1e-9)


def test_max_side_with_a_fraction_weighs_partial_pixels():
    array = pixels((1, 10), "uint16")
    found = downsample(array, 4)  # each new pixel covers 2.5 old ones
    fine = np.repeat(array[0].astype(np.float64), 2).reshape(4, 5).mean(axis=1)
    assert found.shape == (1, 4) and np.abs(found[0] - fine).max() <= 0.5 + 1e-2


@pytest.mark.parametrize(
    ("shape", "max_side", "expected"),
    [((30, 50), 25, (15, 25)), ((50, 30), 25, (25, 15)), ((7, 100), 10, (1, 10)), ((1, 300), 10, (1, 10)), ((31, 50), 50, (31, 50))],
)
def test_max_side_keeps_the_aspect(shape, max_side, expected):
    assert from_array(pixels(shape), max_side=max_side).array.shape == expected


def test_max_side_never_enlarges_and_is_checked():
    array = pixels((5, 8))
    assert np.array_equal(from_array(array, max_side=100).array, array)
    for wrong in (0, -1, 2.5, True, "9"):
        with pytest.raises(UsageError, match="max_side"):
            from_array(array, max_side=wrong)
    with pytest.raises(UsageError, match="single pixel"):
        from_array(array, max_side=1)
    board = (np.indices((8, 8)).sum(axis=0) % 2).astype(np.uint8) * 254
    with pytest.raises(UsageError, match="nothing to learn"):
        from_array(board, max_side=4)


def test_pil_images():
    array = pixels((5, 8, 3))
    signal = from_pil(Image.fromarray(array))
    assert np.array_equal(signal.array, array) and signal.name == "PIL image"
    assert from_pil(Image.fromarray(array).convert("P")).layout.channels == 3
    assert from_pil(Image.fromarray(pixels((5, 8)) > 99)).layout.channels == 1
    deep = pixels((5, 8), "uint16")
    assert np.array_equal(from_pil(Image.fromarray(deep)).array, deep)
    assert np.array_equal(from_pil(Image.fromarray(deep.astype(np.int32))).array, deep)
    with pytest.raises(UsageError, match="beyond 16 bits"):
        from_pil(Image.fromarray(deep.astype(np.int32) + 2**16))
    floats = deep.astype(np.float32) / 65535
    assert np.array_equal(from_pil(Image.fromarray(floats)).array, floats)


def test_pil_images_of_files_are_upright_and_not_reduced_silently(tmp_path):
    array = pixels((4, 7, 3))
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        signal = from_pil(image, max_side=7)
    assert signal.name == "a.png" and np.array_equal(signal.array, np.rot90(array, -1))
    for shape in ((4, 7, 3), (4, 7, 4), (4, 7, 2)):
        write_image(pixels(shape, "uint16"), tmp_path / "deep.png")
        with Image.open(tmp_path / "deep.png") as image, pytest.raises(UsageError, match="16 bits"):
            from_pil(image)
    data = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2 + 20])
    with Image.open(tmp_path / "cut.png") as image, pytest.raises(UsageError, match=r"cut\.png"):
        from_pil(image)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        (ImageLayout(512, 768, 3), "768x512 RGB image, 8 bits"),
        (ImageLayout(1, 2, 1, 16), "2x1 grey image, 16 bits"),
        (ImageLayout(3, 4, 4, 32), "4x3 RGBA image, 32-bit float"),
        (ImageLayout(3, 4, 2), "4x3 grey+alpha image, 8 bits"),
    ],
)
def test_describe(layout, text):
    assert layout.describe() == text


@pytest.mark.parametrize(
    "values", [(0, 5, 3, 8), (5, -1, 3, 8), (5, 5, 5, 8), (5, 5, 0, 8), (5, 5, 3, 12), (5.0, 5, 3, 8), (5, 5, True, 8), (5, 5, [3], 8)]
)
def test_layouts_that_cannot_be(values):
    with pytest.raises(UsageError, match="image layout"):
        ImageLayout(*values)
