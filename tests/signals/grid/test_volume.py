import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from skimage.metrics import structural_similarity

import nint
from nint.errors import UsageError
from nint.signals.base import GridCoords
from nint.signals.grid.nifti import Nifti, read_nifti, regrid, write_nifti
from nint.signals.grid.volume import VolumeSignal, is_volume, load_volume
from nint.signals.grid.volume_layout import VolumeLayout
from nint.signals.image.files import read_image
from nint.signals.kinds import detect_kind
from nint.signals.open import layout_from_json, open_signal

OBLIQUE = np.array([[-1.9, 0.3, 0.1, 90.5], [0.2, 0.1, 2.4, -126.0], [0.4, 2.1, -0.2, 12.25], [0, 0, 0, 1]])

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "volumes"


def numbers(shape, dtype="int16", seed=0):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * 100 - (0 if np.dtype(dtype).kind == "u" else 30)).astype(dtype)


def wave(coords):
    z, y, x = coords[:].double().unbind(1)
    return (0.5 + 0.3 * torch.sin(2 * z + y) * torch.cos(x - y)).float()[:, None]


def by_heart(signal):
    grid, values = signal.layout.grid, signal.values

    def predict(coords):
        coords = coords[:].double()
        index = [((coords[:, i] + 1) / 2 * (points - 1)).round().long().numpy() for i, points in enumerate(grid)]
        return values[torch.from_numpy(np.ravel_multi_index(index, grid))]

    return predict


@pytest.fixture
def nibabel():
    return pytest.importorskip("nibabel", reason="nibabel is the extra 'volume'")


def save_nifti(nibabel, path, array, affine=OBLIQUE, slope=None, codes=(1, 3), endianness="<"):
    header = nibabel.Nifti1Header(endianness=endianness)
    header.set_data_dtype(array.dtype)
    image = nibabel.Nifti1Image(array, affine, header)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    image.header.set_xyzt_units("mm", "sec")
    if slope:
        image.header.set_slope_inter(*slope)
    nibabel.save(image, path)


@pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "uint16", "int32", "float32", ">f4", "float64"])
@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_nifti_comes_back_with_type_and_orientation(nibabel, dtype, name, tmp_path):
    array = numbers((5, 6, 7), dtype)
    save_nifti(nibabel, tmp_path / name, array, endianness=(np.dtype(dtype).newbyteorder("=") == np.dtype(dtype) and "<") or ">")
    signal = load_volume(tmp_path / name)
    assert detect_kind(tmp_path / name) == "volume" and signal.layout.grid == (5, 6, 7) and signal.layout.axes == "xyz"
    layout = layout_from_json(json.loads(json.dumps(signal.layout.to_json())))
    assert layout == signal.layout
    decoded = layout.decode(by_heart(signal))
    assert decoded.dtype == dtype and np.allclose(decoded, array, atol=1e-5)
    layout.write(decoded, tmp_path / "b.nii.gz")
    before, after = nibabel.load(tmp_path / name), nibabel.load(tmp_path / "b.nii.gz")
    assert after.get_data_dtype() == before.get_data_dtype() == dtype and after.shape == (5, 6, 7)
    assert np.allclose(after.affine, before.affine) and nibabel.aff2axcodes(after.affine) == nibabel.aff2axcodes(before.affine)
    assert np.allclose(after.get_fdata(), before.get_fdata(), atol=1e-5)
    for key in ("sform_code", "qform_code", "xyzt_units"):
        assert after.header[key] == before.header[key]
    assert np.allclose(after.header.get_zooms(), before.header.get_zooms())
    assert np.allclose(after.get_qform(), before.get_qform(), atol=1e-4)


def test_scaled_integers_keep_their_scale(nibabel, tmp_path):
    raw = numbers((5, 6, 7), "int16")
    save_nifti(nibabel, tmp_path / "ct.nii.gz", raw, slope=(0.5, -1024))
    signal = load_volume(tmp_path / "ct.nii.gz")
    real = np.asarray(nibabel.load(tmp_path / "ct.nii.gz").dataobj)
    assert np.array_equal(real, raw * 0.5 - 1024)
    decoded = signal.layout.decode(by_heart(signal))
    assert decoded.dtype == np.float64 and np.array_equal(decoded, real)
    signal.layout.write(decoded, tmp_path / "b.nii")
    after = nibabel.load(tmp_path / "b.nii")
    assert (
        after.get_data_dtype() == np.int16 and np.array_equal(after.dataobj.get_unscaled(), raw) and np.array_equal(after.get_fdata(), real)
    )
    assert f"{real.min():g} to {real.max():g}" in signal.report()[1]


