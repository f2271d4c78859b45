import io
import os
import re
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from nint.errors import UsageError
from nint.signals.image.files import read_image
from nint.signals.image.loader import from_pil
from nint.signals.image.signal import ImageLayout
from nint.signals.image.write import FORMATS, write_image
from nint.signals.pixels import PIXEL_LIMIT

SHAPES = {"grey": (6, 9), "grey+alpha": (6, 9, 2), "rgb": (6, 9, 3), "rgba": (6, 9, 4)}
EXACT = [
    *((ending, mode, dtype) for ending in (".tif", ".tiff") for mode in SHAPES for dtype in ("uint8", "uint16", "float32")),
    *((".png", mode, dtype) for mode in SHAPES for dtype in ("uint8", "uint16")),
    *((".webp", mode, "uint8") for mode in SHAPES),
    *((".bmp", mode, "uint8") for mode in ("grey", "rgb")),
]


def pixels(shape=(6, 9, 3), dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.random(shape, dtype=np.float32)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def png_bytes(array, before_data=b""):
    """An independent, unfiltered PNG."""
    channels = 1 if array.ndim == 2 else array.shape[2]
    depth = 8 * array.dtype.itemsize
    lines = array.astype(array.dtype.newbyteorder(">")).reshape(len(array), -1)
    data = b"".join(b"\0" + line.tobytes() for line in lines)
    head = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], depth, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before_data + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def exif_bytes(orientation):
    exif = Image.Exif()
    exif[274] = orientation
    return exif.tobytes()


# EXIF 2.3, tag 274: the visual side on which the stored first row and first column lie.
SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def turned(stored, orientation):
    row_side, column_side = SIDES[orientation]
    h, w = stored.shape[:2]
    height, width = (h, w) if row_side in ("top", "bottom") else (w, h)
    upright = np.empty((height, width, *stored.shape[2:]), stored.dtype)
    for r in range(h):
        for c in range(w):
            at = {row_side: r, column_side: c}
            y = at["top"] if "top" in at else height - 1 - at["bottom"]
            x = at["left"] if "left" in at else width - 1 - at["right"]
            upright[y, x] = stored[r, c]
    return upright


@pytest.mark.parametrize(("ending", "mode", "dtype"), EXACT)
def test_every_value_survives_a_file(tmp_path, ending, mode, dtype):
    array = pixels(SHAPES[mode], dtype)
    path = tmp_path / f"bild-ü{ending}"
    write_image(array, path)
    back = read_image(path)
    if ending == ".webp" and mode.startswith("grey"):  # WebP has no grey
        rgb = np.repeat(array.reshape(6, 9, -1)[..., :1], 3, axis=2)
        array = rgb if mode == "grey" else np.concatenate([rgb, array[..., 1:]], axis=2)
    assert back.dtype == array.dtype
    assert np.array_equal(back, array)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("ending", [".jpg", ".jpeg"])
@pytest.mark.parametrize("shape", [(16, 24), (16, 24, 3)])
def test_jpeg_is_close(tmp_path, ending, shape):
    smooth = np.linspace(0, 255, int(np.prod(shape))).reshape(shape).astype(np.uint8)
    write_image(smooth, tmp_path / f"a{ending}")
    back = read_image(tmp_path / f"a{ending}")
    assert back.shape == shape and back.dtype == np.uint8
    assert np.abs(back.astype(int) - smooth).max() <= 6
    with Image.open(tmp_path / f"a{ending}") as image:
        reference = io.BytesIO()
        Image.fromarray(smooth).save(reference, "JPEG", quality=95)
        assert image.format == "JPEG" and (tmp_path / f"a{ending}").read_bytes() == reference.getvalue()


