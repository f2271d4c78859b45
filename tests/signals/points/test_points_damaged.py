"""Tables that are damaged, endless or larger than they look: one sentence, before anything is allocated."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from nint.errors import UsageError
from nint.signals.open import layout_from_json, open_signal
from nint.signals.points import npz_files
from nint.signals.points.layout import PointsLayout
from nint.signals.points.signal import PointsSignal, load_points


def refused(path, words, most_bytes=2**25, **options):
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=words) as caught:
            load_points(path, **options)
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.isprintable() and len(message) < 400
    return message


def npy_header(*shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return file.getvalue()


def npz(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_npy", ".npy"), data)
    return path


def test_members_that_are_no_arrays(tmp_path):
    refused(npz(tmp_path / "a.npz", coords=b"hello", values_npy=b"x"), "no array called coords; it holds values")
    refused(npz(tmp_path / "b.npz", coords_npy=b"hello", values_npy=b"x"), "not a readable NPZ file")
    refused(npz(tmp_path / "c.npz", readme=b"hello"), "it holds no named arrays")


@pytest.mark.parametrize("shape", [(10**12, 2), (2**63 - 1,), (2**62, 2**62), (100, 3)])
@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_arrays_that_promise_more_than_the_member_holds(tmp_path, shape, compression):
    path = npz(tmp_path / "a.npz", compression, coords_npy=npy_header(*shape) + bytes(100), values_npy=npy_header(10) + bytes(80))
    refused(path, "is damaged: coords promises")


def test_a_small_file_that_unpacks_to_a_large_one(tmp_path, monkeypatch):
    assert npz_files._MOST_COMPRESSED == 2**26
    monkeypatch.setattr(npz_files, "_MOST_COMPRESSED", 2**21)
    path = npz(tmp_path / "a.npz", coords_npy=npy_header(2**21 + 8) + bytes(2**24 + 64), values_npy=npy_header(2) + bytes(16))
    assert path.stat().st_size < 50_000
    refused(path, "claims to hold 2,097,160 points, more than the limit of 2,097,152; --max-points raises it", 2**20)
    refused(path, "limit of 1,000;", 2**20, max_points=1000)
    with pytest.raises(UsageError, match="max_points=0"):
        load_points(path, max_points=0)


def test_a_limit_that_is_raised_is_enough(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", coords=np.arange(4000.0), values=np.arange(4000.0))
    refused(tmp_path / "a.npz", "claims to hold 4,000 points", max_points=3999)
    assert len(load_points(tmp_path / "a.npz", max_points=4000).values) == 4000


def test_a_compressed_file_with_one_damaged_run(tmp_path):
    rng = np.random.default_rng(0)
    np.savez_compressed(tmp_path / "a.npz", coords=rng.random((4000, 2)), values=rng.random(4000))
    whole = (tmp_path / "a.npz").read_bytes()
    for start in range(200, len(whole) - 400, len(whole) // 7):
        (tmp_path / "b.npz").write_bytes(whole[:start] + bytes(200) + whole[start + 200 :])
        message = refused(tmp_path / "b.npz", "not a readable NPZ file of numbers")
        assert "b.npz" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"1" * 3_000_000, "more than a million characters"),
        (b",".join([b"1"] * 5000) + b"\n", "5,000 columns, more than the limit of 4,096"),
        (b"x,v\n1,2\n2,\x1b[31mred\n", r"has '\?\[31mred' in line 3"),
        (b"x,v\n1,2\n2," + b"z" * 500 + b"\n", "z{40}\\.\\.\\.' in line 3"),
        (b"x,v\n1,2\n2,\x00\n", "line|not a readable"),
        (b"x,v\n1e308,1\n-1e308,2\n", "beyond 1e\\+300"),
        (b"x,v\n1,1e301\n2,2\n", "beyond 1e\\+300"),
        (os.urandom(10) + b"\xff\xfe" * 50, "not a readable CSV file|starts with an empty line"),
        (b"v\n1\n2\n", "one column"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, words):
    (tmp_path / "a.csv").write_bytes(text)
    refused(tmp_path / "a.csv", words, in_dims=1)


def test_columns_that_are_all_named_like_coordinates(tmp_path):
    (tmp_path / "a.csv").write_text("x,y,t\n1,2,3\n2,4,5\n3,3,3\n")
    message = refused(tmp_path / "a.csv", "named like coordinates")
    assert "(x, y, t)" in message and "if t is the value" in message and "(--in-dims 2)" in message
    assert load_points(tmp_path / "a.csv", in_dims=2).layout.value_names == ("t",)


def test_names_with_escape_sequences_do_not_reach_the_terminal(tmp_path):
    (tmp_path / "a.csv").write_text("x,\x1b[31mred\n1,2\n2,3\n4,4\n")
    signal = load_points(tmp_path / "a.csv")
    assert signal.layout.value_names == ("?[31mred",) and signal.layout.describe().isprintable()


def test_pipes_and_devices_are_refused(tmp_path):
    layout = PointsLayout(("x",), ("v",), (0.0,), (1.0,), (0.0,), (1.0,))
    for ending in ("csv", "npz"):
        os.mkfifo(tmp_path / f"pipe.{ending}")
        (tmp_path / f"device.{ending}").symlink_to("/dev/zero")
        for name, word in (("pipe", "named pipe"), ("device", "device")):
            refused(tmp_path / f"{name}.{ending}", word)
            with pytest.raises(UsageError, match=word):
                layout.decode(lambda coords: coords, at=tmp_path / f"{name}.{ending}")


def test_a_name_that_is_not_utf_8(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.csv"
    try:
        with open(path, "w") as file:
            file.write("x,v\n1,2\n2,3\n3,5\n")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    signal = open_signal(os.fsdecode(path))
    signal.name.encode()
    assert len(signal.values) == 3


@pytest.mark.parametrize("resolution", [2**12 + 1, 2**31, 2**63 - 1, (2**24 + 1, 1), 10**200])
def test_grids_have_bounds(resolution):
    layout = PointsLayout(("x", "y"), ("v",), (0.0, 0.0), (1.0, 1.0), (0.0,), (1.0,))
    with pytest.raises(UsageError, match="more than the limit of 16,777,216"):
        layout.decode(lambda coords: coords[:, :1], resolution=resolution)


@pytest.mark.parametrize("change", [{"coord_high": [10**400]}, {"value_high": [1e301]}, {"coord_low": [-1e308]}])
def test_headers_with_numbers_beyond_floats(change):
    header = PointsLayout(("x",), ("v",), (0.0,), (1.0,), (0.0,), (1.0,)).to_json()
    with pytest.raises(UsageError, match=r"points layout: a (coord|value) cannot reach"):
        layout_from_json(header | change)


def test_arrays_with_numbers_that_cannot_be_scaled():
    with pytest.raises(UsageError, match="beyond 1e\\+300"):
        PointsSignal(np.array([[1e305], [0.0]]), np.array([1.0, 2.0]))
