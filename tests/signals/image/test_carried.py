"""What an image file carries besides pixels: kept and written back, or said in one line."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, PngImagePlugin

import nint
from nint.errors import UsageError
from nint.signals.image.files import read_picture
from nint.signals.image.layout import ImageLayout
from nint.signals.image.loader import load_image
from nint.signals.image.picture import PROFILE_LIMIT, checked_profile
from nint.signals.image.signal import ImageSignal
from nint.signals.image.write import write_image
from nint.signals.open import layout_from_json, open_signal

CASES = Path(__file__).parents[3].parent / "shared" / "cases" / "image"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="needs the cases beside the repository")


def pixels(shape=(6, 9, 3), dtype="uint8", top=256, seed=0):
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


def grey_profile():
    """The sRGB profile with its colour space renamed: only the header is looked at."""
    return SRGB[:16] + b"GRAY" + SRGB[20:]


def info(path):
    with Image.open(path) as image:
        return dict(image.info)


def perfect(signal):
    return lambda rows: signal.image.reshape(len(rows), -1)


def notes(signal):
    return " ".join(signal.report())


@pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("source", [".png", ".jpg", ".tif", ".webp"])
def test_the_colour_profile_travels_in_the_model(tmp_path, source, ending):
    before, after = tmp_path / f"a{source}", tmp_path / f"b{ending}"
    Image.fromarray(pixels()).save(before, icc_profile=SRGB)
    signal = load_image(before)
    layout = layout_from_json(signal.layout.to_json())
    assert layout.profile_bytes == SRGB and "profile" not in notes(signal)
    layout.write(layout.decode(perfect(signal)), after)
    assert info(after)["icc_profile"] == SRGB


@pytest.mark.parametrize(("shape", "profile"), [((6, 9), grey_profile()), ((6, 9, 3), SRGB), ((6, 9, 4), SRGB)])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_16_bits_keep_profile_and_resolution(tmp_path, shape, profile, ending):
    path = tmp_path / f"a{ending}"
    array = pixels(shape, "uint16", 65536)
    write_image(array, path, profile=profile, dpi=(300, 150))
    with Image.open(path) as other:  # another program's reading of them
        assert other.info["icc_profile"] == profile and other.info["dpi"] == pytest.approx((300, 150), rel=1e-3)
    found = read_picture(path)
    assert np.array_equal(found.pixels, array) and found.profile == profile
    assert found.dpi == pytest.approx((300, 150), rel=1e-3)


def test_a_profile_goes_through_fit_and_file(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.png", icc_profile=SRGB, dpi=(300, 300))
    fit = nint.fit(str(tmp_path / "a.png"), field="siren:size=1x8", budget=1)
    fit.save(tmp_path / "m.safetensors")
    nint.Fit.load(tmp_path / "m.safetensors").write(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["icc_profile"] == SRGB and image.info["dpi"] == pytest.approx((300, 300), rel=1e-3)


def test_profiles_that_are_not_kept_are_said(tmp_path):
    Image.fromarray(pixels((6, 9, 4))).convert("CMYK").save(tmp_path / "a.jpg", icc_profile=SRGB[:16] + b"CMYK" + SRGB[20:])
    signal = load_image(tmp_path / "a.jpg")
    assert signal.layout.profile == "" and "profile of 'a.jpg' is not for the channels" in notes(signal)
    for profile, word in (
        (b"x" * 200, "damaged"),
        (SRGB + bytes(PROFILE_LIMIT), "more than a model takes"),
        (grey_profile(), "not for the"),
    ):
        kept, said = checked_profile(profile, 3, "a.png")
        assert kept == b"" and word in said
    assert checked_profile(None, 3, "a.png") == checked_profile(b"", 3, "a.png") == (b"", "")


@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 2)])
def test_grey_as_webp_drops_the_profile_of_grey_and_says_so(tmp_path, shape):
    write_image(pixels(shape), tmp_path / "a.png", profile=grey_profile())
    layout = load_image(tmp_path / "a.png").layout
    layout.write(pixels(shape), tmp_path / "b.webp")
    assert layout.profile_bytes == grey_profile() and "icc_profile" not in info(tmp_path / "b.webp")
    assert layout.losses(".webp") == ("The colour profile is not kept, which .webp has no place for.",)


def test_resolution_follows_a_reduction_and_defaults_count_as_none(tmp_path):
    Image.fromarray(pixels((20, 30, 3))).save(tmp_path / "a.png", dpi=(300, 300))
    assert load_image(tmp_path / "a.png", max_side=15).layout.dpi == pytest.approx((150, 150), rel=1e-3)
    for dpi in (72, 96):
        Image.fromarray(pixels((20, 30, 3))).save(tmp_path / "b.png", dpi=(dpi, dpi))
        assert load_image(tmp_path / "b.png").layout.dpi is None


def test_the_printed_size_stays_at_every_resolution(tmp_path):
    Image.fromarray(pixels((20, 30, 3))).save(tmp_path / "a.png", dpi=(300, 150))
    fit = nint.fit(str(tmp_path / "a.png"), max_side=15, field="siren:size=1x8", budget=1)
    printed = (30 / 300, 20 / 150)  # inches
    for options in ({}, {"scale": 2}, {"scale": 3.1}, {"width": 40}, {"height": 50, "width": 20}):
        fit.write(tmp_path / "b.png", **options)
        with Image.open(tmp_path / "b.png") as image:
            found = tuple(size / dpi for size, dpi in zip(image.size, image.info["dpi"], strict=True))
        assert found == pytest.approx(printed, rel=1e-3)
    fit.write(tmp_path / "c.png", scale=4, crop=(0, 0, 7, 9))
    assert info(tmp_path / "c.png")["dpi"] == pytest.approx((600, 300), rel=1e-3)
    assert fit.layout.of_decoded(scale=4).dpi == pytest.approx((600, 300), rel=1e-3) and fit.layout.of_decoded() == fit.layout


def test_models_of_before_load():
    layout = layout_from_json({"kind": "image", "height": 2, "width": 3, "channels": 3, "bits": 16})
    assert (layout.depth, layout.profile, layout.dpi, layout.top) == (None, "", None, 65535)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"depth": 17}, "depth=17"),
        ({"depth": 0}, "depth"),
        ({"depth": 10, "bits": 8}, "depth=10 does not fit 8 bits"),
        ({"profile": "?"}, "base64"),
        ({"profile": 7}, "base64"),
        ({"dpi": [0, 1]}, "dpi"),
        ({"dpi": "x"}, "dpi"),
        ({"dpi": [1, 2, 3]}, "dpi"),
    ],
)
def test_layouts_that_cannot_be(values, word):
    with pytest.raises(UsageError, match=word):
        ImageLayout(**{"height": 2, "width": 3, "channels": 3, "bits": 16} | values)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3)])
@pytest.mark.parametrize(("top", "depth"), [(255, 8), (256, 10), (1023, 10), (1024, 12), (4095, 12), (4096, 14), (16383, 14), (16384, 16)])
def test_the_bits_in_use_are_the_range_and_decode_gives_the_files_units(tmp_path, ending, shape, top, depth):
    array = pixels(shape, "uint16", top + 1)
    array.flat[0] = top
    write_image(array, tmp_path / f"a{ending}")
    signal = load_image(tmp_path / f"a{ending}")
    assert signal.layout.depth == (None if depth == 16 else depth)
    expected = (array / (2.0**depth - 1)).astype(np.float32)
    assert np.array_equal(signal.image.numpy().reshape(shape), expected)
    assert signal.scaling() == {"low": 0, "high": 2**depth - 1}
    assert (f"no value above {2**depth - 1} in its 16 bits" in notes(signal)) == (depth < 16)
    decoded = signal.layout.decode(perfect(signal))
    assert decoded.dtype == np.uint16 and np.array_equal(decoded, array)


def test_psnr_is_relative_to_the_bits_in_use():
    array = pixels((16, 16), "uint16", 1024)
    array[0, 0] = 1023
    found = ImageSignal(array).evaluate(lambda rows: torch.full((len(rows), 1), 0.5))["psnr"]
    assert found == pytest.approx(-10 * np.log10(np.mean((array / 1023 - 0.5) ** 2)), abs=1e-3)


def test_another_depth_can_be_named(tmp_path):
    array = pixels((8, 9), "uint16", 1024)
    array[0, 0] = 1000
    write_image(array, tmp_path / "a.png")
    for depth in (10, 11, 12, 16):
        signal = open_signal(tmp_path / "a.png", bit_depth=depth)
        assert signal.layout.top == 2**depth - 1 and "bits are taken" not in notes(signal)
    for depth in (0, 9, 17, -1, 2**63):
        with pytest.raises(UsageError, match="bit_depth"):
            open_signal(tmp_path / "a.png", bit_depth=depth)
    write_image(pixels(), tmp_path / "b.png")
    with pytest.raises(UsageError, match="which has 8 bits a channel; it is for 16"):
        open_signal(tmp_path / "b.png", bit_depth=8)


def test_depths_have_fingerprints_and_are_not_measured_against_each_other():
    array = pixels((8, 9), "uint16", 1024)
    ten, sixteen = ImageSignal(array), ImageSignal(array, depth=16)
    assert ten.layout.describe() == "9x8 grey image, 10 of 16 bits" and sixteen.layout.describe() == "9x8 grey image, 16 bits"
    assert ten.fingerprint() != sixteen.fingerprint()
    with pytest.raises(UsageError, match="read it with bit_depth=10"):
        ten.layout.check_comparable(sixteen.layout)
    with pytest.raises(UsageError, match="read it with bit_depth=16"):
        sixteen.layout.check_comparable(ten.layout)
    sixteen.layout.check_comparable(ImageSignal(pixels((8, 9))).layout)


def test_a_narrow_range_is_said():
    array = (pixels((8, 9), "uint8", 5) + 100).astype(np.uint8)
    span = (int(array.max()) - int(array.min())) / 255
    assert f"relative to the span it is {-20 * np.log10(span):.0f} dB lower" in notes(ImageSignal(array))
    assert "span" not in notes(ImageSignal(pixels((8, 9))))


def test_rounded_floats_are_clipped_and_others_told_with_enough_digits():
    array = pixels((8, 9), "float64", 1000) / 999
    array[0, 0], array[1, 1] = 1.0000001, -1e-7
    signal = ImageSignal(array)
    assert signal.array.max() == 1 and signal.array.min() == 0
    array[0, 0] = 1.00001
    with pytest.raises(UsageError, match=r"from -1e-07 to 1\.00001; scale"):
        ImageSignal(array)


def test_later_frames_are_said(tmp_path):
    first, *others = (Image.fromarray(pixels((16, 16, 3), seed=seed)) for seed in range(3))
    for name, options in (("a.gif", {}), ("a.webp", {"lossless": True}), ("a.png", {"default_image": False})):
        first.save(tmp_path / name, save_all=True, append_images=others, duration=40, **options)
        signal = load_image(tmp_path / name)
        assert f"'{name}' holds 3 frames, of which the first is fitted; --kind video fits them all." in notes(signal)
        assert signal.layout.channels == 3
    assert np.array_equal(load_image(tmp_path / "a.webp").array, np.asarray(first))


def test_pages_of_a_tiff_are_said(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels((2, 16, 16, 3)), photometric="rgb")
    assert "'a.tif' holds 2 pages, of which the first is fitted" in notes(load_image(tmp_path / "a.tif"))


def test_transparency_of_a_gif_is_kept(tmp_path):
    palette = Image.fromarray(pixels((12, 12), top=4)).convert("P")
    palette.putpalette(pixels((12,)).tolist())
    palette.save(tmp_path / "a.gif", transparency=0)
    array = load_image(tmp_path / "a.gif").array
    with Image.open(tmp_path / "a.gif") as image:
        assert np.array_equal(array, np.asarray(image.convert("RGBA")))


def test_what_a_model_does_not_keep_is_said(tmp_path):
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    text = PngImagePlugin.PngInfo()
    text.add_text("Title", "x")
    image = Image.fromarray(pixels())
    image.save(tmp_path / "a.jpg", exif=exif, comment="hello")
    assert "The model does not keep the EXIF data and text of 'a.jpg'." in load_image(tmp_path / "a.jpg").report()
    image.save(tmp_path / "a.png", pnginfo=text)
    assert "The model does not keep the text of 'a.png'." in load_image(tmp_path / "a.png").report()
    image.save(tmp_path / "b.png")
    data = (tmp_path / "b.png").read_bytes()
    body = b"gAMA" + (100_000).to_bytes(4, "big")
    (tmp_path / "b.png").write_bytes(data[:33] + (4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big") + data[33:])
    assert "The model does not keep the gamma 1 of 'b.png'." in load_image(tmp_path / "b.png").report()
    exif = Image.Exif()
    exif[274] = 1
    image.save(tmp_path / "c.jpg", exif=exif)
    assert "not keep" not in notes(load_image(tmp_path / "c.jpg"))


@pytest.mark.parametrize("shape", [(12, 14), (12, 14, 3)])
def test_pixels_without_data_are_unobserved(tmp_path, shape):
    array = pixels(shape) // 2 + 20
    array[3:5, 2:7] = 0
    tifffile.imwrite(
        tmp_path / "a.tif", array, photometric="rgb" if len(shape) == 3 else "minisblack", extratags=[(42113, "s", 0, "0", True)]
    )
    signal = load_image(tmp_path / "a.tif")
    expected = np.ones((12, 14), bool)
    expected[3:5, 2:7] = False
    assert np.array_equal(signal.observed.numpy().reshape(12, 14), expected)
    assert "10 pixels of 'a.tif' hold its 'no data' value 0 and are unobserved." in notes(signal)
    reduced = load_image(tmp_path / "a.tif", max_side=7)
    whole = expected.reshape(6, 2, 7, 2).all(axis=(1, 3))
    assert np.array_equal(reduced.observed.numpy().reshape(6, 7), whole)


def test_a_size_that_the_file_cannot_hold_is_refused_before_it_is_unpacked(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(pixels()).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = (16_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UsageError, match=r"claims 732 MiB of content, more than the [0-9,]+ bytes of the file can hold"):
        load_image(tmp_path / "a.png")
    data[16:24] = (17_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(UsageError, match="--max-points raises it"):
        load_image(tmp_path / "a.png")
    with pytest.raises(UsageError, match="bytes of the file can hold"):
        load_image(tmp_path / "a.png", max_points=2**40)


def test_the_pixel_limit_is_raised_and_lowered_by_name(tmp_path):
    write_image(pixels(), tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", max_points=54).layout.samples == 54
    with pytest.raises(UsageError, match="claims 54 pixels"):
        load_image(tmp_path / "a.png", max_points=53)


def test_libraries_do_not_print_about_damaged_files(tmp_path, capfd):
    array = pixels((40, 40, 3), "uint16", 65536)
    for name in ("a.png", "a.tif", "b.jpg", "c.webp"):
        write_image(array if name[0] == "a" else (array >> 8).astype(np.uint8), tmp_path / name)
        data = bytearray((tmp_path / name).read_bytes())
        data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
        (tmp_path / name).write_bytes(data)
        try:
            load_image(tmp_path / name)
        except UsageError as error:
            assert "\\x" not in str(error) and "\n" not in str(error)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


@pytest.mark.parametrize("ending", ImageLayout.suffixes)
def test_that_floats_become_whole_numbers_is_said(tmp_path, ending):
    array = np.random.default_rng(0).random((6, 9, 3)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    layout = load_image(tmp_path / "a.tif").layout
    layout.write(array, tmp_path / f"b{ending}")
    dtype = read_picture(tmp_path / f"b{ending}").pixels.dtype
    said = [line for line in layout.losses(ending) if "bits" in line]
    held = f"Pixels are stored as {8 * dtype.itemsize} bits; the model has 32-bit floats."
    assert said == ([] if dtype == np.float32 else [held])
    assert ImageSignal(pixels()).layout.losses(ending) == ()


@needs_cases
def test_the_case_of_a_display_p3_photo(tmp_path):
    path = CASES / "display_p3.png"
    with Image.open(path) as image:
        profile, array = image.info["icc_profile"], np.asarray(image)
    signal = load_image(path)
    assert signal.layout.profile_bytes == profile
    for ending in (".png", ".tif", ".webp"):
        signal.layout.write(signal.layout.decode(perfect(signal)), tmp_path / f"a{ending}")
        with Image.open(tmp_path / f"a{ending}") as image:
            assert image.info["icc_profile"] == profile and np.array_equal(np.asarray(image), array)


@needs_cases
def test_the_cases_of_10_bits_and_of_animations():
    signal = load_image(CASES / "grey_10bit_in_uint16.tif")
    raw = tifffile.imread(CASES / "grey_10bit_in_uint16.tif")
    assert np.array_equal(signal.image.numpy()[..., 0], (raw / 1023.0).astype(np.float32))
    assert np.array_equal(signal.layout.decode(perfect(signal)), raw)
    gif = load_image(CASES / "alpha.gif")
    with Image.open(CASES / "alpha.gif") as image:
        assert np.array_equal(gif.array, np.asarray(image.convert("RGBA"))) and f"holds {image.n_frames} frames" in notes(gif)
    webp = load_image(CASES / "anim.webp")
    with Image.open(CASES / "anim.webp") as image:
        assert np.array_equal(webp.array, np.asarray(image.convert("RGB"))) and f"holds {image.n_frames} frames" in notes(webp)


@needs_cases
@pytest.mark.parametrize("name", ["dem_int16.tif", "dem_int16_deflate_nodata.tif", "5band.tif"])
def test_the_cases_that_are_no_images_name_what_reads_them(name):
    with pytest.raises(UsageError, match="--kind array"):
        load_image(CASES / name)


def test_a_resolution_that_a_format_cannot_hold_is_left_out_and_said(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.png", dpi=(254_000, 254_000))  # a tenth of a micrometre a pixel
    layout = load_image(tmp_path / "a.png").layout
    assert layout.dpi[0] == pytest.approx(254_000, rel=1e-3)
    said = "The print resolution is not kept, which {} has no place for."
    assert layout.losses(".jpg") == (said.format(".jpg"),) and layout.losses(".webp") == (said.format(".webp"),)
    assert layout.losses(".png") == layout.losses(".tif") == ()
    layout.write(pixels(), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.info.get("dpi", (72, 72))[0] <= 72


@pytest.mark.parametrize("channels", [2, 4])
def test_colours_of_fewer_bits_than_their_alpha_are_said(channels):
    array = pixels((6, 9, channels), "uint16", 1024)
    array[0, 0, :-1] = 1000
    array[..., -1] = 65535
    signal = ImageSignal(array, "a.tif")
    assert signal.layout.top == 65535
    assert any("'a.tif' take 10 of its 16 bits" in note for note in signal.file_notes())
    array[..., -1] = 1023
    signal = ImageSignal(array, "a.tif")  # alpha of the same depth
    assert signal.layout.top == 1023
    assert not any("of its 16 bits, its" in note for note in signal.file_notes())


def test_a_resolution_that_differs_by_axis_is_kept_even_where_one_is_72(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.png", dpi=(72, 144))
    assert load_image(tmp_path / "a.png").layout.dpi == pytest.approx((72, 144), abs=0.05)
    Image.fromarray(pixels()).save(tmp_path / "b.png", dpi=(72, 72))
    assert load_image(tmp_path / "b.png").layout.dpi is None
