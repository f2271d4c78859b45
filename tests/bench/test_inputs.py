"""Finding data sets as people have them on disk, and saying so where something stands in for them."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

from nint.bench.inputs import Inputs, content_of
from nint.bench.runs import RunSpec
from nint.errors import UsageError
from nint.signals.open import open_signal


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def picture(path, width, height):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height)).save(path)


def names(paths):
    return [os.path.basename(path) for path in paths]


@pytest.fixture
def data(tmp_path):
    """A folder as someone might have it."""
    touch(tmp_path, "Kodak/PhotoCD/kodim01.png", "Kodak/PhotoCD/kodim02.png", "Kodak/more/KODIM15.PNG", "Kodak/kodim_thumbs.png")
    touch(tmp_path, "DIV2K_valid_HR/0801.png", "DIV2K_valid_HR/0802.png", "DIV2K_valid_HR/.0803.png", "DIV2K_train_HR/0001.png")
    touch(tmp_path, "DIV2K_valid_LR_bicubic/X2/0801.png", "DIV2K_valid_LR_bicubic/X2/0801x2.png")
    touch(tmp_path, "LibriSpeech/test-clean/1089/134686/1089-134686-0001.flac", "LibriSpeech/test-clean/1089/134686/1089-134686-0000.flac")
    touch(tmp_path, "stanford/Armadillo.ply", "stanford/bunny/reconstruction/bun_zipper_res4.ply")
    touch(tmp_path, "stanford/bunny/reconstruction/bun_zipper.ply", "stanford/bunny/data/bun000.ply")
    return tmp_path


def test_data_sets_are_found_wherever_they_lie(data):
    inputs = Inputs.search(data)
    assert names(inputs.images("kodak", 3)) == ["kodim01.png", "kodim02.png", "KODIM15.PNG"]
    assert names(inputs.images("div2k", 2)) == ["0801.png", "0802.png"]  # not the training images, not the low-resolution ones
    assert "DIV2K_valid_HR" in inputs.images("div2k", 1)[0]
    assert names(inputs.speech(2)) == ["1089-134686-0000.flac", "1089-134686-0001.flac"]
    assert names([inputs.mesh("armadillo"), inputs.mesh("bunny")]) == ["Armadillo.ply", "bun_zipper.ply"]
    assert names([inputs.image("kodim15"), inputs.image("kodim02"), inputs.image("div2k/0802")]) == [
        "KODIM15.PNG",
        "kodim02.png",
        "0802.png",
    ]
    assert inputs.remarks == []
    assert not inputs.sample_only


def test_a_folder_may_itself_be_a_data_set(tmp_path):
    touch(tmp_path / "div2k", "00.png", "01.png", "02.png")
    inputs = Inputs.search(tmp_path / "div2k")
    assert names(inputs.images("div2k", 3)) == ["00.png", "01.png", "02.png"]
    assert names([inputs.image("div2k/02")]) == ["02.png"]


def test_training_images_where_there_are_no_others(tmp_path):
    touch(tmp_path, "div2k/DIV2K_train_HR/0001.png", "div2k/DIV2K_train_HR/0002.png")
    assert names(Inputs.search(tmp_path).images("div2k", 2)) == ["0001.png", "0002.png"]


def test_copies_below_a_data_set_count_once(data):
    before = Inputs.search(data).found
    touch(data, "Kodak/copy/kodim01.png", "Kodak/copy/KODIM02.png", "backup/DIV2K_valid_HR/0801.png")
    touch(data, "LibriSpeech/train/1089-134686-0001.flac")
    touch(data, "ffhq/images1024x1024/00000/00007.png", "ffhq/thumbnails128x128/00000/00007.png", "ffhq/jpg/00008.jpg")
    found = Inputs.search(data).found
    assert {name: names(paths) for name, paths in found.items()} == {name: names(paths) for name, paths in before.items()} | {
        "ffhq": ["00007.png", "00008.jpg"]
    }
    assert "images1024x1024" in found["ffhq"][0]
    other = data / "LibriSpeech" / "train" / "1089-134686-0001.flac"
    other.write_bytes(b"another clip of that name")
    assert str(other) in Inputs.search(data).found["speech"]
    assert len(Inputs.search(data).speech(9)) == 3


def test_what_stands_in_for_what_is_said(data):
    inputs = Inputs.search(data)
    assert names([inputs.image("kodim05"), inputs.image("div2k/07")]) == ["kodim02.png", "0802.png"]
    assert inputs.image("kodim05") == inputs.image("kodim05")
    assert names([inputs.mesh("lucy")]) == ["Armadillo.ply"]
    assert len(inputs.images("kodak", 24)) == 3
    assert inputs.images("ffhq", 1)[0].startswith("sample:")
    remarks = "\n".join(inputs.remarks)
    assert "kodim02.png stands in for kodim05." in remarks
    assert "0802.png stands in for div2k/07." in remarks
    assert "Armadillo.ply stands in for the mesh lucy." in remarks
    assert "Of 24 inputs from Kodak photos (kodim*.png), 3 are there and used." in remarks
    assert "No FFHQ images (in a folder ffhq*) in --data: samples" in remarks
    assert len(set(inputs.remarks)) == len(inputs.remarks) == 5


def test_ffhq_or_else_a_large_image(tmp_path):
    picture(tmp_path / "album" / "small.png", 1024, 1000)
    picture(tmp_path / "album" / "wide.jpg", 1100, 1024)
    (tmp_path / "album" / "broken.png").write_bytes(b"nothing")
    inputs = Inputs.search(tmp_path)
    assert names(inputs.images("ffhq", 1)) == ["wide.jpg"]
    assert "another large image, wide.jpg, stands in" in inputs.remarks[0]
    picture(tmp_path / "FFHQ-1024" / "00000" / "00007.png", 8, 8)
    inputs = Inputs.search(tmp_path)
    assert names([*inputs.images("ffhq", 1), inputs.image("ffhq")]) == ["00007.png", "00007.png"]
    assert inputs.remarks == []


def test_without_data_everything_is_a_sample_and_says_so():
    inputs = Inputs.search()
    assert inputs.sample_only
    chosen = [
        *inputs.images("kodak", 3),
        *inputs.images("div2k", 3),
        *inputs.images("ffhq", 1),
        inputs.image("kodim04"),
        inputs.image("div2k/02"),
    ]
    chosen += [*inputs.speech(1), inputs.mesh("armadillo")]
    assert all(source.startswith("sample:") for source in chosen)
    assert len(set(inputs.images("kodak", 5))) == 5
    assert "not the paper's data" in inputs.remarks[0]
    assert f"{inputs.image('kodim04')} stands in for kodim04." in inputs.remarks
    for source in chosen[:8]:
        assert open_signal(source).layout.out_features == 3


def test_inputs_come_back_from_json_without_the_files(data):
    inputs = Inputs.search(data)
    back = Inputs.from_json(json.loads(json.dumps(inputs.to_json())))
    assert back.found == inputs.found
    assert back.images("kodak", 2) == inputs.images("kodak", 2)
    assert Inputs.from_json(Inputs.search().to_json()).sample_only
    with pytest.raises(UsageError, match="does not name inputs"):
        Inputs.from_json({"found": 3})


def test_a_folder_that_cannot_be_used_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is not there"):
        Inputs.search(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        Inputs.search(tmp_path / "file")
    with pytest.raises(UsageError, match=r"holds none of the data sets.*kodim\*\.png"):
        Inputs.search(tmp_path)
    with pytest.raises(UsageError, match="Did you mean 'kodak'"):
        Inputs.search().images("kodac", 1)
    with pytest.raises(UsageError, match="Known: div2k"):
        Inputs.search().image("x/02")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_closed_folder_is_refused(tmp_path):
    (tmp_path / "closed").mkdir(mode=0)
    with pytest.raises(UsageError, match="cannot be read"):
        Inputs.search(tmp_path / "closed")


def test_squares_are_cut_from_the_middle_and_resized(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 31, 3), dtype=np.uint8)
    path = tmp_path / "wide.png"
    Image.fromarray(pixels).save(path)
    same = RunSpec(input=str(path), steps=1, square=20).signal()
    assert np.array_equal(same.array, pixels[:, 5:25])
    smaller = RunSpec(input=str(path), steps=1, square=8).signal()
    expected = Image.fromarray(pixels).crop((5, 0, 25, 20)).resize((8, 8), Image.Resampling.LANCZOS)
    assert np.array_equal(smaller.array, np.asarray(expected))
    assert smaller.name == "wide.png"
    larger = RunSpec(input=str(path), steps=1, square=24, options=(("super_resolution", 2),)).signal()
    assert larger.layout.height == 24
    assert len(larger.pool("cpu")) == 12 * 12


def test_a_volume_becomes_a_cube_of_averages(tmp_path):
    nibabel = pytest.importorskip("nibabel")
    voxels = np.random.default_rng(0).random((6, 9, 8)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), tmp_path / "Scan.nii.gz")
    inputs = Inputs.search(tmp_path)
    (path,) = inputs.named(["volume:scan"], 1)
    signal = RunSpec(input=path, steps=1, square=3).signal()
    middle = (voxels - voxels.min()) / np.ptp(voxels)
    means = middle[:, 1:7, 1:7].reshape(3, 2, 3, 2, 3, 2).mean((1, 3, 5))
    found = signal.pool(torch.device("cpu")).values.numpy().reshape(3, 3, 3)
    assert np.allclose(found, (means - means.min()) / np.ptp(means), atol=1e-6) and not inputs.remarks
    assert inputs.volume("other") == path and "stands in for the volume other" in inputs.remarks[0]
    assert Inputs.search().named(["volume:ch2"], 1) == ["sample:phantom"]


def test_what_is_no_image_has_no_square(tmp_path):
    with pytest.raises(UsageError, match="of kind audio"):
        RunSpec(input="sample:chirp", steps=1, square=8).signal()
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999).save(tmp_path / "deep.png")
    with pytest.raises(UsageError, match="16 bits"):
        RunSpec(input=str(tmp_path / "deep.png"), steps=1, square=4).signal()
    assert RunSpec(input="sample:chirp", steps=1, options=(("duration", 0.5),)).signal().layout.kind == "audio"


def test_content_is_told_by_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "b").write_bytes(b"one")
    (tmp_path / "c").write_bytes(b"two")
    a, b, c = (content_of(str(tmp_path / name)) for name in "abc")
    assert a == b != c
    assert content_of("sample:camera") is content_of(str(tmp_path)) is content_of("missing.png") is None
