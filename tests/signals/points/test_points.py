import json
import math
import re
import zipfile

import numpy as np
import pytest
import torch

import nint
from nint.errors import UsageError
from nint.signals.kinds import detect_kind
from nint.signals.open import layout_from_json, open_signal
from nint.signals.points.csv_files import read_csv
from nint.signals.points.signal import PointsLayout, PointsSignal, load_points


def scattered(n=50, seed=0):
    """Coordinates far from 0 with axes of different extent, and two values of different size."""
    rng = np.random.default_rng(seed)
    coords = rng.random((n, 2)) * [1000, 0.5] + [5e6, -3]
    values = np.stack([np.sin(coords[:, 1] * 4) * 40 + 280, coords[:, 0] - 5e6 + 1e5], axis=1)
    return coords, values


def write(path, text):
    path.write_text(text)
    return path


def plane(coords):
    """A linear function of two scaled coordinates, with two outputs."""
    coords = coords[:]
    return torch.stack([0.5 + 0.25 * coords[:, 0], 0.5 - 0.5 * coords[:, 1]], dim=1)


def test_each_column_is_scaled_by_its_own_range():
    coords, values = scattered()
    signal = PointsSignal(coords, values)
    pool = signal.pool("cpu")
    assert pool.grid is None and (pool.in_features, pool.out_features, len(pool)) == (2, 2, 50)
    low, high = coords.min(axis=0), coords.max(axis=0)
    assert np.allclose(pool.coords.numpy(), (coords - low) / (high - low) * 2 - 1, atol=1e-6)
    assert np.allclose(pool.values.numpy(), (values - values.min(axis=0)) / np.ptp(values, axis=0), atol=1e-6)
    assert pool.coords.dtype == pool.values.dtype == torch.float32
    assert signal.layout.describe() == "points in (x, y) with the values value0, value1"
    assert layout_from_json(json.loads(json.dumps(signal.layout.to_json()))) == signal.layout


def test_decode_on_a_grid_in_own_units():
    layout = PointsLayout(("lat", "lon"), ("a", "b"), (40.0, -10.0), (60.0, 30.0), (0.0, 100.0), (1.0, 300.0))
    for resolution, shape in ((5, (5, 5)), ((3, 7), (3, 7)), ([1, 2], (1, 2)), (None, (128, 128))):
        rows = layout.decode(plane, resolution=resolution)
        lat, lon = (np.linspace(a, b, n) if n > 1 else [(a + b) / 2] for (a, b), n in zip(((40, 60), (-10, 30)), shape, strict=True))
        wanted = [[p, q, 0.5 + 0.25 * (p - 50) / 10, 100 + 200 * (0.5 - 0.5 * (q - 10) / 20)] for p in lat for q in lon]
        assert rows.dtype == np.float64 and np.allclose(rows, wanted, atol=1e-4)
    for bad in (0, (3,), (3, 0), 2.5, "5"):
        with pytest.raises(UsageError, match="resolution"):
            layout.decode(plane, resolution=bad)
    with pytest.raises(UsageError, match="not both"):
        layout.decode(plane, resolution=5, at=[[1.0, 2.0]])
    with pytest.raises(UsageError, match="predicts NaN"):
        layout.decode(lambda coords: plane(coords) * math.nan, resolution=5)


def test_decode_at_given_points(tmp_path):
    layout = PointsLayout(("lat", "lon"), ("a", "b"), (40.0, -10.0), (60.0, 30.0), (0.0, 100.0), (1.0, 300.0))
    at = np.array([[50.0, 10.0], [60.0, -10.0], [70.0, 10.0]])  # the last one lies outside
    wanted = np.array([[50, 10, 0.5, 200], [60, -10, 0.75, 300], [70, 10, 1.0, 200]])
    np.savez(tmp_path / "at.npz", coords=at)
    np.savetxt(tmp_path / "at.csv", np.c_[at, [7, 8, 9]], delimiter=",")
    write(tmp_path / "named.csv", "lat;lon\n50;10\n60;-10\n70;10\n")
    for given in (at, at.tolist(), tmp_path / "at.npz", str(tmp_path / "at.csv"), tmp_path / "named.csv"):
        assert np.allclose(layout.decode(plane, at=given), wanted, atol=1e-5)
    np.savez(tmp_path / "other.npz", points=at)
    for bad, words in (
        (tmp_path / "missing.csv", "no file"),
        (tmp_path / "other.npz", "no array called coords"),
        ([[1.0]], "rows of 2 coordinates"),
        ([1.0, 2.0], "rows of 2 coordinates"),
        (np.zeros((0, 2)), "rows of 2 coordinates"),
        ([[1.0, math.nan]], "not finite in row 1"),
    ):
        with pytest.raises(UsageError, match=words):
            layout.decode(plane, at=bad)


