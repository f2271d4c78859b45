import json
import math
import tracemalloc

import numpy as np
import pytest
import torch

import nint
from nint.errors import UsageError
from nint.signals.base import GridCoords
from nint.signals.grid.array import ArrayLayout, ArraySignal, load_array
from nint.signals.grid.grid_layout import allocate
from nint.signals.grid_rows import ChunkRows, GridValues, rows_of
from nint.signals.kinds import detect_kind
from nint.signals.measure import measure, spread_rows
from nint.signals.open import layout_from_json, open_signal

DTYPES = ["bool", "int8", "uint8", "int16", ">i2", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32", ">f4", "float64"]


def numbers(shape, dtype="float32", seed=0):
    rng, dtype = np.random.default_rng(seed), np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.random(shape) * 300 - 100).astype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) > 0.5
    top = min(np.iinfo(dtype).max, 60_000)
    return rng.integers(max(np.iinfo(dtype).min, -60_000), top, shape, endpoint=True).astype(dtype)


def by_heart(signal):
    """A predict function that has learned a signal by heart; coordinates are turned back into row numbers."""
    grid, values = signal.layout.grid, signal.values

    def predict(coords):
        coords = coords[:].double()
        index = [((coords[:, i] + 1) / 2 * (points - 1)).round().long().numpy() for i, points in enumerate(grid)]
        return values[torch.from_numpy(np.ravel_multi_index(index, grid))]

    return predict


def ramp(coords):
    """A cheap function of the first two coordinates."""
    coords = coords[:]
    return (0.5 + 0.3 * coords[:, :1] * coords[:, 1:2]).float()


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_comes_back(dtype):
    array = numbers((5, 7), dtype)
    signal = ArraySignal(array)
    back = signal.layout.decode(by_heart(signal))
    assert back.dtype == array.dtype and back.shape == array.shape
    low, high = float(array.min()), float(array.max())
    if dtype == "bool" or np.dtype(dtype).kind in "iu":
        assert np.array_equal(back, array)
    else:
        assert np.allclose(back.astype(np.float64), array.astype(np.float64), atol=(high - low) * (1e-3 if dtype == "float16" else 1e-6))
    expected = (array.astype(np.float64) - low) / (high - low)
    assert np.allclose(signal.values.numpy()[:, 0], expected.reshape(-1), atol=1e-6) and signal.values.dtype == torch.float32


def test_large_whole_numbers_that_differ_by_little_are_exact():
    for dtype, start in (("int64", -(2**62)), ("int64", 2**62), ("uint64", 2**64 - 300)):
        array = np.array([start + i for i in (0, 7, 131, 250)], dtype)
        signal = ArraySignal(array)
        assert np.array_equal(signal.layout.decode(by_heart(signal)), array)
        assert np.allclose(signal.values[:, 0].numpy(), np.array([0, 7, 131, 250]) / 250, atol=1e-7)
        assert np.array_equal(layout_from_json(json.loads(json.dumps(signal.layout.to_json()))).decode(by_heart(signal)), array)


def test_predictions_outside_are_clipped_and_rounded():
    layout = ArrayLayout((4,), None, "|u1", 10, 20)
    wild = torch.tensor([[-3.0], [0.26], [0.24], [7.0]])
    assert layout.decode(lambda coords: wild).tolist() == [10, 13, 12, 20]
    with pytest.raises(UsageError, match="predicts NaN"):
        layout.decode(lambda coords: wild * math.nan)


@pytest.mark.parametrize(
    ("shape", "in_dims", "grid", "channels"),
    [
        ((9,), None, (9,), None),
        ((9, 3), None, (9, 3), None),
        ((9, 3), 1, (9,), 3),
        ((5, 6, 4), None, (5, 6), 4),
        ((5, 6, 4), 3, (5, 6, 4), None),
        ((5, 6, 7), None, (5, 6, 7), None),
        ((2, 3, 4, 3), None, (2, 3, 4, 3), None),
        ((2, 3, 4, 3), 3, (2, 3, 4), 3),
        ((2, 3, 2, 2, 2), 5, (2, 3, 2, 2, 2), None),
        ((2, 3, 2, 2, 9), 4, (2, 3, 2, 2), 9),
    ],
)
def test_axes_pool_and_round_trip(shape, in_dims, grid, channels):
    array = numbers(shape, "int16")
    signal = ArraySignal(array, in_dims=in_dims, name="x")
    assert (signal.layout.grid, signal.layout.channels) == (grid, channels)
    pool = signal.pool("cpu")
    assert pool.grid == grid and pool.in_features == len(grid) and pool.out_features == (channels or 1) and len(pool) == math.prod(grid)
    assert np.array_equal(signal.layout.decode(by_heart(signal)), array)
    assert layout_from_json(json.loads(json.dumps(signal.layout.to_json()))) == signal.layout
    assert any("in_dims" in said for said in signal.report()) == (in_dims is None and len(shape) > 1)


