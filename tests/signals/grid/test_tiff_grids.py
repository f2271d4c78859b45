"""TIFFs that are arrays or volumes: the axes that they name, missing values, and the spacing, against tifffile itself."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from nint.errors import UsageError
from nint.signals.grid.array import load_array
from nint.signals.grid.spacing import Spacing
from nint.signals.grid.volume import load_volume
from nint.signals.kinds import detect_kind
from nint.signals.open import layout_from_json, open_signal

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases" / "image"
NODATA = (42113, "s", 0, "-9999", True)


def numbers(shape, dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(0, 1000, shape).astype(dtype)


def case(name):
    path = CASES / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path


def stored(signal):
    """The values that a signal is trained on, turned back into the numbers of the file, NaN where there is none."""
    layout = signal.layout
    shape = (*layout.grid, layout.channels) if layout.channels else layout.grid
    values = signal.values[:] if isinstance(signal.values, torch.Tensor) else signal.values.whole()
    return values.double().numpy().reshape(shape) * (layout.high - layout.low) + layout.low


def decoded(signal):
    """What the layout decodes from a prediction that knows the signal by heart."""
    values = signal.inner.values if hasattr(signal, "inner") else signal.values

    def predict(coords):
        axes = [((coords[:, i].double() + 1) / 2 * (n - 1)).round().long().numpy() for i, n in enumerate(signal.layout.grid)]
        return values[torch.from_numpy(np.ravel_multi_index(axes, signal.layout.grid))]

    return signal.layout.decode(predict)


@pytest.mark.parametrize("dtype", ["int16", "float32", ">i2", "int32"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_elevation_is_an_array_and_nodata_is_unobserved(dtype, compression, tmp_path):
    heights = numbers((12, 17), dtype) - np.array(300, dtype)
    heights[3, 4:9] = -9999
    tifffile.imwrite(tmp_path / "dem.tif", heights, compression=compression, extratags=[NODATA], byteorder=">" if ">" in dtype else "<")
    signal = open_signal(tmp_path / "dem.tif")
    assert signal.layout.kind == "array" and signal.layout.grid == (12, 17)
    real = np.where(heights == -9999, np.nan, heights.astype(float))
    assert np.allclose(stored(signal.inner), real, atol=1e-3, equal_nan=True)
    assert (signal.layout.low, signal.layout.high) == (np.nanmin(real), np.nanmax(real))
    assert torch.equal(signal.inner.observed, torch.from_numpy(~np.isnan(real)).reshape(-1))
    assert any("-9999 stands for no value" in line for line in signal.report())


def test_elevation_without_nodata_keeps_its_type(tmp_path):
    heights = numbers((12, 17), "int16") - np.int16(300)
    tifffile.imwrite(tmp_path / "dem.tif", heights, compression="zlib")
    signal = open_signal(tmp_path / "dem.tif")
    back = decoded(signal)
    assert back.dtype == np.int16 and np.array_equal(back, heights)
    signal.layout.write(back, tmp_path / "again.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "again.tif"), heights)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_five_bands_are_channels(planar, tmp_path):
    bands = numbers((10, 14, 5), "uint8")
    stored_as = bands if planar == "contig" else bands.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "a.tif", stored_as, photometric="minisblack", planarconfig=planar)
    signal = open_signal(tmp_path / "a.tif")
    assert signal.layout.kind == "array" and (signal.layout.grid, signal.layout.channels) == ((10, 14), 5)
    assert np.array_equal(decoded(signal), bands)
    signal.layout.write(decoded(signal), tmp_path / "b.tif")
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), bands)


HYPERSTACKS = [
    ("ZCYX", (6, 2, 9, 8), "volume", (6, 9, 8), 2),
    ("CZYX", (2, 6, 9, 8), "volume", (6, 9, 8), 2),
    ("ZYX", (6, 9, 8), "volume", (6, 9, 8), None),
    ("CYX", (2, 9, 8), "array", (9, 8), 2),
    ("TYX", (6, 9, 8), "array", (6, 9, 8), None),
    ("TZCYX", (3, 4, 2, 9, 8), "array", (3, 4, 9, 8), 2),
]


@pytest.mark.parametrize(("axes", "shape", "kind", "grid", "channels"), HYPERSTACKS)
@pytest.mark.parametrize("format", ["imagej", "ome"])
def test_named_axes_are_used(format, axes, shape, kind, grid, channels, tmp_path):
    if format == "imagej" and axes == "CZYX":
        pytest.skip("ImageJ has z before c")
    array = numbers(shape)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", metadata={"axes": axes}, **{format: True})
    signal = open_signal(tmp_path / "a.tif")
    assert (signal.layout.kind, signal.layout.grid, signal.layout.channels) == (kind, grid, channels)
    expected = np.moveaxis(array, axes.index("C"), -1) if "C" in axes else array
    assert np.array_equal(np.rint(stored(signal)), expected) and np.array_equal(decoded(signal), expected)
    assert layout_from_json(json.loads(json.dumps(signal.layout.to_json()))) == signal.layout


@pytest.mark.parametrize(("dtype", "imagej"), [("uint8", True), ("uint16", True), ("float32", True), ("int16", False), ("float64", False)])
def test_spacing_is_kept_and_written_back(dtype, imagej, tmp_path):
    array = (numbers((5, 2, 9, 7)) % 200).astype(dtype)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 3.0}
    units = {f"{name}Unit": "µm" for name in sizes}
    tifffile.imwrite(tmp_path / "a.tif", array, ome=True, photometric="minisblack", metadata={"axes": "ZCYX", **sizes, **units})
    signal = load_volume(tmp_path / "a.tif")
    assert signal.layout.spacing == Spacing((3.0, 0.25, 0.5), ("um",) * 3)
    assert "Voxels are z 3 um, y 0.25 um, x 0.5 um apart, which .nii and .tif keep and .npy does not." in signal.report()
    signal.layout.write(decoded(signal), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.is_imagej is imagej and file.series[0].axes == "ZCYX" and np.allclose(file.asarray(), array, atol=1e-4)
        if imagej:
            assert file.imagej_metadata["spacing"] == 3.0 and file.imagej_metadata["unit"] == "um"
            above, below = file.pages[0].tags["XResolution"].value
            assert above / below == pytest.approx(2.0)
    assert load_volume(tmp_path / "b.tif").layout.spacing == signal.layout.spacing


def test_spacing_at_another_size_and_in_nifti(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="NIfTI is the extra 'volume'")
    array = numbers((5, 9, 7))
    metadata = {"axes": "ZYX", "spacing": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(2.0, 4.0), metadata=metadata)
    layout = load_volume(tmp_path / "a.tif").layout
    twice = np.zeros((9, 17, 13), np.uint16)
    layout.write(twice, tmp_path / "b.nii.gz")
    layout.write(twice, tmp_path / "b.tif")
    image = nibabel.load(tmp_path / "b.nii.gz")
    assert np.allclose(image.header.get_zooms(), (0.25, 0.125, 1.5)) and image.header.get_xyzt_units()[0] == "micron"
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.imagej_metadata["spacing"] == 1.5


def test_nifti_spacing_in_a_tiff(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="NIfTI is the extra 'volume'")
    array = numbers((5, 6, 7), "int16")
    image = nibabel.Nifti1Image(array, np.diag([0.5, 2.0, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii")
    layout = load_volume(tmp_path / "a.nii").layout
    layout.write(array, tmp_path / "b.tif")
    again = load_volume(tmp_path / "b.tif")
    assert again.layout.spacing == Spacing((3.0, 2.0, 0.5), ("mm",) * 3)
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), array.transpose(2, 1, 0))


def test_time_steps_are_kept(tmp_path):
    array = numbers((6, 9, 8))
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "TYX", "finterval": 0.5})
    signal = load_array(tmp_path / "a.tif")
    assert signal.report()[0] == "The axes t, y, x of the file are coordinates."
    signal.layout.write(array, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.imagej_metadata["finterval"] == 0.5 and file.series[0].axes == "TYX"


def test_other_axes_are_refused_as_a_volume(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", numbers((2, 9, 8)), imagej=True, metadata={"axes": "CYX"})
    with pytest.raises(UsageError, match=r"has the axes y, x and channels; a volume is a TIFF of three axes"):
        load_volume(tmp_path / "a.tif")


def test_a_georeference_is_said_not_to_be_kept(tmp_path):
    tags = [(33550, "d", 3, (30.0, 30.0, 0.0), True), (33922, "d", 6, (0.0, 0.0, 0.0, 5e5, 4e6, 0.0), True)]
    tifffile.imwrite(tmp_path / "a.tif", numbers((9, 8), "int16"), extratags=tags)
    assert "Where the file lies on Earth (GeoTIFF) is not kept." in open_signal(tmp_path / "a.tif").report()


@pytest.mark.parametrize(
    ("steps", "units", "said"),
    [((1.0, 0.0), ("", ""), "finite number above 0"), ((1.0,), ("", ""), "a unit for each axis"), (("x",), ("",), "cannot be read")],
)
def test_damaged_spacing(steps, units, said):
    with pytest.raises(UsageError, match=said):
        Spacing(steps, units)


def test_units_in_nifti():
    assert Spacing((2.0, 500.0, None), ("mm", "um", "")).in_nifti() == ((2.0, 0.5, 1.0), "mm")
    assert Spacing((0.5, 250.0), ("um", "nm")).in_nifti() == ((0.5, 0.25), "micron")
    assert Spacing((3.0,), ("pixel",)).in_nifti() == ((3.0,), "unknown")


def test_the_case_files():
    array = tifffile.imread(case("imagej_zcyx.tif"))
    signal = open_signal(case("imagej_zcyx.tif"))
    assert signal.layout.kind == "volume" and np.array_equal(decoded(signal), np.moveaxis(array, 1, -1))
    assert signal.layout.spacing.steps[0] == 3.0
    for name in ("dem_int16.tif", "5band.tif"):
        signal = open_signal(case(name))
        assert signal.layout.kind == "array" and np.array_equal(decoded(signal), tifffile.imread(case(name)))
    name = "dem_int16_deflate_nodata.tif"
    heights, signal = tifffile.imread(case(name)), open_signal(case(name))
    assert detect_kind(case(name)) == "array" and (heights == -9999).any()
    assert np.allclose(stored(signal.inner), np.where(heights == -9999, np.nan, heights), atol=1e-3, equal_nan=True)


def test_pages_that_are_not_there_are_no_black_planes(tmp_path):
    planes = numbers((2, 8, 9))
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, metadata={"axes": "ZYX"})
    assert open_signal(tmp_path / "a.ome.tif").layout.grid == (2, 8, 9)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        described = file.ome_metadata
    lying = described.replace('SizeZ="2"', 'SizeZ="4"')
    tifffile.imwrite(tmp_path / "b.ome.tif", planes, description=lying.encode(), metadata=None)
    with pytest.raises(UsageError, match="some of the pages that it names are missing, or lie in other files that are not here"):
        open_signal(tmp_path / "b.ome.tif", kind="volume")


def test_what_numbers_do_not_keep_of_a_picture_is_said(tmp_path):
    turned = (274, "H", 1, 6, True)
    tifffile.imwrite(tmp_path / "a.tif", numbers((8, 9), "uint8"), resolution=(300, 300), resolutionunit="inch", extratags=[turned])
    said = " ".join(open_signal(tmp_path / "a.tif", kind="array").report())
    assert "The file's orientation and print resolution are not kept; --kind image keeps what a picture has." in said
    tifffile.imwrite(tmp_path / "b.tif", numbers((8, 9), "uint8"))
    assert "not kept" not in " ".join(open_signal(tmp_path / "b.tif", kind="array").report())
    tifffile.imwrite(tmp_path / "c.tif", numbers((5, 8, 9), "uint8"), photometric="miniswhite")
    assert "In this file 0 is white" in " ".join(open_signal(tmp_path / "c.tif").report())


def test_blocks_of_cameras_and_editors_are_said_of_arrays_too(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, numbers((6, 7), "float64"), extratags=[(700, 1, None, b"<x:xmpmeta/>", True), (34377, 1, None, b"8BIM", True)])
    assert "The model does not keep the XMP data and Photoshop data of 'a.tif'." in load_array(path).report()
    tifffile.imwrite(path, numbers((6, 7), "float64"))
    assert not any("not keep" in line for line in load_array(path).report())