def test_the_points_themselves_come_back():
    coords, values = scattered()
    signal = PointsSignal(coords, values)
    table = dict(zip(map(tuple, signal.coords.tolist()), signal.values, strict=True))
    rows = signal.layout.decode(lambda at: torch.stack([table[tuple(row)] for row in at.tolist()]), at=coords)
    assert np.allclose(rows[:, :2], coords, rtol=1e-12) and np.allclose(rows[:, 2:], values, rtol=1e-5)


def test_axes_and_values_without_extent():
    coords = np.array([[0.0, 5.0], [1.0, 5.0], [4.0, 5.0]])
    signal = PointsSignal(coords, np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0]]))
    assert signal.coords[:, 1].tolist() == [0, 0, 0] and signal.coords[:, 0].tolist() == [-1, -0.5, 1]
    rows = signal.layout.decode(lambda at: torch.full((len(at), 2), 0.5), at=coords)
    assert rows[:, 2:].tolist() == [[2, 7]] * 3
    assert PointsSignal([[0.0], [0.0], [1.0]], [1.0, 2.0, 3.0]).coords[:, 0].tolist() == [-1, -1, 1]  # the same point twice


def test_quality_over_observed_rows():
    coords, values = scattered()
    values[3, 0] = values[17] = np.nan
    signal = PointsSignal(coords, values)
    seen = ~np.isnan(values).any(axis=1)
    assert np.array_equal(signal.observed.numpy(), seen) and PointsSignal(*scattered()).observed is None
    unit = (values[seen] - values[seen].min(axis=0)) / np.ptp(values[seen], axis=0)
    prediction = np.clip(plane(signal.coords).numpy()[seen], 0, 1)
    assert signal.evaluate(plane) == {"psnr": pytest.approx(10 * math.log10(1 / np.mean((prediction - unit) ** 2)), abs=1e-4)}


