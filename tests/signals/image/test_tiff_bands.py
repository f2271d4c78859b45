"""TIFFs of several samples that are no colours are arrays, and arrays are written so that they come back; against tifffile."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from nint.errors import UsageError
from nint.signals.grid.array import ArrayLayout, ArraySignal
from nint.signals.grid.volume_layout import VolumeLayout
from nint.signals.image.loader import load_image
from nint.signals.open import layout_from_json, open_signal

BANDS = "bands that it does not call colours; each is a channel of its own."
UNSAID = "a further channel that it does not call alpha"


def numbers(shape, dtype="uint16", seed=0):
    rng = np.random.default_rng(seed)
    return rng.random(shape).astype(dtype) if np.dtype(dtype).kind == "f" else rng.integers(0, 250, shape).astype(dtype)


def decoded(signal):
    """What the layout decodes from a prediction that knows the signal by heart."""
    values, taken = signal.pool("cpu").values, iter(range(1))
    return signal.layout.decode(lambda coords: values[:] if next(taken) == 0 else None)


def save(path, array, planar="contig", **options):
    stored = array if planar == "contig" else np.moveaxis(array, -1, 0)
    tifffile.imwrite(path, stored, planarconfig=planar, metadata=None, **options)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_samples_of_grey_are_bands(tmp_path, dtype, samples, planar):
    array = numbers((9, 11, samples), dtype)
    save(tmp_path / "a.tif", array, planar, photometric="minisblack")
    signal = open_signal(tmp_path / "a.tif")
    assert signal.layout.kind == "array" and signal.layout.channels == samples
    assert np.allclose(decoded(signal), array, rtol=1e-6) and f"'a.tif' has {samples} {BANDS}" in signal.report()
    signal.layout.write(decoded(signal), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        page = file.pages[0]
        assert page.photometric.name == "MINISBLACK" and set(map(int, page.extrasamples)) == {0}
        assert np.allclose(page.asarray(), array, rtol=1e-6)
    assert open_signal(tmp_path / "b.tif").layout == signal.layout


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_bands_are_refused_as_an_image(tmp_path, dtype, samples, planar):
    save(tmp_path / "a.tif", numbers((9, 11, samples), dtype), planar, photometric="minisblack")
    with pytest.raises(UsageError, match=f"has {samples} bands that it does not call colours; --kind array fits them all"):
        load_image(tmp_path / "a.tif")


@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
@pytest.mark.parametrize(("planar", "dtype"), [("contig", "uint8"), ("separate", "uint8"), ("contig", "uint16"), ("separate", "uint16")])
def test_grey_with_alpha_stays_an_image(tmp_path, dtype, planar, extra):
    array = numbers((9, 11, 2), dtype)
    save(tmp_path / "a.tif", array, planar, photometric="minisblack", extrasamples=[extra])
    signal = open_signal(tmp_path / "a.tif")
    assert (signal.layout.kind, signal.layout.channels) == ("image", 2) and np.array_equal(signal.array[..., 1], array[..., 1])


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_channel_beyond_colours_that_is_not_said_to_be_alpha_is_none(tmp_path, dtype, planar):
    array = numbers((9, 11, 4), dtype)
    save(tmp_path / "a.tif", array, planar, photometric="rgb", extrasamples=["unspecified"])
    signal = open_signal(tmp_path / "a.tif")
    assert np.array_equal(signal.array, array[..., :3]) and any(UNSAID in line for line in signal.report())
    bands = open_signal(tmp_path / "a.tif", kind="array")
    assert np.array_equal(decoded(bands), array) and not bands.layout.rgb


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_pages_of_bands_are_no_pictures(tmp_path, dtype):
    array = numbers((3, 9, 11, 4), dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="minisblack", planarconfig="contig", metadata={"axes": "QYXS"})
    assert open_signal(tmp_path / "a.tif").layout.kind == "array"


@pytest.mark.parametrize(("channels", "photometric"), [(2, "MINISBLACK"), (3, "RGB"), (4, "MINISBLACK")])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_last_channel_of_an_array_is_no_alpha(tmp_path, dtype, channels, photometric):
    array = numbers((9, 11, channels), dtype)
    np.save(tmp_path / "a.npy", array)
    layout = open_signal(tmp_path / "a.npy", kind="array").layout
    layout.write(array, tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.pages[0].photometric.name == photometric and set(map(int, file.pages[0].extrasamples)) <= {0}
        assert np.array_equal(file.asarray(), array)
    again = open_signal(tmp_path / "b.tif", kind="array")
    assert np.array_equal(decoded(again), array) and (again.layout.grid, again.layout.channels) == ((9, 11), channels)
    said = "The last of the 4 channels is alpha in a .png, so that viewers take it for opacity; .npy and .tif do not do so."
    assert layout.losses(".png") == ((said,) if channels == 4 else layout.losses(".tif") == () and layout.losses(".png"))


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_that_are_fitted_as_an_array_are_colours_again(tmp_path, channels):
    array = numbers((9, 11, channels), "uint8")
    Image.fromarray(array).save(tmp_path / "a.tif")
    signal = open_signal(tmp_path / "a.tif", kind="array")
    signal.layout.write(decoded(signal), tmp_path / "b.tif")
    with Image.open(tmp_path / "b.tif") as image:
        assert image.mode == ("RGB", "RGBA")[channels - 3] and np.array_equal(np.asarray(image), array)
    assert layout_from_json(signal.layout.to_json()) == signal.layout and signal.layout.losses(".png") == ()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("kind", ["volume", "array"])
def test_a_stack_of_coloured_planes_stays_coloured(tmp_path, kind, dtype):
    array = numbers((4, 9, 11, 3), dtype)
    sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.25, "PhysicalSizeZ": 2.0}
    tifffile.imwrite(tmp_path / "a.tif", array, ome=True, photometric="rgb", metadata={"axes": "ZYXS", **sizes})
    signal = open_signal(tmp_path / "a.tif", kind=kind)
    signal.layout.write(decoded(signal), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.series[0].axes == "ZYXS" and file.pages[0].photometric.name == "RGB" and np.array_equal(file.asarray(), array)
    assert open_signal(tmp_path / "b.tif", kind=kind).layout == signal.layout


def test_a_slice_of_a_volume_of_bands_is_one_of_bands(tmp_path):
    array = numbers((4, 9, 11, 4), "uint8")
    tifffile.imwrite(tmp_path / "a.tif", np.moveaxis(array, -1, 1), imagej=True, metadata={"axes": "ZCYX"})
    layout = open_signal(tmp_path / "a.tif").layout
    layout.write(array[1], tmp_path / "b.tif")
    assert open_signal(tmp_path / "b.tif").layout.kind == "array" and np.array_equal(tifffile.imread(tmp_path / "b.tif"), array[1])
    assert any("is alpha in a .png" in line for line in layout.losses(".png"))


def test_colours_among_other_channels_are_said(tmp_path):
    save(tmp_path / "a.tif", numbers((9, 11, 5), "uint8"), photometric="rgb", extrasamples=["unspecified"] * 2)
    said = "Of the channels some are colours (RGB); a .tif that is written of them does not say so."
    signal = open_signal(tmp_path / "a.tif")
    assert signal.layout.kind == "array" and said in signal.report() and not signal.layout.rgb
    assert not ArraySignal(numbers((9, 11, 3)), in_dims=3, rgb=True).layout.rgb


@pytest.mark.parametrize(("rgb", "channels"), [(True, None), (True, 2), (True, 5), ("yes", 3), (1, 3)])
@pytest.mark.parametrize(("layout", "grid"), [(ArrayLayout, (9, 11)), (VolumeLayout, (4, 9, 11))])
def test_colours_that_cannot_be(layout, grid, rgb, channels):
    with pytest.raises(UsageError, match="it must be true for 3 or 4 of them, or false"):
        layout(grid, channels, "|u1", 0, 255, rgb=rgb)