@pytest.mark.parametrize("mode", ["rgb", "rgba"])
def test_16_bit_colour_is_what_other_programs_read(tmp_path, mode):
    array = pixels(SHAPES[mode], "uint16")
    for ending in (".png", ".tif"):
        write_image(array, tmp_path / f"a{ending}")
        bgr = cv2.imdecode(np.frombuffer((tmp_path / f"a{ending}").read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(bgr[..., [2, 1, 0, 3][: array.shape[2]]], array)
    with Image.open(tmp_path / "a.png") as image:  # 8 bits of it, but the CRCs and filters are sound
        assert np.array_equal(np.asarray(image), array >> 8)


@pytest.mark.parametrize("mode", list(SHAPES))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_of_others(tmp_path, mode, dtype):
    array = pixels(SHAPES[mode], dtype)
    (tmp_path / "a.png").write_bytes(png_bytes(array))
    back = read_image(tmp_path / "a.png")
    assert back.dtype == array.dtype and np.array_equal(back, array)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("shape", [(6, 9), (6, 9, 3)])
def test_a_transparent_colour_becomes_alpha(tmp_path, shape, dtype):
    array = pixels(shape, dtype)
    key = np.atleast_1d(array[2, 3])
    (tmp_path / "a.png").write_bytes(png_bytes(array, chunk(b"tRNS", key.astype(">u2").tobytes())))
    back = read_image(tmp_path / "a.png")
    full = array.reshape(6, 9, -1)
    alpha = np.where((full == key).all(axis=2), 0, np.iinfo(dtype).max)
    assert back.dtype == array.dtype
    assert np.array_equal(back, np.concatenate([full, alpha[..., None]], axis=2))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("key", [0, 1, 2, 9])
def test_a_transparent_grey_of_few_bits_becomes_alpha(tmp_path, bits, key):
    """PNG specification, third edition, 11.3.1.1: the grey is told in the depth of the image, and 13.12 scales both alike."""
    top = 2**bits - 1
    grey = np.random.default_rng(0).integers(0, min(top, 15) + 1, (6, 9))
    spread = (grey[..., None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).reshape(6, -1)
    lines = b"".join(b"\0" + np.packbits(line).tobytes() for line in spread)
    head = struct.pack(">IIBBBBB", 9, 6, bits, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"tRNS", struct.pack(">H", key)), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(name, body) for name, body in parts))
    full = 65535 if bits == 16 else 255
    expected = np.stack([grey * full // top, np.where(grey == key, 0, full)], axis=-1)
    with Image.open(tmp_path / "a.png") as image:
        for found in (read_image(tmp_path / "a.png"), from_pil(image).array):
            assert np.array_equal(found, expected) if key <= top else np.array_equal(found.reshape(6, 9, -1)[..., 0], expected[..., 0])


def test_palette_1_bit_and_cmyk(tmp_path):
    colours = pixels((4, 3), seed=3)
    index = pixels((5, 7)) % 4
    image = Image.fromarray(index)
    image.putpalette(colours.tobytes())
    image.save(tmp_path / "p.png")
    assert np.array_equal(read_image(tmp_path / "p.png"), colours[index])
    image.save(tmp_path / "p.bmp")
    assert np.array_equal(read_image(tmp_path / "p.bmp"), colours[index])
    image.save(tmp_path / "p.tif")
    assert np.array_equal(read_image(tmp_path / "p.tif"), colours[index])
    image.save(tmp_path / "pt.png", transparency=2)
    back = read_image(tmp_path / "pt.png")
    assert np.array_equal(back[..., 3], np.where(index == 2, 0, 255)) and np.array_equal(back[..., :3], colours[index])

    bits = pixels((5, 7)) > 127
    for ending in ("png", "tif", "bmp"):
        Image.fromarray(bits).save(tmp_path / f"b.{ending}")
        assert np.array_equal(read_image(tmp_path / f"b.{ending}"), bits * np.uint8(255))

    inks = pixels((5, 7, 4)).astype(float)
    Image.frombytes("CMYK", (7, 5), inks.astype(np.uint8).tobytes()).save(tmp_path / "c.tif")
    expected = (255 - inks[..., :3]) * (255 - inks[..., 3:]) / 255
    assert np.abs(read_image(tmp_path / "c.tif") - expected).max() <= 1
    flat = np.full((8, 8, 4), (10, 200, 90, 40), np.uint8)
    Image.frombytes("CMYK", (8, 8), flat.tobytes()).save(tmp_path / "c.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "c.jpg") - (255 - flat[..., :3].astype(float)) * 215 / 255).max() <= 3


def test_tiff_kinds_of_16_bits_and_floats(tmp_path):
    path = tmp_path / "a.tif"
    array = pixels((6, 9, 3), "uint16")
    bgr = cv2.imencode(".tiff", array[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, 5])[1]
    path.write_bytes(bgr.tobytes())  # LZW, which tifffile cannot undo alone
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].compression == 5
    assert np.array_equal(read_image(path), array)

    tifffile.imwrite(path, np.moveaxis(array, -1, 0), photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_image(path), array)
    tifffile.imwrite(path, array, photometric="rgb", byteorder=">", bigtiff=True, tile=(16, 16))
    assert np.array_equal(read_image(path), array)
    tifffile.imwrite(path, array[..., 0], photometric="miniswhite")
    assert np.array_equal(read_image(path), 65535 - array[..., 0])
    inks = pixels((6, 9, 4), "uint16")
    tifffile.imwrite(path, inks, photometric="separated")
    expected = (65535.0 - inks[..., :3]) * (65535.0 - inks[..., 3:]) / 65535
    assert np.array_equal(read_image(path), np.rint(expected).astype(np.uint16))

    floats = pixels((6, 9), "float32").astype(np.float64)
    for dtype in (np.float16, np.float32, np.float64):
        tifffile.imwrite(path, floats.astype(dtype))
        back = read_image(path)
        assert back.dtype == np.float32 and np.array_equal(back, floats.astype(dtype))

    first, second = pixels((2, 6, 9), "uint16")
    with tifffile.TiffWriter(path) as file:
        for page in (first, second):
            file.write(page)
    assert np.array_equal(read_image(path), first)


@pytest.mark.parametrize("orientation", list(SIDES))
def test_exif_orientation_is_honoured(tmp_path, orientation):
    exif = exif_bytes(orientation)
    array = pixels((4, 7, 3))
    image = Image.fromarray(array)
    for ending, options in ((".png", {}), (".tif", {}), (".webp", {"lossless": True}), (".jpg", {})):
        image.save(tmp_path / f"plain{ending}", **options)
        image.save(tmp_path / f"tagged{ending}", exif=exif, **options)
        stored = read_image(tmp_path / f"plain{ending}")
        assert np.array_equal(read_image(tmp_path / f"tagged{ending}"), turned(stored, orientation)), ending

    Image.fromarray(array).save(tmp_path / "lzw8.tif", compression="tiff_lzw", exif=exif)
    assert np.array_equal(read_image(tmp_path / "lzw8.tif"), turned(array, orientation))


@pytest.mark.parametrize("orientation", list(SIDES))
@pytest.mark.parametrize("mode", list(SHAPES))
def test_exif_orientation_is_honoured_with_16_bits(tmp_path, orientation, mode):
    array = pixels(SHAPES[mode], "uint16")
    expected = turned(array, orientation)
    exif = exif_bytes(orientation).removeprefix(b"Exif\0\0")
    (tmp_path / "a.png").write_bytes(png_bytes(array, chunk(b"eXIf", exif)))
    assert np.array_equal(read_image(tmp_path / "a.png"), expected)

    if mode != "grey+alpha":
        colours = "rgb" if "rgb" in mode else "minisblack"
        tifffile.imwrite(tmp_path / "a.tif", array, photometric=colours, extratags=[(274, "H", 1, orientation, True)])
        assert np.array_equal(read_image(tmp_path / "a.tif"), expected)
    if mode == "grey":
        Image.fromarray(array).save(tmp_path / "lzw.tif", compression="tiff_lzw", exif=exif_bytes(orientation))
        assert np.array_equal(read_image(tmp_path / "lzw.tif"), expected)


def test_damaged_exif_data_do_not_hide_an_image(tmp_path):
    array = pixels((4, 7, 3))
    (tmp_path / "a.png").write_bytes(png_bytes(array, chunk(b"eXIf", b"MM\0*\0\0")))
    assert np.array_equal(read_image(tmp_path / "a.png"), array)


def test_the_ending_may_lie_as_long_as_it_is_an_image(tmp_path):
    array = pixels((4, 7, 3))
    write_image(array, tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_image(tmp_path / "a.jpg"), array)


def refused(path):
    with pytest.raises(UsageError, match=re.escape(path.name)) as caught:
        read_image(path)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and path.name in text
    return text


def test_no_file_a_folder_and_an_empty_file(tmp_path):
    assert "no file" in refused(tmp_path / "missing.png")
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.png").touch()
    assert "empty" in refused(tmp_path / "empty.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert "regular file" in refused(tmp_path / "pipe.png")


@pytest.mark.parametrize("text", ["just some text, named .png", "x", "%PDF-1.4, another format", "RIFF....WAVE"])
def test_what_is_not_an_image(tmp_path, text):
    (tmp_path / "a.png").write_text(text)
    assert "not an image" in refused(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("ending", "dtype"),
    [
        (".png", "uint8"),
        (".png", "uint16"),
        (".jpg", "uint8"),
        (".tif", "uint8"),
        (".tif", "uint16"),
        (".webp", "uint8"),
        (".bmp", "uint8"),
    ],
)
def test_a_file_cut_short_is_refused_or_whole(tmp_path, ending, dtype):
    whole = tmp_path / f"whole{ending}"
    write_image(pixels((20, 30, 3), dtype), whole)
    data, array = whole.read_bytes(), read_image(whole)
    refusals = 0
    for kept in sorted({*range(1, 60), *range(0, len(data), 97), *range(len(data) - 20, len(data))} - {0}):
        cut = tmp_path / f"cut{ending}"
        cut.write_bytes(data[:kept])
        try:
            back = read_image(cut)
        except UsageError as error:
            refusals += 1
            assert "cut" in str(error) and str(error).endswith(".")
        else:
            assert np.array_equal(back, array), kept
            assert kept > len(data) - 20
    assert refusals > 60


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("compression", [1, 5])
def test_a_cut_tiff_with_its_tags_at_the_end_is_refused_or_whole(tmp_path, compression, dtype, caplog):
    array = pixels((20, 30, 3), dtype)
    path = tmp_path / "a.tif"
    data = cv2.imencode(".tiff", array[..., ::-1], [cv2.IMWRITE_TIFF_COMPRESSION, compression])[1].tobytes()
    path.write_bytes(data)
    assert np.array_equal(read_image(path), array)
    refusals = 0
    for kept in (100, len(data) // 2, *range(len(data) - 300, len(data) - 20, 4), *range(len(data) - 20, len(data))):
        path.write_bytes(data[:kept])
        try:
            assert np.array_equal(read_image(path), array), kept
        except UsageError:
            refusals += 1
    assert refusals > 60
    assert not caplog.records


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tag", ["ImageLength", "StripByteCounts", "TileByteCounts"])
def test_a_tiff_that_claims_more_pixels_than_it_holds(tmp_path, compression, tag):
    buffer = io.BytesIO()
    tile = (16, 16) if tag == "TileByteCounts" else None
    tifffile.imwrite(
        buffer, pixels((20, 30), "uint16"), compression=compression, rowsperstrip=None if tile else 5, tile=tile, metadata=None
    )
    with tifffile.TiffFile(io.BytesIO(buffer.getvalue())) as file:
        place = file.pages[0].tags[tag].valueoffset
    data = bytearray(buffer.getvalue())
    struct.pack_into("<H", data, place, 50 if tag == "ImageLength" else 0)
    (tmp_path / "a.tif").write_bytes(data)
    assert "damaged or cut short" in refused(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_a_flipped_byte_in_a_png_is_noticed(tmp_path, dtype):
    data = bytearray(png_bytes(pixels((20, 30, 3), dtype)))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.png").write_bytes(data)
    assert "damaged" in refused(tmp_path / "a.png")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    side = 2**14 + 1
    head = struct.pack(">IIBBBBB", side, side, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )
    text = refused(tmp_path / "a.png")
    assert str(side * side) in text and str(PIXEL_LIMIT) in text

    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "BMP")
    bmp = bytearray(buffer.getvalue())
    struct.pack_into("<ii", bmp, 18, 2**15, 2**14)
    (tmp_path / "a.bmp").write_bytes(bmp)
    assert str(2**29) in refused(tmp_path / "a.bmp")

    tiff = io.BytesIO()
    tifffile.imwrite(tiff, np.zeros((4, 4), np.uint16))
    with tifffile.TiffFile(io.BytesIO(tiff.getvalue())) as file:
        at = [file.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
    data = bytearray(tiff.getvalue())
    for place in at:
        struct.pack_into("<I", data, place, 2**15)
    (tmp_path / "a.tif").write_bytes(data)
    assert str(PIXEL_LIMIT) in refused(tmp_path / "a.tif")


def test_our_limit_is_ours_and_pillows_stays_as_it_was(tmp_path, monkeypatch):
    write_image(pixels((20, 30, 3)), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Image.open would refuse 600 pixels
    assert read_image(tmp_path / "a.png").shape == (20, 30, 3)
    assert Image.MAX_IMAGE_PIXELS == 100
    write_image(pixels((20, 30, 3)), tmp_path / "a.webp")
    assert "bomb" in refused(tmp_path / "a.webp")  # Pillow's WebP reader applies its own limit, too


def test_depths_that_are_not_read(tmp_path):
    path = tmp_path / "a.tif"
    for dtype in (np.uint32, np.int16, np.int32):
        tifffile.imwrite(path, np.arange(54, dtype=dtype).reshape(6, 9))
        assert "bits a channel" in refused(path)
    tifffile.imwrite(path, pixels((6, 9, 3), "uint16"), photometric="cielab")
    assert "CIELAB" in refused(path)
    tifffile.imwrite(path, pixels((6, 9, 5), "uint16"), photometric="minisblack", planarconfig="contig")
    assert "5 bands" in refused(path) and "--kind array" in refused(path)
    tifffile.imwrite(path, pixels((32, 16, 16), "uint16"), photometric="minisblack", tile=(16, 16, 16), volumetric=True)
    assert "(32, 16, 16)" in refused(path)


@pytest.mark.parametrize(
    ("ending", "shape", "dtype", "works"),
    [
        (".jpg", (4, 5, 3), "uint16", ".png, .tif or .tiff"),
        (".bmp", (4, 5), "uint16", ".png, .tif or .tiff"),
        (".webp", (4, 5, 4), "uint16", ".png, .tif or .tiff"),
        (".jpeg", (4, 5, 4), "uint8", ".png, .tif, .tiff or .webp"),
        (".bmp", (4, 5, 2), "uint8", ".png, .tif, .tiff or .webp"),
        (".bmp", (4, 5, 4), "float32", ".png, .tif, .tiff or .webp"),
    ],
)
def test_what_an_ending_cannot_hold_is_refused_and_names_those_that_can(tmp_path, ending, shape, dtype, works):
    path = tmp_path / f"a{ending}"
    path.write_text("kept")
    with pytest.raises(UsageError, match=ending) as caught:
        write_image(pixels(shape, dtype), path)
    assert works in str(caught.value)
    assert path.read_text() == "kept" and os.listdir(tmp_path) == [path.name]


def test_floats_take_the_most_bits_of_an_ending(tmp_path):
    array = pixels((6, 9, 3), "float32")
    array[0, 0] = (-0.5, 1.5, 0.5)
    for ending, dtype, top in ((".png", np.uint16, 65535), (".bmp", np.uint8, 255), (".webp", np.uint8, 255)):
        write_image(array, tmp_path / f"a{ending}")
        back = read_image(tmp_path / f"a{ending}")
        assert back.dtype == dtype
        assert np.abs(back / top - np.clip(array, 0, 1)).max() <= 0.5 / top + 1e-9


def test_places_that_cannot_be_written(tmp_path):
    array = pixels((4, 5, 3))
    with pytest.raises(UsageError, match="ending"):
        write_image(array, tmp_path / "a.gif")
    with pytest.raises(UsageError, match="ending"):
        write_image(array, tmp_path / "noending")
    with pytest.raises(UsageError, match="cannot be written"):
        write_image(array, tmp_path / "no folder" / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UsageError, match="folder"):
        write_image(array, tmp_path / "folder.png")
    assert os.listdir(tmp_path) == ["folder.png"]


def test_pixels_that_cannot_be_written(tmp_path):
    for shape in ((4,), (4, 5, 5), (4, 5, 3, 1), (0, 5)):
        with pytest.raises(UsageError, match="shape"):
            write_image(np.zeros(shape, np.uint8), tmp_path / "a.png")
    with pytest.raises(UsageError, match="int64"):
        write_image(np.zeros((4, 5), np.int64), tmp_path / "a.png")
    with pytest.raises(UsageError, match="20000x1"):
        write_image(np.zeros((1, 20000), np.uint8), tmp_path / "a.webp")
    assert os.listdir(tmp_path) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_image(pixels(seed=1), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        write_image(pixels(seed=2), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]


def test_the_layout_knows_the_same_endings():
    assert ImageLayout.suffixes == tuple(FORMATS)