@pytest.mark.parametrize(
    ("text", "in_dims", "names"),
    [
        ("x,y,height\n0,0,1\n1,2,3\n5,4,9\n", None, (("x", "y"), ("height",))),
        ("X, T ,height\n0,0,1\n1,2,3\n5,4,9\n", None, (("X", "T"), ("height",))),
        ("lat;lon;height\n0;0;1\n1;2;3\n5;4;9\n", None, (("lat", "lon"), ("height",))),
        ("x\ty\tz\n0\t0\t1\n1\t2\t3\n5\t4\t9\n", 2, (("x", "y"), ("z",))),
        ("# x,y,height\n0,0,1\n1,2,3\n\n5,4,9\n", None, (("x", "y"), ("height",))),
        ("a,b,c\n0,0,1\n1,2,3\n5,4,9", 2, (("a", "b"), ("c",))),
        ("0,0,1\n1,2,3\n5,4,9\n", 2, (("x", "y"), ("value",))),
        ("\ufeff0,0,1\r\n1,2,3\r\n5,4,9\r\n", 2, (("x", "y"), ("value",))),
        ('"x","y","height, in m"\n0,0,1\n1,2,3\n5,4,9\n', None, (("x", "y"), ("height, in m",))),
    ],
)
def test_csv_of_many_kinds(text, in_dims, names, tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    signal = load_points(path, in_dims=in_dims)
    assert (signal.layout.coord_names, signal.layout.value_names) == names and detect_kind(path) == "points"
    assert np.allclose(signal.coords.numpy(), [[-1, -1], [-0.6, 0], [1, 1]]) and np.allclose(signal.values[:, 0], [0, 0.25, 1])
    assert ("by their names" in signal.report()[0]) == (in_dims is None)


def test_empty_cells_are_unobserved(tmp_path):
    signal = load_points(write(tmp_path / "a.csv", "x,v,w\n0,1,\n1,nan,4\n2,3,5\n3,7,6\n"))
    assert signal.observed.tolist() == [False, False, True, True]
    assert signal.layout.value_low == (3, 5) and signal.layout.value_high == (7, 6)


@pytest.mark.parametrize(
    ("text", "names", "rows"),
    [
        ("station,2019,2020\n0,1,2\n3,4,5\n", ("station", "2019", "2020"), 2),  # names may be numbers, behind one that is none
        (",2019,2020\n0,1,2\n3,4,5\n", (), 3),
        ("0,,2\n3,4,5\n", (), 2),
        ("nan,1\n3,4\n", (), 2),
    ],
)
def test_which_first_rows_are_headers(text, names, rows, tmp_path):
    table = read_csv(write(tmp_path / "a.csv", text))
    assert (table.names, len(table.rows)) == (names, rows)


@pytest.mark.parametrize("row", ["0,1,NA", "0,NA,1", "NA,0,1", "n/a;0;1", "0.5\tabc\t1", "0,-,", "?,1,2"])
def test_a_first_row_of_data_that_lacks_a_number_is_not_lost_to_a_header(row, tmp_path):
    separator = next(letter for letter in ",;\t" if letter in row)
    word = next(cell for cell in row.split(separator) if not cell.replace(".", "").isdigit() and cell)
    with pytest.raises(UsageError, match=rf"has '{re.escape(word)}' in line 1, which is not a number"):
        load_points(write(tmp_path / "a.csv", row + "\n" + separator.join("123") + "\n"), in_dims=2)


@pytest.mark.parametrize(
    ("text", "in_dims", "words"),
    [
        ("a,b\n0,1\n2,3\n", None, "with in_dims"),
        ("0,1\n2,3\n", None, "with in_dims"),
        ("x,y\n0,1\n2,3\n", None, "no value to learn"),
        ("0,1\n2,3\n", 2, "no value to learn"),
        ("0,1\n2,3\n", -1, "in_dims=-1"),
        ("x,v\n0,1\n1,two\n", None, "'two' in line 3"),
        ("x,v\n0,1\n1,2,3\n", None, "3 cells in line 3"),
        ("x,v\n0,1\nnan,2\n", None, "not finite in row 2"),
        ("x,v\n0,1\n1,2\n,2\n", None, "not finite in row 3"),
        ("x,v\n0,1\n1,inf\n", None, "infinite value in row 2"),
        ("x,v\n0,1\n1,1\n", None, "same values"),
        ("x,v\n3,1\n3,2\n", None, "same coordinates"),
        ("x,v\n0,nan\n1,\n", None, "nothing was observed"),
        ("x,v\n", None, "no rows"),
        ("", None, "is empty"),
        ("\n\n", None, "is empty"),
        ("x,v,w\n0,1\n2,3\n", None, "names 3 columns but has 2"),
    ],
)
def test_csv_that_cannot_be_fitted(text, in_dims, words, tmp_path):
    with pytest.raises(UsageError, match=words) as error:
        load_points(write(tmp_path / "it.csv", text), in_dims=in_dims)
    assert ("it.csv" in str(error.value) and "\n" not in str(error.value)) or in_dims == -1


def test_npz(tmp_path):
    coords, values = scattered()
    np.savez(tmp_path / "a.npz", coords=coords, values=values)
    signal = load_points(tmp_path / "a.npz")
    assert (
        np.array_equal(signal.values, PointsSignal(coords, values).values)
        and signal.fingerprint() == PointsSignal(coords, values).fingerprint()
    )
    assert signal.fingerprint() != PointsSignal(coords, values + 1).fingerprint()
    np.savez(tmp_path / "b.npz", coords=np.arange(5), values=np.arange(5) ** 2)
    assert load_points(tmp_path / "b.npz", in_dims=1).layout.coord_names == ("x",)
    np.savez(tmp_path / "object.npz", coords=np.array([{}, 1], dtype=object), values=np.arange(2))
    np.savez(tmp_path / "words.npz", coords=np.array(["a", "b"]), values=np.arange(2))
    np.savez(tmp_path / "names.npz", points=coords)
    np.savez(tmp_path / "lengths.npz", coords=coords, values=values[:-1])
    np.savez(tmp_path / "axes.npz", coords=coords[None], values=values)
    np.savez(tmp_path / "empty.npz", coords=coords[:0], values=values[:0])
    with open(tmp_path / "array.npz", "wb") as file:
        np.save(file, coords)
    (tmp_path / "short.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:300])
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "nothing.npz").write_bytes(b"")
    for name in ("object", "words", "names", "lengths", "axes", "empty", "array", "short", "text", "nothing", "missing"):
        with pytest.raises(UsageError, match=rf"{name}\.npz'") as error:
            load_points(tmp_path / f"{name}.npz")
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="in_dims=3"):
        load_points(tmp_path / "a.npz", in_dims=3)
    with pytest.raises(UsageError, match=r"\.csv and \.npz"):
        load_points(tmp_path / "a.txt")


