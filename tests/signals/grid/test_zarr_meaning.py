"""What a zarr array says of its numbers: which stand for no value, what is not kept, and folders that are zarr by their content."""

import base64
import struct

import numpy as np
import pytest
import torch

from nint.errors import UsageError
from nint.signals.kinds import detect_kind
from nint.signals.open import open_signal

zarr = pytest.importorskip("zarr", reason="zarr is the extra 'large'")


def numbers(dtype="int16"):
    return np.random.default_rng(0).integers(0, 1000, (20, 30)).astype(dtype)


def store(path, array, attributes=(), **options):
    created = zarr.create_array(str(path), shape=array.shape, dtype=array.dtype, chunks=(8, 8), **options)
    created[:] = array
    created.attrs.update(dict(attributes))
    return created


def packed(number):
    """As xarray writes it in zarr format 3."""
    return base64.standard_b64encode(struct.pack("<d", number)).decode()


@pytest.mark.parametrize(
    ("dtype", "told", "fitted"),
    [
        ("int16", {"_FillValue": -9999}, "float32"),
        ("int16", {"missing_value": [-9999]}, "float32"),
        ("int32", {"_FillValue": -9999}, "float64"),
        ("float32", {"_FillValue": packed(-9999.0)}, "float32"),
        (">f4", {"_FillValue": -9999}, "float32"),
    ],
)
def test_the_number_for_no_value_is_unobserved(tmp_path, dtype, told, fitted):
    array = numbers(dtype)
    array[3, 4:9] = -9999
    store(tmp_path / "a.zarr", array, told)
    signal = open_signal(tmp_path / "a.zarr")
    inner = signal.inner
    assert torch.equal(inner.observed, torch.from_numpy(array != -9999).reshape(-1)) and np.dtype(inner.layout.dtype).name == fitted
    assert (inner.layout.low, inner.layout.high) == (array[array >= 0].min(), array.max())
    real = inner.values.double().numpy().reshape(array.shape) * (inner.layout.high - inner.layout.low) + inner.layout.low
    assert np.allclose(real, np.where(array == -9999, np.nan, array.astype(float)), atol=1e-3, equal_nan=True)
    assert any("-9999 stands for no value; such points are unobserved" in line for line in signal.report())


def test_the_fill_value_of_xarray_in_format_2(tmp_path):
    array = numbers()
    array[0, :4] = -1
    store(tmp_path / "a.zarr", array, {"_ARRAY_DIMENSIONS": ["y", "x"]}, zarr_format=2, fill_value=-1)
    signal = open_signal(tmp_path / "a.zarr")
    assert int((~signal.inner.observed).sum()) == 4 and any("names of the axes (y, x)" in line for line in signal.report())


@pytest.mark.parametrize("told", [{"_FillValue": -9999}, {"_FillValue": 1e9}, {"_FillValue": "x"}, {"_FillValue": packed(float("nan"))}])
def test_an_array_without_such_points_keeps_its_type(tmp_path, told):
    store(tmp_path / "a.zarr", numbers(), told)
    signal = open_signal(tmp_path / "a.zarr")
    assert signal.observed is None and signal.layout.dtype == "<i2" and not any("no value" in line for line in signal.report())


def test_what_is_not_kept_is_said(tmp_path):
    told = {"scale_factor": 0.1, "add_offset": 273.15, "units": "K", "long_name": "air"}
    store(tmp_path / "a.zarr", numbers(), told, dimension_names=("lat", "lon"))
    listed = "scale_factor 0.1, add_offset 273.15, units K, names of the axes (lat, lon) and further attributes"
    assert f"The model does not keep the {listed} of 'a.zarr'." in open_signal(tmp_path / "a.zarr").report()
    store(tmp_path / "b.zarr", numbers())
    assert not any("not keep" in line or "chunks" in line for line in open_signal(tmp_path / "b.zarr").report())


def test_chunks_that_are_not_stored_are_said(tmp_path):
    created = zarr.create_array(str(tmp_path / "a.zarr"), shape=(20, 30), dtype="int16", chunks=(8, 8), fill_value=7)
    created[:8] = numbers()[:8]
    line = "8 of the 12 chunks of 'a.zarr' are not stored; their points are fitted as 7."
    assert line in open_signal(tmp_path / "a.zarr").report()
    created.attrs["_FillValue"] = 7
    said = open_signal(tmp_path / "a.zarr").report()
    assert line not in said and any("7 stands for no value" in words for words in said)


@pytest.mark.parametrize("form", [2, 3])
def test_the_advice_on_a_group_works(tmp_path, form):
    group = zarr.create_group(str(tmp_path / "g.zarr"), zarr_format=form)
    for name in "01":
        group.create_array(name, data=numbers("float32"))
    with pytest.raises(UsageError) as refused:
        open_signal(tmp_path / "g.zarr")
    advised = str(refused.value).split("'")[-2]
    assert advised == str(tmp_path / "g.zarr" / "0") and "give the folder of one array, for example" in str(refused.value)
    assert detect_kind(tmp_path / "g.zarr" / "0") == "array" and open_signal(advised).layout.grid == (20, 30)
    (tmp_path / "g.zarr").rename(tmp_path / "plain")
    with pytest.raises(UsageError, match="is a zarr group that holds the arrays 0, 1"):
        open_signal(tmp_path / "plain")
