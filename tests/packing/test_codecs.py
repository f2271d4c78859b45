"""Bytes of classical codecs at the same quality."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

import nint
from nint.packing.codecs import coded_image, jpeg_at, sizes_of, webp_at


def psnr_of(file: io.BytesIO, pixels: np.ndarray) -> float:
    back = np.asarray(Image.open(file).convert("RGB"), np.float64)
    return 10 * math.log10(255**2 / np.square(back - pixels).mean())


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.asarray(nint.open_signal("sample:astronaut", max_side=64).array)


@pytest.mark.parametrize("quality", [24.0, 30.0, 36.0])
def test_jpeg_is_the_smallest_that_is_good_enough(pixels: np.ndarray, quality: float):
    found, tried = jpeg_at(pixels, quality), []
    for number in range(1, 101):
        for kind in (0, 2):
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, "JPEG", quality=number, subsampling=kind, optimize=True)
            if psnr_of(file, pixels) >= quality:
                tried.append(file.getbuffer().nbytes)
    assert min(tried) <= found <= 1.05 * min(tried)  # PSNR over the quality number is not quite monotonous


def test_webp_reaches_the_quality_and_says_where_none_does(pixels: np.ndarray):
    small, large = webp_at(pixels, 22.0), webp_at(pixels, 25.0)
    assert 0 < small < large
    assert webp_at(pixels, 99.0) is None and jpeg_at(pixels, 99.0) is None


def test_sizes_of_an_image_file(tmp_path, pixels: np.ndarray):
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    found = sizes_of(nint.open_signal(path), {"psnr": 28.0}, str(path))
    assert found["input"] == path.stat().st_size and found["at"] == {"psnr": 28.0}
    assert found["jpeg"] == jpeg_at(pixels, 28.0) and found["webp"] == webp_at(pixels, 28.0)


def test_images_that_jpeg_does_not_hold_have_no_figures(tmp_path):
    assert sizes_of(nint.open_signal(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)), {"psnr": 30.0}) == {}
    assert sizes_of(nint.open_signal("sample:camera", max_side=32), {}, "sample:camera") == {}


def test_sound_has_flac_and_opus_where_they_reach_it():
    pytest.importorskip("soundfile", reason="sound needs soundfile, from the extra nint[audio]")
    signal = nint.open_signal("sample:chirp")
    found = sizes_of(signal, {"si_snr": 5.0})
    assert 44 < found["flac"] < 4 * signal.layout.samples
    assert "opus" not in found or (found["at"] == {"si_snr": 5.0} and found["opus"] > 0)


def test_volumes_have_nifti(tmp_path):
    pytest.importorskip("nibabel", reason="volumes need nibabel, from the extra nint[volume]")
    signal = nint.open_signal(np.arange(8 * 9 * 10, dtype=np.uint8).reshape(8, 9, 10), kind="volume")
    assert 300 < sizes_of(signal, {"psnr": 30.0})["nii.gz"] < 2000


def test_noise_that_optimised_tables_have_no_room_for_is_coded(pixels: np.ndarray):
    noisy = np.clip(pixels + np.random.default_rng(0).normal(0, 60, pixels.shape), 0, 255).astype(np.uint8)
    whole = np.tile(noisy, (256 // noisy.shape[0] + 1, 256 // noisy.shape[1] + 1, 1))[:256, :256]
    assert jpeg_at(whole, 45.0) > 2 * 256 * 256  # what Pillow gives libjpeg for them
    assert jpeg_at(whole, 200.0) is None


def test_images_that_are_too_long_for_a_format_have_no_figure_of_it():
    strip = np.zeros((4, 16_400, 3), np.uint8)
    assert webp_at(strip, 30.0) is None and jpeg_at(strip, 30.0) > 0
    assert jpeg_at(np.zeros((2, 65_600, 1), np.uint8), 30.0) is None


def test_a_scaled_nifti_is_as_large_as_its_own_file(tmp_path):
    nibabel = pytest.importorskip("nibabel", reason="volumes need nibabel, from the extra nint[volume]")
    image = nibabel.Nifti1Image(np.random.default_rng(0).integers(-500, 3000, (9, 8, 7), np.int16), np.eye(4))
    image.header.set_slope_inter(0.01, 2)
    path = tmp_path / "scan.nii.gz"
    nibabel.save(image, path)
    stored = np.asarray(nibabel.load(path).dataobj.get_unscaled())
    signal = nint.open_signal(path)
    size = sizes_of(signal, {"psnr": 30.0}, str(path))["nii.gz"]
    signal.layout.write(signal.layout.nifti.real(stored), tmp_path / "own.nii.gz")
    assert abs(size - (tmp_path / "own.nii.gz").stat().st_size) <= 16


def test_what_libjpeg_prints_of_a_long_image_does_not_reach_the_terminal(capfd: pytest.CaptureFixture[str]):
    noise = np.random.default_rng(0).integers(0, 256, (4000, 3, 3), np.uint8)
    size, _ = coded_image(noise, "JPEG", 100, subsampling=0, optimize=True)
    assert size > 1000 and capfd.readouterr().err == ""
