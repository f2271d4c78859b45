import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from nint.errors import UsageError
from nint.signals.base import Layout, Signal
from nint.signals.image.signal import ImageLayout, ImageSignal
from nint.signals.image.write import write_image
from nint.signals.kinds import KINDS
from nint.signals.open import layout_from_json, open_signal


@pytest.fixture
def array():
    return np.random.default_rng(0).integers(0, 256, (10, 14, 3), dtype=np.uint8)


def test_every_way_of_giving_an_image(tmp_path, array):
    path = tmp_path / "A.PNG"
    write_image(array, path)
    sources = [path, str(path), array, torch.from_numpy(array), Image.fromarray(array), ImageSignal(array)]
    names = ["A.PNG", "A.PNG", "array", "tensor", "PIL image", "array"]
    for source, name in zip(sources, names, strict=True):
        signal = open_signal(source)
        assert isinstance(signal, Signal) and signal.name == name
        assert np.array_equal(signal.array, array)


def test_every_ending_of_the_layout_has_a_loader(tmp_path, array):
    for ending in ImageLayout.suffixes:
        write_image(array, tmp_path / f"a{ending}")
        assert open_signal(tmp_path / f"a{ending}").layout == ImageLayout(10, 14, 3)
    assert set(ImageLayout.suffixes) == set(KINDS["image"].endings)


def test_samples_and_max_side(tmp_path, array):
    signal = open_signal("sample:coffee", max_side=30)
    assert signal.name == "sample:coffee" and signal.layout == ImageLayout(20, 30, 3)
    path = tmp_path / "a.png"
    write_image(array, path)
    for source in (path, array, torch.from_numpy(array), Image.fromarray(array)):
        assert open_signal(source, max_side=7).layout == ImageLayout(5, 7, 3)
    with pytest.raises(UsageError, match="'coffee'"):
        open_signal("sample:cofee")


def test_a_signal_is_returned_as_it_is(array):
    signal = ImageSignal(array)
    assert open_signal(signal) is signal
    with pytest.raises(UsageError, match="max_side"):
        open_signal(signal, max_side=5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_float_tensors(dtype):
    tensor = torch.linspace(0, 1, 60, dtype=torch.float64).reshape(6, 10).to(dtype).requires_grad_()
    signal = open_signal(tensor)
    assert signal.layout.bits == 32 and np.array_equal(signal.array, tensor.detach().float().numpy())


@pytest.mark.parametrize("source", [None, 3, [[1, 2], [3, 4]], {"a": 1}, object()])
def test_other_types_are_refused(source):
    with pytest.raises(UsageError, match=f"A {type(source).__name__} cannot be fitted"):
        open_signal(source)


def test_paths_that_cannot_be_opened(tmp_path):
    (tmp_path / "a.wxyz").write_text("x")
    (tmp_path / "plain").write_text("x")
    for name, word in (("missing.png", "no file"), ("missing.wxyz", "no file"), (".", "folder"), ("a.wxyz", "ending"), ("plain", "ending")):
        with pytest.raises(UsageError, match=word):
            open_signal(tmp_path / name)
    (tmp_path / "text.png").write_text("only text")
    with pytest.raises(UsageError, match="not an image"):
        open_signal(tmp_path / "text.png")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.aiff", r"has the ending .aiff \(sound\), which is not read as it is; convert it to .wav or .flac"),
        ("a.mov", r"has the ending .mov \(video\), which is not read as it is; read it with --kind video, or convert it to .mp4"),
        ("a.PPM", r"has the ending .ppm \(image\), which is not read as it is; convert it to .png or .tif"),
        ("a.dcm", "convert it to .nii.gz or .npy"),
        ("a.tifff", "Did you mean '.tiff'"),
        ("a.jpgg", "Did you mean '.jpg'"),
        ("a.qqq", r"not known. Known: \.bmp, .*zip. Or say what it is with --kind"),
    ],
)
def test_endings_that_are_not_read(name, said, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(UsageError, match=said):
        open_signal(tmp_path / name)


@pytest.mark.parametrize("layout", [ImageLayout(3, 4, 1), ImageLayout(512, 768, 3, 16), ImageLayout(1, 2, 4, 32)])
def test_a_layout_survives_json(layout):
    again = layout_from_json(json.loads(json.dumps(layout.to_json())))
    assert again == layout and isinstance(again, Layout)


GOOD = {"kind": "image", "height": 3, "width": 4, "channels": 1, "bits": 8}


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({**GOOD, "kind": "imaeg"}, "'image'"),
        ({**GOOD, "kind": None}, "no kind of signal"),
        ({**GOOD, "kind": ["image"]}, "no kind of signal"),
        ({key: value for key, value in GOOD.items() if key != "kind"}, "no kind of signal"),
        ({**GOOD, "hight": 3}, "'height'"),
        ({key: value for key, value in GOOD.items() if key not in ("width", "channels")}, "lacks width, channels"),
        ({**GOOD, "channels": 9}, "channels=9"),
        ({**GOOD, "height": "3"}, "height='3'"),
        ([], "no kind of signal"),
    ],
)
def test_foreign_layouts_are_refused(data, word):
    with pytest.raises(UsageError, match=word):
        layout_from_json(data)


def test_the_input_of_layout_from_json_is_left_alone():
    data = dict(GOOD)
    layout_from_json(data)
    assert data == GOOD


def test_opening_an_array_loads_no_image_library():
    code = (
        "import sys, numpy as np; from nint.signals.open import open_signal;"
        "open_signal(np.eye(8, dtype=np.uint8));"
        "sys.exit(any(name in sys.modules for name in ('cv2', 'PIL', 'skimage', 'tifffile', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