def test_decode_at_other_sizes_is_the_function_on_that_grid():
    layout = ArrayLayout((10, 16), None, "<f8", -1.0, 3.0)
    for options, shape in (({}, (10, 16)), ({"scale": 0.5}, (5, 8)), ({"shape": (7, 30)}, (7, 30)), ({"shape": [1, 2]}, (1, 2))):
        decoded = layout.decode(ramp, **options)
        y, x = (np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape)
        assert decoded.shape == shape and np.allclose(decoded, -1 + 4 * (0.5 + 0.3 * y[:, None] * x), atol=1e-6)
    assert ArrayLayout((10,), None, "<f8", -1.0, 3.0).decode(lambda c: c[:, :1], shape=4).shape == (4,)
    for options, said in (
        ({"scale": 0.0}, "scale=0 is out of range"),
        ({"scale": math.nan}, "scale=nan must be a finite number"),
        ({"shape": (3,)}, "shape=3 has 1 axes; the signal has 2"),
        ({"shape": (3, 0)}, "shape=0 is out of range"),
        ({"shape": (3, 4), "scale": 2.0}, "either a scale or a shape"),
        ({"shape": (1.5, 2)}, "shape=1.5 is out of range"),
    ):
        with pytest.raises(UsageError, match=said):
            layout.decode(ramp, **options)


@pytest.mark.parametrize("order", ["c", "fortran", "strided", "mapped", "mapped fortran", "zarr", "zarr.zip"])
@pytest.mark.parametrize("in_dims", [2, 3])
def test_lazy_rows_equal_eager_ones(order, in_dims, tmp_path):
    array = numbers((11, 13, 3), "uint16")
    if "mapped" in order:
        np.save(tmp_path / "a.npy", np.asfortranarray(array) if "fortran" in order else array)
        source = load_array(tmp_path / "a.npy", in_dims=in_dims)._rows.source
        assert isinstance(source, np.memmap)
    elif "zarr" in order:
        zarr = pytest.importorskip("zarr", reason="zarr is the extra 'large'")
        store = zarr.storage.ZipStore(tmp_path / "a.zip", mode="w") if "zip" in order else tmp_path / "a.zarr"
        zarr.create_array(store, data=array, chunks=(4, 5, 2))
        if "zip" in order:
            store.close()
        source = load_array(tmp_path / ("a.zip" if "zip" in order else "a.zarr"), in_dims=in_dims)._rows.source
    else:
        source = {"c": array, "fortran": np.asfortranarray(array), "strided": np.repeat(array, 2, axis=1)[:, ::2]}[order]
    signal = ArraySignal(source, in_dims=in_dims)
    channels = 3 if in_dims == 2 else 1
    expected = ((array.astype(np.float64) - array.min()) / (float(array.max()) - array.min())).reshape(-1, channels).astype(np.float32)
    lazy = GridValues(rows_of(source, in_dims), signal.layout.scaling)
    n = len(expected)
    assert lazy.shape == (n, channels) == (len(lazy), channels) and np.array_equal(signal.values.numpy(), expected)
    for rows in (slice(None), slice(17, 90), slice(3, 100, 7), slice(5, 5), slice(n - 4, n + 9)):
        assert np.array_equal(lazy[rows].numpy(), expected[rows])
    picked = torch.randint(n, (200,), generator=torch.Generator().manual_seed(1))
    assert np.array_equal(lazy[picked].numpy(), expected[picked]) and lazy[picked].dtype == torch.float32
    assert lazy[torch.empty(0, dtype=torch.long)].shape == (0, channels)


