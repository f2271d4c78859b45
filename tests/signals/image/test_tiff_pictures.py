"""TIFF as an image: what the channel beyond the colours is, the size of a pixel, the place on Earth; against Pillow and the definitions."""

from fractions import Fraction

import numpy as np
import pytest
import tifffile
from PIL import Image

from nint.signals.image.files import read_image, read_picture
from nint.signals.image.loader import load_image
from nint.signals.open import open_signal

MULTIPLIED, UNSAID = "stored multiplied by alpha", "a further channel that it does not call alpha"
EARTH = "Where the file lies on Earth (GeoTIFF) is not kept."


def coloured(dtype, channels, seed=0):
    """Colours `[h, w, c]` and alpha `[h, w, 1]`, none and full in places."""
    rng, top = np.random.default_rng(seed), 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    colours, alpha = (rng.random((12, 15, n)) * top for n in (channels - 1, 1))
    alpha[0, :5], alpha[1, :5] = 0, top
    return (part.astype(dtype) for part in (colours, alpha))


def save(path, array, extra, **options):
    photometric = {1: "minisblack", 2: "minisblack", 3: "rgb", 4: "rgb"}[1 if array.ndim == 2 else array.shape[2]]
    extra = {"extrasamples": [extra]} if extra else {}
    tifffile.imwrite(path, array, photometric=photometric, planarconfig="contig" if array.ndim > 2 else None, **extra, **options)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_16_bit_colours_multiplied_by_alpha_are_divided_by_it(tmp_path, channels, byteorder):
    colours, alpha = coloured("uint16", channels)
    stored = np.rint(colours * (alpha / 65535)).astype(np.uint16)
    stored[2, 0] = 65535  # brighter than its alpha allows, which the division would take beyond white
    save(tmp_path / "a.tif", np.concatenate([stored, alpha], axis=2), "assocalpha", byteorder=byteorder)
    found = read_image(tmp_path / "a.tif")
    for place in np.ndindex(12, 15):  # TIFF 6.0, section 18: stored = colour * alpha, in parts of full
        full = int(alpha[place][0])
        expected = [min(round(Fraction(int(value) * 65535, full)), 65535) if full else 0 for value in stored[place]]
        assert found[place].tolist() == [*expected, full]
    assert any(MULTIPLIED in note for note in read_picture(tmp_path / "a.tif").notes)


def test_16_bits_agree_with_what_pillow_makes_of_them(tmp_path):
    colours, alpha = coloured("uint16", 4)
    stored = np.rint(colours * (alpha / 65535)).astype(np.uint16)
    save(tmp_path / "a.tif", np.concatenate([stored, alpha], axis=2), "assocalpha")
    with Image.open(tmp_path / "a.tif") as image:
        other = np.asarray(image.convert("RGBA")).astype(int)  # of the upper 8 bits of each number
    solid = alpha[..., 0] > 32768
    assert solid.any() and np.abs((read_image(tmp_path / "a.tif") >> 8).astype(int) - other)[solid].max() <= 3


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_colours_multiplied_by_alpha(tmp_path, dtype):
    colours, alpha = coloured(dtype, 4)
    stored = (colours * alpha).astype(dtype)
    save(tmp_path / "a.tif", np.concatenate([stored, alpha], axis=2), "assocalpha")
    found = read_image(tmp_path / "a.tif")
    seen = alpha[..., 0] > 0.05
    assert found.dtype == np.float32 and np.allclose(found[seen][:, :3], colours[seen], rtol=2e-3 if dtype == "float16" else 1e-6)
    assert (found[0, :5, :3] == 0).all() and np.array_equal(found[..., 3:], alpha.astype(np.float32)) and found.max() <= 1
    assert load_image(tmp_path / "a.tif").layout.channels == 4


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_what_is_decoded_looks_as_the_file_did(tmp_path, dtype):
    colours, alpha = coloured(dtype, 4)
    top = 1 if dtype == "float32" else np.iinfo(dtype).max
    stored = colours * (alpha.astype(float) / top)
    save(tmp_path / "a.tif", np.concatenate([stored.astype(dtype), alpha], axis=2), "assocalpha")
    signal = load_image(tmp_path / "a.tif")
    signal.layout.write(signal.layout.decode(lambda rows: signal.image.reshape(len(rows), -1)), tmp_path / "b.tif")
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        written, extra = file.pages[0].asarray().astype(float), file.pages[0].extrasamples
    assert extra == (2,)  # so a viewer multiplies by alpha itself, over black
    shown = written[..., :3] * written[..., 3:] / top
    assert np.abs(shown - stored).max() <= {"float32": 1e-6, "uint16": 1.5, "uint8": 2.5}[dtype]  # Pillow cuts where we round


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [2, 4])
def test_a_channel_that_is_not_said_to_be_alpha_is_left_out_at_every_depth(tmp_path, dtype, channels):
    """Pillow does so at 8 bits."""
    colours, other = coloured(dtype, channels)
    save(tmp_path / "a.tif", np.concatenate([colours, other], axis=2), "unspecified")
    signal = load_image(tmp_path / "a.tif")
    assert np.array_equal(signal.array, colours[..., 0] if channels == 2 else colours)
    assert sum(UNSAID in note for note in signal.report()) == 1 and not any(MULTIPLIED in note for note in signal.report())


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_plain_alpha_is_kept_as_stored_without_a_word(tmp_path, dtype):
    array = np.concatenate(list(coloured(dtype, 4)), axis=2)
    save(tmp_path / "a.tif", array, "unassalpha")
    signal = load_image(tmp_path / "a.tif")
    assert np.array_equal(signal.array, array) and not any("alpha" in note for note in signal.report())


