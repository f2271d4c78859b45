"""What a model does not keep of a picture's file: each thing is said in one line, and files without it say nothing."""

import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from nint.signals.image.loader import load_image
from nint.signals.open import open_signal


def pixels(shape=(9, 12, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def said(source, **options):
    """Sentences on the file, without those on metrics and the range of the values."""
    return [line for line in open_signal(source, **options).report() if "LPIPS" not in line and "PSNR" not in line]


def with_chunk(path, name, body):
    """Puts a chunk behind the header of a PNG."""
    data = path.read_bytes()
    chunk = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    path.write_bytes(data[:33] + chunk + data[33:])


@pytest.mark.parametrize("further", [1, 2])
def test_further_pictures_of_a_jpeg(tmp_path, further):
    first, *others = (Image.fromarray(pixels(seed=seed)) for seed in range(1 + further))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=others)
    held = "1 further picture" if further == 1 else "2 further pictures"
    are = "is" if further == 1 else "are"
    line = f"'a.jpg' also holds {held} (MPO: another view, a burst, or a gain map for HDR), which {are} left out."
    assert line in said(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.n_frames == 1 + further and line in said(image)
    first.save(tmp_path / "b.jpg")
    assert said(tmp_path / "b.jpg") == []


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_inks(tmp_path, name):
    Image.fromarray(pixels()).convert("CMYK").save(tmp_path / name)
    assert said(tmp_path / name) == [
        f"The inks (CMYK) of '{name}' are turned into RGB by a plain formula, so that its colours are approximate."
    ]


def test_inks_of_16_bits(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels((9, 12, 4)).astype(np.uint16) * 257, photometric="separated", planarconfig="contig")
    assert any("inks (CMYK) of 'a.tif'" in line for line in said(tmp_path / "a.tif"))


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ((9, 16, 0, 1), "primaries BT.2020, transfer PQ, which is HDR"),
        ((12, 13, 0, 1), "primaries Display P3, transfer sRGB"),
        ((22, 4, 0, 1), "primaries 22, transfer 4"),
        ((1, 13, 0, 1), ""),
    ],
)
def test_colours_by_code_points(tmp_path, codes, words, depth):
    if depth == 8:
        Image.fromarray(pixels()).save(tmp_path / "a.png")
    else:
        import cv2

        cv2.imwrite(str(tmp_path / "a.png"), pixels().astype(np.uint16) * 257)
    with_chunk(tmp_path / "a.png", b"cICP", bytes(codes))
    assert said(tmp_path / "a.png") == ([f"The model does not keep the colour space (cICP: {words}) of 'a.png'."] if words else [])


def test_primaries_and_the_shape_of_pixels_of_a_png(tmp_path):
    usual = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    for primaries, aspect, words in (
        (usual, (1, 1), ""),
        ((31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000), (1, 1), "primaries (cHRM)"),
        (usual, (2, 1), "shape of the pixels (1:2)"),
    ):
        Image.fromarray(pixels()).save(tmp_path / "a.png")
        with_chunk(tmp_path / "a.png", b"cHRM", struct.pack(">8I", *primaries))
        with_chunk(tmp_path / "a.png", b"pHYs", struct.pack(">IIB", *aspect, 0))
        assert said(tmp_path / "a.png") == ([f"The model does not keep the {words} of 'a.png'."] if words else [])


def test_the_shape_of_pixels_of_a_jpeg(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "a.jpg")
    assert said(tmp_path / "a.jpg") == []
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    at = data.index(b"JFIF\0") + 7  # unit, x and y
    data[at : at + 5] = struct.pack(">BHH", 0, 2, 1)
    (tmp_path / "a.jpg").write_bytes(data)
    assert said(tmp_path / "a.jpg") == ["The model does not keep the shape of the pixels (1:2) of 'a.jpg'."]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_words_of_a_tiff(tmp_path, dtype):
    array = pixels((9, 12)).astype(dtype)
    tags = [(315, "s", 0, "Ada", True), (33432, "s", 0, "(c) Ada", True), (306, "s", 0, "2020:01:01 00:00:00", True)]
    tifffile.imwrite(tmp_path / "a.tif", array, description="A garden", metadata=None, extratags=tags[:2], datetime=tags[2][3])
    line = "The model does not keep the description, date, artist and copyright of 'a.tif'."
    assert line in said(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.tif", array)  # with tifffile's own words on the shape
    assert not any("not keep" in words for words in said(tmp_path / "b.tif"))


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
def test_the_scale_of_gdal(tmp_path, dtype):
    items = '<Item name="SCALE" sample="0" role="scale">0.1</Item><Item name="OFFSET" sample="0" role="offset">273.15</Item>'
    xml = f'<GDALMetadata>{items}<Item name="sensor">x</Item></GDALMetadata>'
    tifffile.imwrite(tmp_path / "a.tif", pixels((9, 12)).astype(dtype), extratags=[(42112, "s", 0, xml, True)])
    found = said(tmp_path / "a.tif")
    assert "By GDAL, the numbers of 'a.tif' stand for others (scale 0.1, offset 273.15), which is not kept." in found
    assert "The model does not keep the metadata of GDAL of 'a.tif'." in found
    plain = xml.replace("0.1", "1.0").replace("273.15", "0")
    for text, told in ((plain, ["metadata of GDAL"]), (xml[:-9], []), (xml.replace("0.1", "much"), [])):  # damaged; the pixels are sound
        tifffile.imwrite(tmp_path / "a.tif", pixels((9, 12)).astype(dtype), extratags=[(42112, "s", 0, text, True)])
        lines = [line for line in said(tmp_path / "a.tif") if "GDAL" in line]
        assert len(lines) == len(told) and all(words in line for words, line in zip(told, lines, strict=True))


def test_words_of_imagej_and_ome(tmp_path):
    array = pixels((4, 9, 12))
    tables = [np.zeros((3, 256), np.uint8)]
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, metadata={"axes": "ZYX", "Labels": list("abcd"), "LUTs": tables, "Info": "x"})
    assert "The model does not keep the labels, info and colour tables of 'a.tif'." in said(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "b.ome.tif", array, metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP", "RFP", "Cy5"]}})
    assert "The model does not keep the names of the channels of 'b.ome.tif'." in said(tmp_path / "b.ome.tif")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_of_other_bits(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", (pixels((9, 12)) / 255).astype(dtype))
    line = f"The {dtype.removeprefix('float')}-bit floats of 'a.tif' are fitted, and written, as 32-bit ones."
    assert said(tmp_path / "a.tif") == ([] if dtype == "float32" else [line])
    assert load_image(tmp_path / "a.tif").layout.losses(".png") == ("Pixels are stored as 16 bits; the model has 32-bit floats.",)