def test_an_affine_without_a_code_is_kept(nibabel, tmp_path):
    save_nifti(nibabel, tmp_path / "a.nii", numbers((5, 6, 7)), np.diag([2, 2, 2, 1]), codes=(0, 0))
    before = nibabel.load(tmp_path / "a.nii")
    signal = load_volume(tmp_path / "a.nii")
    signal.layout.write(signal.layout.decode(by_heart(signal)), tmp_path / "b.nii")
    assert np.allclose(nibabel.load(tmp_path / "b.nii").affine, before.affine)


@pytest.mark.parametrize("after", [(9, 11, 7), (3, 6, 20), (1, 6, 7), (5, 1, 1)])
def test_other_resolutions_lie_in_the_same_place(nibabel, after, tmp_path):
    before = (5, 6, 7)
    affine = np.array(regrid(OBLIQUE, before, after))
    for corner in np.ndindex(2, 2, 2):
        old = OBLIQUE @ [*(c * (n - 1) if m > 1 else (n - 1) / 2 for c, n, m in zip(corner, before, after, strict=True)), 1]
        new = affine @ [*(c * (m - 1) for c, m in zip(corner, after, strict=True)), 1]
        assert np.allclose(old, new)
    assert abs(np.linalg.det(affine[:3, :3])) > 0
    save_nifti(nibabel, tmp_path / "a.nii", numbers(before))
    layout = load_volume(tmp_path / "a.nii").layout
    layout.write(layout.decode(wave, shape=after), tmp_path / "b.nii.gz")
    assert np.allclose(nibabel.load(tmp_path / "b.nii.gz").affine, affine, atol=1e-4)


def test_a_thin_axis_that_grows_stays_where_it_was():
    affine = np.array(regrid(OBLIQUE, (5, 1, 7), (5, 4, 7)))
    assert np.allclose(affine @ [2, 1.5, 3, 1], OBLIQUE @ [2, 0, 3, 1]) and np.allclose(affine[:3, 1], OBLIQUE[:3, 1] / 4)