def test_white_is_zero_turns_grey_but_not_alpha(tmp_path):
    array = np.concatenate(list(coloured("uint16", 2)), axis=2)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite", planarconfig="contig", extrasamples=["unassalpha"])
    found = read_image(tmp_path / "a.tif")
    assert np.array_equal(found[..., 0], 65535 - array[..., 0]) and np.array_equal(found[..., 1], array[..., 1])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("form", ["imagej", "ome"])
def test_the_size_of_a_pixel_is_said_not_to_be_kept(tmp_path, dtype, form):
    array = next(iter(coloured(dtype, 2)))[..., 0]
    if form == "imagej":
        tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(2, 4), metadata={"unit": "um"})
    else:
        sizes = {"PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.25, "PhysicalSizeYUnit": "µm"}
        tifffile.imwrite(tmp_path / "a.tif", array, ome=True, metadata={"axes": "YX", **sizes})
    signal = open_signal(tmp_path / "a.tif")
    said = "The size of a pixel of 'a.tif' (y 0.25 um, x 0.5 um) is not kept; --kind array keeps it in a .tif."
    assert signal.layout.kind == "image" and said in signal.report()
    kept = open_signal(tmp_path / "a.tif", kind="array").layout
    kept.write(array, tmp_path / "b.tif")
    again = open_signal(tmp_path / "b.tif", kind="array").layout
    assert again.spacing == kept.spacing and kept.spacing.steps == (0.25, 0.5)


@pytest.mark.parametrize(
    "tag",
    [
        (33550, "d", 3, (30.0, 30.0, 0.0), True),
        (34264, "d", 16, (0.0, 30.0, 0.0, 5e5, 30.0, 0.0, 0.0, 4e6, *[0.0] * 7, 1.0), True),
        (34735, "H", 8, (1, 1, 0, 1, 1024, 0, 1, 2), True),
    ],
)
@pytest.mark.parametrize(("dtype", "kind"), [("uint8", "image"), ("uint16", "image"), ("int16", "array"), ("uint16", "array")])
def test_a_place_on_earth_is_said_not_to_be_kept(tmp_path, tag, dtype, kind):
    array = np.arange(180).reshape(12, 15).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, extratags=[tag])
    signal = open_signal(tmp_path / "a.tif", kind=kind)
    assert signal.layout.kind == kind and list(signal.report()).count(EARTH) == 1
    assert not any("size of a pixel" in note for note in signal.report())
    tifffile.imwrite(tmp_path / "b.tif", array)
    assert EARTH not in open_signal(tmp_path / "b.tif", kind=kind).report()


def test_damaged_words_on_the_axes_do_not_hide_an_image(tmp_path):
    array = next(iter(coloured("uint16", 2)))[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", array, description="ImageJ=1.11a\nimages=1\nunit=\\u12\nspacing=x\n", metadata=None)
    assert np.array_equal(read_image(tmp_path / "a.tif"), array)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("ending", "dtype"), [(".tif", "uint8"), (".tif", "uint16"), (".jpg", "uint8"), (".png", "uint8")])
def test_the_resolution_is_that_of_the_upright_picture(tmp_path, ending, dtype, orientation):
    array, path = next(iter(coloured(dtype, 4))), tmp_path / f"a{ending}"
    if dtype == "uint16":
        tag = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(path, array, photometric="rgb", resolution=(300, 150), resolutionunit="inch", extratags=tag)
    else:
        exif = Image.Exif()
        exif[274] = orientation
        Image.fromarray(array).save(path, dpi=(300, 150), exif=exif)
    found = read_picture(path)
    stored = {"x": 15 / 300, "y": 12 / 150}  # inches: the paper does not change its size when it is turned
    x, y = (size / dpi for size, dpi in zip(found.pixels.shape[1::-1], found.dpi, strict=True))
    turned = orientation > 4  # EXIF 2.3: rows become columns
    assert (x, y) == pytest.approx((stored["y"], stored["x"]) if turned else (stored["x"], stored["y"]), rel=1e-3)
    with Image.open(path) as image:
        if dtype == "uint8":
            assert open_signal(image).layout.dpi == pytest.approx(found.dpi, rel=1e-3)
