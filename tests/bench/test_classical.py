"""Methods without a network, against Pillow and scikit-image used here in another way."""

import dataclasses
import io

import numpy as np
import pytest
import torch
from oracles.pictures import picture
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from nint.bench.classical import classical_record
from nint.bench.execute import missing, run_all
from nint.bench.runs import RunSpec
from nint.bench.store import Store
from nint.bench.tables.columns import ITERATIONS, VALUE, Column
from nint.errors import UsageError
from nint.fields import FIELDS


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(picture(40, 48)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


@pytest.mark.parametrize(("method", "kernel"), [("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)])
def test_interpolation(photo, method, kernel):
    spec = RunSpec(photo, method=method, steps=10, evaluate_at=(5, 10), options=(("super_resolution", 2),))
    record = classical_record(spec)
    original = np.asarray(Image.open(photo), np.float64) / 255
    low = original.reshape(20, 2, 24, 2, -1).mean((1, 3))
    up = np.dstack([np.asarray(Image.fromarray(low[..., c].astype(np.float32)).resize((48, 40), kernel)) for c in range(low.shape[2])])
    expected = peak_signal_noise_ratio(original.reshape(up.shape), np.clip(up, 0, 1), data_range=1)
    assert record["psnr"] == pytest.approx(expected, abs=1e-3)
    assert [row["step"] for row in record["curve"]] == [5, 10] and spec.evaluated(record["curve"])


def test_interpolation_on_the_networks_grid(photo):
    spec = RunSpec(photo, method="bicubic-corners", steps=10, evaluate_at=(10,), options=(("super_resolution", 2),))
    original = np.asarray(Image.open(photo), np.float64).reshape(40, 48, -1) / 255
    low = original.reshape(20, 2, 24, 2, -1).mean((1, 3))

    def kernel(x):
        x, a = np.abs(x), -0.5
        near, far = (a + 2) * x**3 - (a + 3) * x**2 + 1, a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0.0))

    def matrix(large, small):  # outermost pixels meet; weights of pixels beyond the border are left out, as Pillow does
        places = np.arange(large) * (small - 1) / (large - 1)
        weights = kernel(places[:, None] - np.arange(small)[None])
        return weights / weights.sum(1, keepdims=True)

    up = np.einsum("ij,jkc,lk->ilc", matrix(40, 20), low, matrix(48, 24))
    expected = peak_signal_noise_ratio(original, np.clip(up, 0, 1), data_range=1)
    assert classical_record(spec)["psnr"] == pytest.approx(expected, abs=2e-2)
    assert classical_record(dataclasses.replace(spec, method="bicubic"))["psnr"] != pytest.approx(expected, abs=0.1)


def test_jpeg_has_at_most_the_bytes_of_the_weights(photo):
    spec = RunSpec(photo, field="siren:size=1x60", method="jpeg", steps=10, evaluate_at=(10,))
    record = classical_record(spec)
    channels = np.asarray(Image.open(photo)).reshape(40, 48, -1).shape[2]
    allowed = 4 * sum(p.numel() for p in FIELDS.parse(spec.field).build(2, channels, torch.Generator()).parameters())
    assert record["bytes"] <= allowed == record["bytes_allowed"]
    file = io.BytesIO()
    Image.open(photo).save(file, "JPEG", quality=record["quality"], subsampling=0, optimize=True)
    assert file.tell() == record["bytes"]
    expected = peak_signal_noise_ratio(np.asarray(Image.open(photo)), np.asarray(Image.open(file)))
    assert record["psnr"] == pytest.approx(expected, abs=1e-3)
    if record["quality"] < 100:
        larger = io.BytesIO()
        Image.open(photo).save(larger, "JPEG", quality=record["quality"] + 1, subsampling=0, optimize=True)
        assert larger.tell() > allowed


def test_a_method_is_kept_beside_runs_and_reaches_no_target(photo, tmp_path):
    spec = RunSpec(photo, method="jpeg", field="siren:size=2x64", steps=10, evaluate_at=(10,))
    store = Store(tmp_path / "out")
    run_all([spec], store)
    assert missing([spec], Store(tmp_path / "out")) == []
    record = store.records()[spec.key]
    assert Column(VALUE, "psnr", 10).of(record) == pytest.approx(record["psnr"])
    target = Column(ITERATIONS, "psnr", 1.0)
    assert target.of(record) is None and target.nearest(record) is None


@pytest.mark.parametrize(("method", "said"), [("bicubic", "needs an image with super_resolution"), ("jpg", "Did you mean 'jpeg'")])
def test_what_a_method_is_not_for(photo, method, said):
    with pytest.raises(UsageError, match=said):
        classical_record(RunSpec(photo, method=method, steps=10))