@pytest.mark.parametrize("sampler", ["full", "uniform", "nint"])
@pytest.mark.parametrize("name", ["a.csv", "a.npz"])
def test_file_to_fit_to_file(sampler, name, tmp_path):
    coords, values = scattered()
    signal = PointsSignal(coords, values, coord_names=("x", "t"), value_names=("warmth", "far"))
    signal.layout.write(np.c_[coords, values], tmp_path / name)
    loaded = load_points(tmp_path / name)
    assert np.allclose(loaded.coords, signal.coords, atol=1e-6) and np.allclose(loaded.values, signal.values, atol=1e-6)
    nint.fit(tmp_path / name, field="siren:size=1x8", sampler=sampler, budget=5, out=tmp_path / "run")
    fit = nint.Fit.load(tmp_path / "run" / "model.safetensors")
    fit.write(tmp_path / f"b{name[1:]}", at=coords)
    again = load_points(tmp_path / f"b{name[1:]}")
    assert again.layout.coord_names == loaded.layout.coord_names and again.layout.value_names == loaded.layout.value_names
    assert np.allclose(again.layout.coord_low, coords.min(axis=0), rtol=1e-9) and len(again.values) == 50
    low, high = np.array(fit.layout.value_low), np.array(fit.layout.value_high)
    assert (np.array(again.layout.value_low) >= low - 1e-6).all() and (np.array(again.layout.value_high) <= high + 1e-6).all()
    assert fit.evaluate(tmp_path / name)["psnr"] == pytest.approx(fit.metrics["psnr"], abs=1e-4)
    with pytest.raises(UsageError, match="no ending"):
        fit.write(tmp_path / "b.xlsx")


def test_kind_and_defaults(tmp_path):
    coords, values = scattered()
    np.savez(tmp_path / "a.npz", coords=coords, values=values)
    signal = open_signal(tmp_path / "a.npz")
    assert isinstance(signal, PointsSignal) and signal.defaults.source.startswith("no published setting") and signal.name == "a.npz"


@pytest.mark.parametrize(
    "change",
    [
        {"coord_names": []},
        {"coord_names": ["x", "y"]},
        {"coord_names": "x"},
        {"value_names": [3]},
        {"coord_low": [2.0]},
        {"value_high": [math.nan]},
        {"value_low": ["a"]},
        {"coord_high": 1.0},
    ],
)
def test_damaged_headers(change):
    header = {"kind": "points", "coord_names": ["x"], "value_names": ["v"], "coord_low": [0.0], "coord_high": [1.0]}
    header |= {"value_low": [2.0], "value_high": [3.0]}
    assert layout_from_json(header) == PointsLayout(("x",), ("v",), (0.0,), (1.0,), (2.0,), (3.0,))
    with pytest.raises(UsageError, match="points layout: "):
        layout_from_json(header | change)


def test_masked_values_are_missing_ones():
    coords, values = np.arange(6.0)[:, None], np.array([1.0, -9999, 3, 4, -9999, 6])[:, None]
    masked = PointsSignal(coords, np.ma.masked_equal(values, -9999))
    plain = PointsSignal(coords, np.where(values == -9999, np.nan, values))
    assert masked.layout == plain.layout and masked.layout.value_low == (1.0,)