def test_four_axes_are_channels(nibabel, tmp_path):
    array = numbers((4, 5, 6, 3))
    save_nifti(nibabel, tmp_path / "a.nii.gz", array)
    signal = load_volume(tmp_path / "a.nii.gz")
    assert signal.layout.channels == 3 and signal.pool("cpu").out_features == 3
    signal.layout.write(signal.layout.decode(by_heart(signal)), tmp_path / "b.nii.gz")
    assert np.array_equal(nibabel.load(tmp_path / "b.nii.gz").get_fdata(), array)
    signal.layout.write(signal.layout.decode(by_heart(signal), slice="y:2"), tmp_path / "s.png")
    assert read_image(tmp_path / "s.png").shape == (4, 6, 3)
    signal.layout.write(array, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.series[0].axes == "ZCYX" and np.array_equal(file.asarray(), array.transpose(2, 3, 1, 0))


def test_written_nifti_is_the_same_every_time(nibabel, tmp_path):
    header = Nifti(OBLIQUE.tolist())
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(numbers((4, 5, 6)), header, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_nan_is_unobserved(nibabel, tmp_path):
    array = numbers((7, 8, 9), "float32")
    array[1, 2, 3] = array[4] = np.nan
    save_nifti(nibabel, tmp_path / "a.nii.gz", array)
    signal = load_volume(tmp_path / "a.nii.gz")
    seen = ~np.isnan(array).reshape(-1)
    assert np.array_equal(signal.observed.numpy(), seen) and signal.layout.low == np.nanmin(array)
    unit = ((array - np.nanmin(array)) / (np.nanmax(array) - np.nanmin(array))).reshape(-1)[seen]
    prediction = wave(GridCoords((7, 8, 9))).numpy()[:, 0][seen]
    found = signal.evaluate(wave)
    assert set(found) == {"psnr"} and found["psnr"] == pytest.approx(10 * math.log10(1 / np.mean((prediction - unit) ** 2)), abs=1e-4)
    save_nifti(nibabel, tmp_path / "b.nii.gz", np.full((4, 5, 6), np.nan, "float32"))
    with pytest.raises(UsageError, match="nothing was observed"):
        load_volume(tmp_path / "b.nii.gz")


def test_quality_against_scikit_image():
    array = numbers((8, 9, 10), "uint8")
    signal = VolumeSignal(array)
    unit = (array - float(array.min())) / (float(array.max()) - array.min())
    prediction = np.clip(wave(GridCoords(array.shape)).double().numpy().reshape(array.shape), 0, 1)
    found = signal.evaluate(wave)
    assert found["psnr"] == pytest.approx(10 * math.log10(1 / np.mean((prediction - unit) ** 2)), abs=1e-5)
    assert found["ssim"] == pytest.approx(structural_similarity(prediction, unit, data_range=1.0), abs=1e-6)
    two = VolumeSignal(np.stack([array, array[::-1]], axis=-1))
    flipped = structural_similarity(prediction, unit[::-1], data_range=1.0)
    both = two.evaluate(lambda coords: wave(coords).expand(-1, 2))
    assert both["ssim"] == pytest.approx((found["ssim"] + flipped) / 2, abs=1e-6)
    assert set(VolumeSignal(numbers((6, 9, 10))).evaluate(wave)) == {"psnr"}


def test_slices_are_planes_of_the_volume(tmp_path):
    array = numbers((5, 6, 7), "uint8")
    layout = VolumeSignal(array).layout
    whole = layout.decode(wave, shape=(9, 6, 5))
    for text, plane in (("z:3", whole[3]), ("y:5", whole[:, 5]), ("x:0", whole[:, :, 0]), ("x=4", whole[:, :, 4])):
        assert np.array_equal(layout.decode(wave, shape=(9, 6, 5), slice=text), plane)
    assert layout.decode(wave, shape=(1, 6, 7), slice="z:0").shape == (6, 7)
    for bad in ("z:9", "z:-1", "z", "w:2", "40", "z:1.5", "", "zy:1"):
        with pytest.raises(UsageError, match="slice="):
            layout.decode(wave, shape=(9, 6, 5), slice=bad)
    layout.write(whole[3], tmp_path / "s.png")
    assert np.array_equal(read_image(tmp_path / "s.png"), whole[3])


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64", "bool"])
def test_slices_of_other_types_become_black_to_white(dtype, tmp_path):
    array = numbers((5, 6, 7), dtype) if dtype != "bool" else numbers((5, 6, 7)) > 0
    signal = VolumeSignal(array)
    plane = signal.layout.decode(by_heart(signal), slice="z:2")
    signal.layout.write(plane, tmp_path / "s.png")
    low, high = float(array.min()), float(array.max())
    assert np.allclose(read_image(tmp_path / "s.png"), (array[2] - low) / (high - low) * 65535, atol=0.51 + 0.01)


@pytest.mark.parametrize("sampler", ["full", "uniform", "nint"])
@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.nii.gz"])
def test_file_to_fit_to_file(sampler, name, tmp_path):
    array = numbers((6, 7, 8), "uint16")
    if name == "a.npy":
        np.save(tmp_path / name, array)
    elif name == "a.tif":
        tifffile.imwrite(tmp_path / name, array)
    else:
        save_nifti(pytest.importorskip("nibabel", reason="nibabel is the extra 'volume'"), tmp_path / name, array)
    assert detect_kind(tmp_path / name) == "volume"
    nint.fit(tmp_path / name, field="siren:size=1x8", sampler=sampler, budget=5, out=tmp_path / "run")
    fit = nint.Fit.load(tmp_path / "run" / "model.safetensors")
    ending = name.partition(".")[2]
    fit.write(tmp_path / f"b.{ending}")
    again = open_signal(tmp_path / f"b.{ending}")
    assert again.layout.dtype == "<u2" and again.layout.grid == (6, 7, 8) and again.layout.nifti == fit.layout.nifti
    assert np.array_equal(again._rows.source, fit.decode())
    fit.write(tmp_path / "s.png", slice="y:3")
    assert read_image(tmp_path / "s.png").dtype == np.uint16


def test_axes_of_a_volume_in_another_format(nibabel, tmp_path):
    array = numbers((5, 6, 7))
    VolumeSignal(array).layout.write(array, tmp_path / "a.nii.gz")
    image = nibabel.load(tmp_path / "a.nii.gz")
    assert (
        image.shape == (7, 6, 5) and np.array_equal(image.affine, np.eye(4)) and np.array_equal(image.get_fdata(), array.transpose(2, 1, 0))
    )
    from_nifti = load_volume(tmp_path / "a.nii.gz")
    decoded = from_nifti.layout.decode(by_heart(from_nifti))
    from_nifti.layout.write(decoded, tmp_path / "b.tif")
    assert np.array_equal(load_volume(tmp_path / "b.tif")._rows.source, array)
    from_nifti.layout.write(decoded, tmp_path / "b.npy")
    assert np.array_equal(np.load(tmp_path / "b.npy"), array.transpose(2, 1, 0))


@pytest.mark.parametrize(("dtype", "stored"), [("bool", "uint8"), ("float16", "float32"), ("int64", "int64")])
def test_types_that_nifti_knows_or_not(nibabel, dtype, stored, tmp_path):
    array = (numbers((4, 5, 6), "float64") > 0) if dtype == "bool" else numbers((4, 5, 6), dtype)
    VolumeSignal(array).layout.write(array, tmp_path / "a.nii")
    image = nibabel.load(tmp_path / "a.nii")
    assert image.get_data_dtype() == stored and np.array_equal(np.asarray(image.dataobj), array.transpose(2, 1, 0))


def test_endings_that_cannot_hold_it(tmp_path):
    array = numbers((5, 6, 7))
    layout = VolumeSignal(array).layout
    for decoded, name, said in (
        (array, "a.png", "A volume cannot be written as .png; give one slice"),
        (array, "a.jpg", "no ending that a volume can be written with"),
        (array[0], "a.nii.gz", "A slice cannot be written as .nii.gz"),
        (array[0], "a.mp4", "no ending that a volume can be written with"),
        (array, "a", "no ending that a volume can be written with"),
    ):
        with pytest.raises(UsageError, match=said):
            layout.write(decoded, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_which_files_are_volumes(tmp_path):
    for name, shape, expected in (("a", (5, 6, 7), True), ("b", (5, 6, 4), False), ("c", (5, 6), False), ("d", (2, 5, 6, 7), False)):
        np.save(tmp_path / f"{name}.npy", numbers(shape))
        assert is_volume(tmp_path / f"{name}.npy") is expected
    stacks = {
        "one": [numbers((8, 9))],
        "two": [numbers((8, 9))] * 2,
        "sizes": [numbers((8, 9)), numbers((9, 8))],
        "colours": [numbers((8, 9, 3), "uint8")] * 2,
    }
    for name, pages in stacks.items():
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for page in pages:
                file.write(page, photometric="rgb" if page.ndim == 3 else "minisblack", contiguous=False, metadata=None)
        assert is_volume(tmp_path / f"{name}.tif") is (name == "two")
        assert detect_kind(tmp_path / f"{name}.tif") == {"two": "volume", "colours": "image"}.get(name, "array")
    assert load_volume(tmp_path / "colours.tif").layout.channels == 3
    for name, words in (("one", "has the axes y, x;"), ("sizes", "another size or type")):
        with pytest.raises(UsageError, match=words):
            load_volume(tmp_path / f"{name}.tif")
    tifffile.imwrite(tmp_path / "imagej.tif", numbers((4, 8, 9), "uint16"), imagej=True, metadata={"axes": "ZYX"})
    assert is_volume(tmp_path / "imagej.tif") and load_volume(tmp_path / "imagej.tif").layout.grid == (4, 8, 9)
    (tmp_path / "x.tif").write_bytes(b"II*\0junk")
    (tmp_path / "x.npy").write_bytes(b"junk")
    for name in ("x.tif", "x.npy", "missing.npy", "missing.tif", "."):
        assert is_volume(tmp_path / name) is False


def test_a_packed_stack_that_tifffile_cannot_undo(tmp_path):
    cv2 = pytest.importorskip("cv2")
    pages = numbers((3, 20, 30), "uint16")
    assert cv2.imwritemulti(str(tmp_path / "lzw.tif"), list(pages), [cv2.IMWRITE_TIFF_COMPRESSION, 5])
    with tifffile.TiffFile(tmp_path / "lzw.tif") as file:
        assert file.pages[0].compression == 5
    assert np.array_equal(load_volume(tmp_path / "lzw.tif")._rows.source, pages)


def test_files_that_cannot_be_read(nibabel, tmp_path):
    save_nifti(nibabel, tmp_path / "whole.nii", numbers((20, 20, 20)))
    data = (tmp_path / "whole.nii").read_bytes()
    packed = gzip.compress(data)
    colour = np.zeros((4, 5, 6), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, np.eye(4)), tmp_path / "colour.nii")
    save_nifti(nibabel, tmp_path / "flat.nii", numbers((20, 20)))
    files = {
        "short.nii": data[:4000],
        "short.nii.gz": packed[:-300],
        "broken.nii.gz": packed[:60] + b"\0" * 40 + packed[100:],
        "text.nii": b"hello",
        "empty.nii.gz": b"",
        "a.dcm": data,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "flat.npy", numbers((5, 6)))
    (tmp_path / "cut.tif").write_bytes(b"II*\0\x08\0\0\0")
    tifffile.imwrite(tmp_path / "whole.tif", numbers((4, 50, 60)), photometric="minisblack")
    (tmp_path / "short.tif").write_bytes((tmp_path / "whole.tif").read_bytes()[:-3000])
    for name in (*files, "colour.nii", "flat.nii", "flat.npy", "cut.tif", "short.tif", "missing.nii", "."):
        with pytest.raises(UsageError, match=f"^('.*{name}'|There is no file '.*{name}')") as error:
            load_volume(tmp_path / name)
        assert "\n" not in str(error.value), name


@pytest.mark.parametrize(
    "change",
    [
        {"grid": [4, 5]},
        {"nifti": {"affine": [[1, 2], [3, 4]]}},
        {"nifti": {"affine": "x"}},
        {"nifti": {"affine": np.eye(4).tolist(), "more": 1}},
        {"nifti": {}},
        {"nifti": {"affine": np.eye(4).tolist(), "slope": 0, "inter": 1}},
        {"nifti": {"affine": np.eye(4).tolist(), "slope": 1.5}},
        {"nifti": {"affine": np.eye(4).tolist(), "sform_code": 9}},
        {"nifti": {"affine": np.eye(4).tolist(), "space_unit": "ells"}},
        {"nifti": 3},
    ],
)
def test_damaged_headers(change):
    header = {"kind": "volume", "grid": [4, 5, 6], "channels": None, "dtype": "<f4", "low": 0.0, "high": 1.0}
    assert layout_from_json(header) == VolumeLayout((4, 5, 6), None, "<f4", 0.0, 1.0)
    assert layout_from_json(header | {"nifti": {"affine": np.eye(4).tolist()}}).axes == "xyz"
    with pytest.raises(UsageError, match=r"volume layout: |NIfTI volume"):
        layout_from_json(header | change)


@pytest.mark.parametrize("array", [np.zeros((3, 4)), np.zeros((2, 2, 2, 2, 2)), np.zeros((3, 4, 5)), np.zeros((3, 4, 5), complex)])
def test_arrays_that_are_no_volume(array):
    with pytest.raises(UsageError, match=r"a volume has three|same value everywhere|holds complex128"):
        VolumeSignal(array)


def test_phantom():
    signal = open_signal("sample:phantom")
    volume = signal._rows.source
    assert volume.shape == (64, 64, 64) and volume.dtype == np.uint8 and signal.name == "sample:phantom"
    assert volume[0].max() == 0 and volume[32, 32, 32] == 51 and volume.max() == 255  # air, brain 0.2, skull 1
    inside = (volume > 0).mean() * 8
    assert inside == pytest.approx(4 / 3 * math.pi * 0.69 * 0.92 * 0.81, rel=0.1)  # the outermost ellipsoid, less its hollows
    assert signal.layout.describe() == "64x64x64 volume (z, y, x), uint8"


def test_nibabel_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    (tmp_path / "a.nii").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"pip install 'nint\[volume\]'"):
        read_nifti(tmp_path / "a.nii")


def test_a_real_volume(nibabel, tmp_path):
    path = DATA / "ch2.nii.gz"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    signal = load_volume(path)
    assert signal.layout.grid == (181, 217, 181) and "they point to R, A, S." in signal.report()[0]
    assert signal.report()[-2:] == ("PSNR is estimated on 1048576 random points.", "SSIM is left out.")
    layout = signal.layout
    layout.write(layout.decode(wave, scale=0.1), tmp_path / "b.nii.gz")
    before, after = nibabel.load(path), nibabel.load(tmp_path / "b.nii.gz")
    for corner in ([0, 0, 0], [1, 1, 1], [0, 1, 0]):
        ends = [image.affine @ [*(np.array(corner) * (np.array(image.shape) - 1)), 1] for image in (before, after)]
        assert np.allclose(*ends, atol=1e-3)
    plane = layout.decode(by_heart(signal), slice="z:90")
    assert np.array_equal(plane, np.asarray(before.dataobj)[:, :, 90])