def test_chunks_beyond_the_cache_are_read_again(tmp_path, monkeypatch):
    zarr = pytest.importorskip("zarr", reason="zarr is the extra 'large'")
    array = numbers((20, 20), "uint8")
    source = zarr.create_array(tmp_path / "a.zarr", data=array, chunks=(5, 5))
    monkeypatch.setattr("nint.signals.grid_rows._CACHE_BYTES", 60)
    rows = ChunkRows(source, 2)
    for _ in range(3):
        assert np.array_equal(rows.between(0, 400)[:, 0], array.reshape(-1))
        assert sum(chunk.nbytes for kept in (rows._staying, rows._latest) for chunk in kept.values()) <= 60


class CountedChunks:
    """An array in chunks of 5x5 that notes which chunk is read."""

    chunks = (5, 5)

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.read = array, array.shape, array.dtype, []

    def __getitem__(self, corner):
        self.read.append(tuple(part.start // 5 for part in corner))
        return self.array[corner]


@pytest.mark.parametrize(("limit", "first", "later"), [(200, 16, 12), (300, 16, 10), (400, 16, 0), (24, 80, 80)])
def test_a_sweep_over_more_than_the_cache_finds_what_fits(limit, first, later, monkeypatch):
    array = numbers((20, 20), "uint8")
    monkeypatch.setattr("nint.signals.grid_rows._CACHE_BYTES", limit)
    rows = ChunkRows(CountedChunks(array), 2)
    for expected in (first, later, later):
        rows.source.read.clear()
        for start in range(0, 400, 20):  # one row of the array at a time: it crosses four chunks, each of them five times
            assert np.array_equal(rows.between(start, start + 20)[:, 0], array.reshape(-1)[start : start + 20])
        assert len(rows.source.read) == expected


def test_a_hundred_megapixels_are_never_loaded(tmp_path):
    file = np.lib.format.open_memmap(tmp_path / "photo.npy", "w+", np.uint8, (10_000, 10_000))
    file[::97, ::89] = 200
    file[0, 1] = 255
    del file
    tracemalloc.start()
    try:
        signal = load_array(tmp_path / "photo.npy")
        pool = signal.pool("cpu")
        assert isinstance(pool.coords, GridCoords) and isinstance(pool.values, GridValues) and len(pool) == 10**8
        picked = torch.tensor([0, 1, 97 * 10_000 + 89, 10**8 - 1])
        assert pool.values[picked][:, 0].tolist() == [np.float32(200 / 255), 1, np.float32(200 / 255), 0]
        found = signal.evaluate(lambda coords: torch.zeros(len(coords), 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20
    share = (1 / 97) * (1 / 89) * (200 / 255) ** 2  # mean square of the true values
    assert found["psnr"] == pytest.approx(10 * math.log10(1 / share), abs=0.5)
    assert "PSNR is estimated on 1048576 random points." in signal.report()
    assert found == signal.evaluate(lambda coords: torch.zeros(len(coords), 1))


@pytest.mark.parametrize("sampler", ["uniform:batch_size=50", "nint:batch_size=50,candidates=300", "nint"])
def test_points_stay_lazy_through_a_fit(sampler, tmp_path, monkeypatch):
    limit = 2**10
    for module in ("measure", "grid.gridded"):
        monkeypatch.setattr(f"nint.signals.{module}.MEASURE_UP_TO", limit)
    monkeypatch.setattr("nint.signals.measure.ESTIMATE_POINTS", 500)
    np.save(tmp_path / "a.npy", np.add.outer(np.arange(100), np.arange(90)).astype(np.float32))
    signal = load_array(tmp_path / "a.npy")
    assert isinstance(signal.pool("cpu").values, GridValues) and isinstance(signal.pool("cpu").coords, GridCoords)
    read = []
    for cls in (GridValues, GridCoords):
        original = cls.__getitem__
        monkeypatch.setattr(
            cls, "__getitem__", lambda self, rows, original=original: read.append(len(found := original(self, rows))) or found
        )
    fit = nint.fit(signal, field="siren:size=1x8", sampler=sampler, budget=3, lr=1e-3, eval_every=3)
    assert 0 < max(read) <= (9000 if sampler == "nint" else 500)
    assert fit.decode().shape == (100, 90) and math.isfinite(fit.metrics["psnr"])


def test_quality_of_all_points_and_of_a_sample(monkeypatch):
    array = numbers((60, 70), "float64")
    signal = ArraySignal(array)
    unit = (array - array.min()) / (array.max() - array.min())
    expected = 10 * math.log10(1 / np.mean((np.clip(ramp(GridCoords((60, 70))).numpy()[:, 0], 0, 1) - unit.reshape(-1)) ** 2))
    assert signal.evaluate(ramp)["psnr"] == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr("nint.signals.grid_rows.BLOCK_POINTS", 100)
    assert signal.evaluate(ramp)["psnr"] == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr("nint.signals.measure.MEASURE_UP_TO", 2000)
    monkeypatch.setattr("nint.signals.measure.ESTIMATE_POINTS", 1500)
    estimate = signal.evaluate(ramp)["psnr"]
    assert estimate != pytest.approx(expected, abs=1e-6) and estimate == pytest.approx(expected, abs=0.5)
    assert signal.evaluate(by_heart(signal)) == {"psnr": math.inf}
    assert math.isnan(signal.evaluate(lambda coords: ramp(coords) * math.nan)["psnr"])


def test_sampled_rows_are_distinct_in_range_and_the_same_every_time():
    for n, count in ((10, 10), (11, 10), (2**22 + 1, 2**20), (10**8, 1000), (10**12, 100)):
        rows = spread_rows(n, count)
        assert len(rows) == count and torch.equal(rows, spread_rows(n, count))
        assert int(rows[0]) >= 0 and int(rows[-1]) < n and bool((rows[1:] > rows[:-1]).all())


def test_nan_is_unobserved_and_left_out_of_the_quality():
    array = numbers((9, 11, 2), "float32")
    array[2, 3, 1] = array[5, :, 0] = np.nan
    signal = ArraySignal(array, in_dims=2)
    seen = ~np.isnan(array).any(axis=2).reshape(-1)
    assert torch.equal(signal.observed, torch.from_numpy(seen)) and ArraySignal(np.nan_to_num(array)).observed is None
    low, high = np.nanmin(array), np.nanmax(array)
    assert (signal.layout.low, signal.layout.high) == (low, high)
    unit = ((array - np.float64(low)) / (np.float64(high) - low)).reshape(-1, 2)[seen]
    assert signal.evaluate(lambda coords: torch.full((len(coords), 2), 0.25)) == {
        "psnr": pytest.approx(10 * math.log10(1 / np.mean((0.25 - unit) ** 2)), abs=1e-4)
    }
    with pytest.raises(UsageError, match="NaN in every point"):
        ArraySignal(np.full((4, 5), np.nan))
    assert measure(lambda coords: coords, torch.zeros(3, 1), torch.full((3, 1), math.nan)) == ({}, None)
    masked = np.ma.masked_less(numbers((5, 6), "float32"), 0.0)
    assert torch.equal(ArraySignal(masked).observed, torch.from_numpy(~masked.mask.reshape(-1)))


@pytest.mark.parametrize("sampler", ["full", "uniform", "nint"])
@pytest.mark.parametrize(("shape", "in_dims"), [((40,), None), ((8, 9), None), ((4, 5, 6), None), ((3, 4, 3, 2), 3)])
def test_file_to_fit_to_file(sampler, shape, in_dims, tmp_path):
    np.save(tmp_path / "a.npy", numbers(shape, ">i2"))
    fit = nint.fit(
        tmp_path / "a.npy", kind="array", in_dims=in_dims, field="siren:size=1x8", sampler=sampler, budget=5, out=tmp_path / "run"
    )
    fit = nint.Fit.load(tmp_path / "run" / "model.safetensors")
    fit.write(tmp_path / "b.npy")
    back = np.load(tmp_path / "b.npy")
    assert back.dtype == ">i2" and back.shape == shape and np.array_equal(back, fit.decode())
    assert fit.evaluate(tmp_path / "a.npy", kind="array", in_dims=in_dims)["psnr"] == pytest.approx(fit.metrics["psnr"], abs=1e-4)


@pytest.mark.parametrize("sampler", ["full", "uniform", "nint"])
def test_unobserved_points_are_never_trained_on(sampler):
    array = numbers((9, 11), "float32")
    array[2:5, 3:6] = np.nan
    fit = nint.fit(array, in_dims=2, field="siren:size=1x8", sampler=sampler, budget=5)
    assert math.isfinite(fit.metrics["psnr"]) and np.isfinite(fit.decode()).all() and fit.record["points"] == 90


def test_written_files(tmp_path):
    layout = ArrayLayout((5, 6), 3, "<u2", 0, 65535)
    pixels = numbers((5, 6, 3), "uint16")
    layout.write(pixels, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), pixels)
    for name in ("a.png", "a.tif"):
        layout.write(pixels.astype(">u2"), tmp_path / name)
        assert np.array_equal(open_signal(tmp_path / name).array, pixels)
    for bad, name, said in (
        (layout, "a.jpg", "no ending that an array can be written with"),
        (layout, "a.npz", "no ending that an array can be written with"),
        (ArrayLayout((5, 6), 2, "<u2", 0, 9), "b.png", "5x6 array of 2 channels, uint16 cannot be written as .png"),
        (ArrayLayout((5,), 3, "<u2", 0, 9), "b.png", "only two-dimensional"),
        (ArrayLayout((5, 6, 7), None, "<f4", 0, 9), "b.tif", "its axes have no names"),
    ):
        with pytest.raises(UsageError, match=said):
            bad.write(pixels, tmp_path / name)
    assert not list(tmp_path.glob("b.*")) and not list(tmp_path.glob(".*"))


def test_written_zarr(tmp_path):
    pytest.importorskip("zarr", reason="zarr is the extra 'large'")
    array = numbers((40, 30), "float32")
    layout = ArraySignal(array).layout
    layout.write(array, tmp_path / "a.zarr")
    again = load_array(tmp_path / "a.zarr")
    assert np.array_equal(again._rows.source[:], array) and again.layout == layout and detect_kind(tmp_path / "a.zarr") == "array"
    with pytest.raises(UsageError, match="not an empty folder"):
        layout.write(array, tmp_path / "a.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_zarr_groups_and_other_folders(tmp_path):
    zarr = pytest.importorskip("zarr", reason="zarr is the extra 'large'")
    group = zarr.open_group(tmp_path / "g.zarr", mode="w")
    with pytest.raises(UsageError, match="holds no array"):
        load_array(tmp_path / "g.zarr")
    group.create_array("one", data=numbers((6, 7)))
    assert load_array(tmp_path / "g.zarr").layout.grid == (6, 7)
    group.create_array("two", data=numbers((6, 7)))
    with pytest.raises(UsageError, match="one, two"):
        load_array(tmp_path / "g.zarr")
    (tmp_path / "plain.zarr").mkdir()
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 nothing")
    for name in ("plain.zarr", "broken.zip"):
        with pytest.raises(UsageError, match="not a readable zarr"):
            load_array(tmp_path / name)


def test_uncompressed_tiff_in_place(tmp_path):
    import tifffile

    pixels = numbers((20, 30), "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    tifffile.imwrite(tmp_path / "b.tif", pixels, compression="zlib")
    for name, mapped in (("a.tif", True), ("b.tif", False)):
        signal = load_array(tmp_path / name)
        assert isinstance(signal._rows.source, np.memmap) is mapped
        assert np.array_equal(signal.layout.decode(by_heart(signal)), pixels)


def test_large_outputs_lie_in_a_file_that_is_gone_with_them(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("nint.signals.grid.grid_layout._OUTPUT_BYTES_IN_MEMORY", 100)
    layout = ArrayLayout((10, 16), None, "<f8", -1.0, 3.0)
    decoded = layout.decode(ramp)
    assert isinstance(decoded, np.memmap) and not list(tmp_path.iterdir())
    y, x = np.linspace(-1, 1, 10), np.linspace(-1, 1, 16)
    assert np.allclose(decoded, -1 + 4 * (0.5 + 0.3 * y[:, None] * x), atol=1e-6)
    layout.write(decoded, tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), decoded)
    with pytest.raises(UsageError, match="no room"):
        allocate((2**31, 2**30), np.dtype("f8"))


def test_fingerprint_follows_the_content():
    array = numbers((6, 7), "float32")
    other = array.copy()
    other[3, 3] += 1
    prints = {ArraySignal(a).fingerprint() for a in (array, other, array.astype("f8"), array.reshape(7, 6))}
    assert len(prints) == 4 and ArraySignal(array.copy()).fingerprint() in prints
    assert ArraySignal(array[..., None], in_dims=2).layout.channels == 1


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([["a", "b"]]), "cannot be fitted"),
        (np.array([[1, None]], dtype=object), "cannot be fitted"),
        (np.zeros((3, 4), "complex64"), "two channels"),
        (np.zeros(3, [("a", "f4")]), "cannot be fitted"),
        (np.zeros((3, 2), "datetime64[s]"), "cannot be fitted"),
        (np.zeros((3, 0)), "is empty"),
        (np.array(3.0), "single number"),
        (np.ones((1, 1)), "single point"),
        (np.full((4, 5), 7), "same value everywhere"),
        (np.array([1.0, np.inf, 2.0]), "infinity"),
        (np.array([-1.7e308, 1.7e308]), "too wide"),
        (np.array([0, 2**60]), "too wide"),
        (np.zeros((2,) * 5), "in_dims=4 or 5"),
        (np.ma.masked_array([1, 2, 3], [0, 1, 0]), "knows no NaN"),
    ],
)
def test_arrays_that_cannot_be_fitted(array, words):
    with pytest.raises(UsageError, match=words) as error:
        ArraySignal(array, name="it")
    assert "it" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("in_dims", [0, -1, 1, 4, 2.5, "2"])
def test_in_dims_that_do_not_fit(in_dims):
    with pytest.raises(UsageError, match="must be 2 or 3"):
        ArraySignal(numbers((4, 5, 6)), in_dims=in_dims)


def test_files_that_cannot_be_read(tmp_path):
    np.save(tmp_path / "object.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save(tmp_path / "empty.npy", np.zeros((0, 3)))
    np.save(tmp_path / "whole.npy", numbers((50, 50)))
    data = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "short.npy").write_bytes(data[:5000])
    (tmp_path / "header.npy").write_bytes(data[:20])
    (tmp_path / "text.npy").write_text("hello")
    (tmp_path / "nothing.npy").write_bytes(b"")
    (tmp_path / "a.dat").write_bytes(data)
    for name, said in (
        ("object", "holds object, which cannot be fitted"),
        ("empty", r"is empty: its shape is \(0, 3\)"),
        ("short", "is cut short|is damaged or cut short"),
        ("header", "is not a readable .npy file"),
        ("text", "is not a readable .npy file"),
        ("nothing", "is not a readable .npy file|is empty"),
        ("missing", "is not a readable .npy file|no file"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            load_array(tmp_path / f"{name}.npy")
        assert name in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(UsageError, match="not a file of one array"):
        load_array(tmp_path / "a.dat")


@pytest.mark.parametrize(
    "change",
    [
        {"grid": []},
        {"grid": [0, 4]},
        {"grid": "ab"},
        {"grid": [2.5]},
        {"channels": 0},
        {"dtype": "|O"},
        {"dtype": "nonsense"},
        {"dtype": "<c8"},
        {"low": 5, "high": 5},
        {"low": None},
        {"high": True},
        {"high": math.inf},
        {"extra": 1},
    ],
)
def test_damaged_headers(change):
    header = {"kind": "array", "grid": [4, 5], "channels": None, "dtype": "<f4", "low": 0.0, "high": 1.0}
    assert layout_from_json(header).describe() == "4x5 array, float32"
    with pytest.raises(UsageError, match=f"array layout.*{next(iter(change))}|array layout holds"):
        layout_from_json(header | change)


def test_kind_of_a_file(tmp_path):
    np.save(tmp_path / "a.npy", numbers((5, 6)))
    assert detect_kind(tmp_path / "a.npy") == "array"
    signal = open_signal(tmp_path / "a.npy")
    assert isinstance(signal, ArraySignal) and signal.name == "a.npy" and signal.defaults.source.startswith("no published setting")
    assert signal.layout.describe() == "5x6 array, float32"
    assert ArraySignal(numbers((5, 6, 2))).layout.describe() == "5x6 array of 2 channels, float32"


def test_a_large_uncompressed_tiff_is_mapped_as_an_array(tmp_path, monkeypatch):
    import tifffile

    from nint.signals.grid import tiff_files

    monkeypatch.setattr(tiff_files, "_LARGE", 100)
    pixels = np.random.default_rng(0).integers(0, 255, (12, 14, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "large.tif", pixels, photometric="rgb")
    tifffile.imwrite(tmp_path / "packed.tif", pixels, photometric="rgb", compression="zlib")
    tifffile.imwrite(tmp_path / "small.tif", pixels[:5, :5], photometric="rgb")
    kinds = {name: open_signal(tmp_path / f"{name}.tif").layout.kind for name in ("large", "packed", "small")}
    assert kinds == {"large": "array", "packed": "image", "small": "image"}