def test_a_table_that_names_some_of_the_coordinates_is_refused(tmp_path):
    layout = PointsSignal(np.array([[0.0, 0.0], [1.0, 1.0]]), [1.0, 2.0], coord_names=("lat", "lon")).layout
    (tmp_path / "at.csv").write_text("id,lat,longitude\n1,0.5,0.25\n")
    with pytest.raises(UsageError, match=r"has the columns id, lat, longitude but no lon; name every coordinate, or none of them"):
        layout.decode(lambda at: at[:, :1], at=str(tmp_path / "at.csv"))
    (tmp_path / "at.csv").write_text("id,lon,lat\n1,1.0,0.0\n")
    rows = layout.decode(lambda at: at[:, :1], at=str(tmp_path / "at.csv"))
    assert rows[0, :2].tolist() == [0.0, 1.0]


def test_masked_whole_numbers_beyond_floats_are_refused_as_others_are():
    stamps = np.ma.masked_array(2**60 + np.arange(3)[:, None], mask=False)
    with pytest.raises(UsageError, match="subtract"):
        PointsSignal(stamps, [1.0, 2.0, 3.0])


def test_columns_of_one_name_are_refused(tmp_path):
    layout = PointsSignal(np.array([[0.0, 0.0], [1.0, 1.0]]), [1.0, 2.0], coord_names=("lat", "lon")).layout
    at = write(tmp_path / "at.csv", "lat,lon,lat\n0.5,0.25,1\n")
    with pytest.raises(UsageError, match=r"at\.csv' has two columns called lat; give each a name of its own"):
        layout.decode(lambda coords: coords[:, :1], at=str(at))
    at.write_text("lat,lon,note,note\n0.5,0.25,1,2\n")  # what is not looked at may be called anything
    assert layout.decode(lambda coords: coords[:, :1], at=str(at))[0, :2].tolist() == [0.5, 0.25]
    with pytest.raises(UsageError, match="has two columns called note"):
        load_points(at, in_dims=2)
    older = PointsSignal(np.array([[0.0, 0.0], [1.0, 1.0]]), [1.0, 2.0], coord_names=("x", "x")).layout
    with pytest.raises(UsageError, match="two of which have one name in the model"):
        older.decode(lambda coords: coords[:, :1], at=str(write(at, "x,y\n0.5,0.25\n")))
    assert older.decode(lambda coords: coords[:, :1], at=str(write(at, "0.5,0.25\n")))[0, :2].tolist() == [0.5, 0.25]


def test_arrays_of_one_name_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", coords=np.zeros((2, 1)), values=np.arange(2.0))
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("coords.npy", archive.read("coords.npy"))
    with pytest.raises(UsageError, match="has two arrays called coords"):
        load_points(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x,y,v,\n0,1,2,\n1,2,3,\n", r"an empty last column \(number 4\) without a name, as where lines end in a separator"),
        ("0;1;2;\n1;2;3;\n", r"an empty last column \(number 4\) without a name"),
        ("x,y,v,w\n0,1,2,\n1,2,3,\n", "no number in its column w, so nothing was observed; leave it out"),
        ("x,y,v,w\n0,1,,2\n1,2,,3\n", "no number in its column v"),
    ],
)
def test_a_column_that_is_empty_is_named(text, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        load_points(write(tmp_path / "it.csv", text), in_dims=2)


def test_lines_that_end_in_a_comma_are_read_as_coordinates(tmp_path):
    layout = PointsSignal(np.array([[0.0, 0.0], [1.0, 1.0]]), [1.0, 2.0]).layout
    at = write(tmp_path / "at.csv", "x,y,\n0.5,0.25,\n")
    assert layout.decode(lambda coords: coords[:, :1], at=str(at))[0, :2].tolist() == [0.5, 0.25]


def test_columns_that_are_taken_by_their_place_are_said(tmp_path):
    layout = PointsLayout(("lon", "lat"), ("t",), (0.0, 0.0), (1.0, 1.0), (0.0,), (1.0,))
    for text, said in (
        ("lat,lon\n1,2\n", ""),
        ("1,2\n3,4\n", ""),
        ("x;y;z\n1;2;3\n", f"The columns x, y of '{tmp_path}/a.csv' are taken for the coordinates lon, lat, whose names it does not have."),
    ):
        (tmp_path / "a.csv").write_text(text)
        assert layout.check_output(".csv", {"at": str(tmp_path / "a.csv")}) == said
    assert layout.check_output(".csv", {"at": np.zeros((1, 2))}) == layout.check_output(".csv", {}) == ""
