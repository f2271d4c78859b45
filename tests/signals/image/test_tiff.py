"""TIFF as an array: axes, types, compressions, missing values and spacing, against tifffile's own writer and other libraries."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from nint.errors import UsageError
from nint.signals.image.tiff import read_tiff, tiff_header, tiff_kind

CASES = Path(__file__).parents[3].parent / "shared" / "cases" / "image"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="needs the cases beside the repository")
NODATA = 42113


def numbers(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(max(limits.min, -30_000), min(limits.max, 30_000), shape).astype(dtype)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", ">i2", "uint32", "int32", "float16", "float32", "float64"])
def test_every_type_is_read_as_stored(tmp_path, dtype, compression):
    array = numbers((12, 14), np.dtype(dtype).newbyteorder("="))
    byteorder = ">" if dtype.startswith(">") else "<"
    tifffile.imwrite(tmp_path / "a.tif", array, compression=compression, byteorder=byteorder, photometric="minisblack")
    found = read_tiff(tmp_path / "a.tif")
    assert np.array_equal(found.array, array) and found.array.dtype.newbyteorder("=") == array.dtype
    assert found.axes == "YX" and found.header.shape == (12, 14) and found.observed is None
    assert isinstance(found.array, np.memmap) == (compression is None)


@pytest.mark.parametrize("dtype", ["int16", "float32", "uint16", "int32"])
def test_lzw_is_undone_without_further_packages(tmp_path, dtype):
    array, path = numbers((12, 14), dtype), tmp_path / "a.tif"
    if dtype == "int16":
        assert cv2.imwrite(str(path), array, [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    else:
        Image.fromarray(array).save(path, compression="tiff_lzw")
    assert tiff_header(path).dtype == np.dtype(dtype)
    assert np.array_equal(read_tiff(path).array, array)


@pytest.mark.parametrize(
    ("axes", "kind"),
    [
        ("ZYX", "volume"),
        ("CZYX", "volume"),
        ("ZCYX", "volume"),
        ("CYX", "array"),
        ("TYX", "array"),
        ("TZCYX", "array"),
        ("YX", "image"),
    ],
)
@pytest.mark.parametrize("form", ["ome", "imagej"])
def test_axes_and_spacing_are_those_that_the_file_names(tmp_path, axes, kind, form):
    if form == "imagej" and axes == "CZYX":  # ImageJ knows one order only
        pytest.skip("ImageJ stores TZCYX")
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 5, "X": 6}
    array = numbers([sizes[axis] for axis in axes], "uint16")
    path, expected = tmp_path / f"a{'.ome' * (form == 'ome')}.tif", {"X": 0.5, "Y": 0.25, "Z": 2.0, "T": 0.1}
    if form == "ome":
        told = {f"PhysicalSize{axis}": expected[axis] for axis in "XYZ"} | {"TimeIncrement": 0.1}
        tifffile.imwrite(path, array, metadata={"axes": axes} | told, compression="zlib")
    else:
        told = {"spacing": 2.0, "unit": "um", "finterval": 0.1}
        tifffile.imwrite(path, array, imagej=True, resolution=(2, 4), metadata={"axes": axes} | told)
    found = read_tiff(path)
    assert found.axes == axes and np.array_equal(found.array, array)
    assert found.spacing == pytest.approx({axis: value for axis, value in expected.items() if axis in axes})
    assert found.header.units == {axis: "s" if axis == "T" else "um" for axis in found.spacing}
    assert tiff_kind(path) == kind
    last = found.channels_last()
    moved = np.moveaxis(array, axes.index("C"), -1) if "C" in axes else array
    assert np.array_equal(last.array, moved) and last.axes == axes.replace("C", "") + "C" * ("C" in axes)
    assert last.header.shape == moved.shape


def test_channels_and_samples_are_one_axis(tmp_path):
    array = numbers((2, 5, 6, 3), "uint8")
    tifffile.imwrite(tmp_path / "a.ome.tif", array, photometric="rgb", metadata={"axes": "CYXS"})
    found = read_tiff(tmp_path / "a.ome.tif").channels_last()
    assert found.axes == "YXC" and np.array_equal(found.array, np.moveaxis(array, 0, 2).reshape(5, 6, 6))


@pytest.mark.parametrize(
    ("dtype", "nodata", "filled"), [("int16", -9999, "<f4"), ("float32", -3.4028235e38, "<f4"), ("int32", -9999, "<f8")]
)
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_nodata_is_missing(tmp_path, dtype, nodata, filled, compression):
    array = numbers((12, 14), dtype)
    array[2:4, 3:9] = nodata
    tags = [(NODATA, "s", 0, str(nodata), True)]
    tifffile.imwrite(tmp_path / "a.tif", array, compression=compression, extratags=tags)
    found = read_tiff(tmp_path / "a.tif")
    assert found.nodata == np.dtype(dtype).type(nodata)
    expected = array.astype(np.float64)
    expected[2:4, 3:9] = np.nan
    assert np.array_equal(found.with_nan(), expected, equal_nan=True) and found.with_nan().dtype == np.dtype(filled)
    assert np.array_equal(found.observed, ~np.isnan(expected))
    assert tiff_kind(tmp_path / "a.tif") == "array"


@pytest.mark.parametrize("text", ["nan", "-9999", "none", "1e99", "-40000", ""])
def test_nodata_that_no_number_has(tmp_path, text):
    array = numbers((12, 14), "int16") // 4
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[(NODATA, "s", 0, text, True)])
    found = read_tiff(tmp_path / "a.tif")
    assert found.observed is None and found.with_nan() is found.array


def test_which_files_are_images(tmp_path):
    for dtype, top, kind in (("uint8", 256, "image"), ("uint16", 65536, "image"), ("int16", 9, "array"), ("uint32", 9, "array")):
        tifffile.imwrite(tmp_path / "a.tif", np.random.default_rng(0).integers(0, top, (9, 8)).astype(dtype))
        assert tiff_kind(tmp_path / "a.tif") == kind
    unit = np.random.default_rng(0).random((9, 8))
    for array, kind in ((unit, "image"), (unit * 1.0000005, "image"), (unit * 300, "array"), (unit - 0.5, "array")):
        tifffile.imwrite(tmp_path / "a.tif", array.astype(np.float32))
        assert tiff_kind(tmp_path / "a.tif") == kind
    for samples, kind in ((2, "array"), (3, "array"), (4, "array"), (12, "array")):
        tifffile.imwrite(tmp_path / "a.tif", numbers((9, 8, samples), "uint8"), planarconfig="contig", photometric="minisblack")
        assert tiff_kind(tmp_path / "a.tif") == kind
    for shape, photometric, kind in (((4, 9, 8), "minisblack", "volume"), ((4, 9, 8, 3), "rgb", "image")):
        tifffile.imwrite(tmp_path / "a.tif", numbers(shape, "uint8"), photometric=photometric)
        assert tiff_kind(tmp_path / "a.tif") == kind
    (tmp_path / "a.tif").write_text("no TIFF at all")
    assert tiff_kind(tmp_path / "a.tif") == "image"


def test_pictures_of_another_size_are_left_out_and_said(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(numbers((9, 8), "uint8"))
        file.write(numbers((4, 5), "uint8"))
    assert any("1 other picture of another size" in note for note in read_tiff(tmp_path / "a.tif").header.notes)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_files_cut_short_are_refused(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers((40, 40), "int16"), compression=compression)
    data = path.read_bytes()
    for length in range(8, len(data), 97):
        path.write_bytes(data[:length])
        with pytest.raises(UsageError, match=r"a\.tif' (is damaged or cut short|is empty)"):
            read_tiff(path)


def test_sizes_are_checked_before_anything_is_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.int16), compression="zlib", rowsperstrip=64)
    with pytest.raises(UsageError, match="64x64 numbers, more than the limit of 4,095"):
        read_tiff(path, limit=4095)
    tifffile.imwrite(path, np.zeros((64, 64), np.int16), compression="zlib", rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(60_000)
        file.pages[0].tags["ImageDescription"].overwrite(json.dumps({"shape": [60_000, 60_000]}))
    with pytest.raises(UsageError, match="more than the limit of 268,435,456 for a compressed TIFF"):
        read_tiff(path)
    with pytest.raises(UsageError, match="bytes of the file can hold"):
        read_tiff(path, limit=2**40)


def test_what_is_no_file(tmp_path):
    with pytest.raises(UsageError, match="There is no file"):
        read_tiff(tmp_path / "a.tif")
    (tmp_path / "a.tif").write_bytes(b"\x89\x00\x01binary")
    with pytest.raises(UsageError, match="damaged or cut short: not a TIFF file") as caught:
        read_tiff(tmp_path / "a.tif")
    assert "\\x" not in str(caught.value)


@needs_cases
def test_the_cases():
    five = read_tiff(CASES / "5band.tif").channels_last()
    assert five.array.shape == (64, 96, 5) and five.axes == "YXC" and tiff_kind(CASES / "5band.tif") == "array"
    plain, packed = (read_tiff(CASES / name) for name in ("dem_int16.tif", "dem_int16_deflate_nodata.tif"))
    assert plain.array.dtype == packed.array.dtype == np.int16 and plain.observed is None
    raw = tifffile.imread(CASES / "dem_int16_deflate_nodata.tif")
    assert np.array_equal(packed.observed, raw != -9999) and (raw == -9999).any()
    assert np.array_equal(packed.with_nan()[raw != -9999], raw[raw != -9999])
    assert [tiff_kind(CASES / name) for name in ("dem_int16.tif", "dem_int16_deflate_nodata.tif")] == ["array", "array"]
    stack = read_tiff(CASES / "imagej_zcyx.tif")
    assert stack.axes == "ZCYX" and stack.array.shape == (6, 2, 24, 32) and stack.spacing == {"X": 1, "Y": 1, "Z": 3}
    assert tiff_kind(CASES / "imagej_zcyx.tif") == "volume" and tiff_kind(CASES / "grey_10bit_in_uint16.tif") == "image"
