import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles.lpips import random_weights, slow_lpips
from PIL import Image

from nint.errors import UsageError
from nint.files import cache_folder, save_tensors
from nint.metrics import lpips
from nint.metrics.lpips_weights import FILE_NAME, SHAPES, VARIABLE, store_lpips_weights
from nint.metrics.perceptual import why_no_lpips
from nint.signals.image.signal import ImageSignal

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "lpips"


def real_weights():
    """The real weights of this machine, before a fixture hides them."""
    named = os.environ.get(VARIABLE)
    places = [*([Path(named)] if named else []), cache_folder() / FILE_NAME, SHARED / "alexnet.ckpt"]
    return next((path for path in places if path.is_file()), None)


REAL = real_weights()


@pytest.fixture(scope="module")
def weights():
    return random_weights()


@pytest.fixture(scope="module")
def weights_file(weights, tmp_path_factory):
    path = tmp_path_factory.mktemp("lpips") / "random.safetensors"
    store_lpips_weights(weights, path)
    return path


@pytest.fixture(autouse=True)
def nothing_of_the_user(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def random_network(weights_file, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(weights_file))


def pair(shape, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.random(shape)
    return np.clip(target + 0.2 * rng.standard_normal(shape), 0, 1), target


@pytest.mark.parametrize("size", [(32, 32), (33, 51), (64, 40)])
def test_the_network_is_the_formula(size, weights, random_network):
    prediction, target = pair((*size, 3))
    expected = slow_lpips(prediction, target, weights)
    assert expected > 0.05
    assert lpips(prediction, target) == pytest.approx(expected, rel=1e-5)
    assert lpips(target, prediction) == pytest.approx(expected, rel=1e-5)


def test_known_answers(monkeypatch):
    """The figures that the authors' own code prints for its example images."""
    if REAL is None:
        pytest.skip("the weights of LPIPS are not here; 'nint assets lpips' gets them")
    if not (SHARED / "reference").is_dir():
        pytest.skip(f"the reference images are not in {SHARED.name}/reference of the shared data")
    monkeypatch.setenv(VARIABLE, str(REAL))
    images = {name: np.asarray(Image.open(SHARED / "reference" / f"ex_{name}.png").convert("RGB")) / 255 for name in ("ref", "p0", "p1")}
    assert lpips(images["p0"], images["ref"]) == pytest.approx(0.7219, abs=1e-4)
    assert lpips(images["p1"], images["ref"]) == pytest.approx(0.1376, abs=1e-4)


def test_equal_images_are_at_0_and_the_prediction_is_clamped(random_network):
    _, target = pair((40, 32, 3))
    assert lpips(target, target) == 0
    black = np.zeros((40, 32, 3))
    assert lpips(target * 3, target) == lpips(np.minimum(target * 3, 1), target) > 0
    assert lpips(black - 5, black) == 0


def test_contrast_counts(random_network):
    """Each image is not stretched to its own range first."""
    ramp = np.tile(np.linspace(0, 1, 32)[:, None, None], (1, 32, 3))
    assert lpips(0.25 + 0.5 * ramp, ramp) > 1e-3


def test_grey_is_repeated_and_alpha_left_out(random_network):
    prediction, target = pair((32, 36, 4))
    colour = lpips(prediction[..., :3], target[..., :3])
    assert lpips(prediction, target) == colour
    grey = lpips(np.repeat(prediction[..., :1], 3, axis=2), np.repeat(target[..., :1], 3, axis=2))
    assert grey != colour
    assert lpips(prediction[..., 0], target[..., 0]) == lpips(prediction[..., :1], target[..., :1]) == grey
    assert lpips(prediction[..., :2], target[..., :2]) == grey


def test_arrays_and_tensors_of_any_float(random_network):
    prediction, target = (torch.from_numpy(image).float() for image in pair((32, 32, 3)))
    expected = lpips(prediction.numpy(), target.numpy())
    assert lpips(prediction.requires_grad_(), target) == expected
    assert lpips(prediction.double(), target.double()) == expected
    assert lpips(prediction.bfloat16(), target.bfloat16()) == pytest.approx(expected, rel=0.05)


def test_nan_is_told_and_never_0(random_network):
    prediction, target = pair((32, 32, 3))
    prediction[3, 4, 1] = math.nan
    assert math.isnan(lpips(prediction, target))


@pytest.mark.parametrize(
    ("shape", "word"),
    [
        ((31, 40, 3), "at least 32 pixels a side, but the image has 40x31"),
        ((40, 31), "40"),
        ((32, 32, 5), "1 to 4 channels"),
        ((3000,), "shape"),
    ],
)
def test_what_is_no_image_of_a_good_size(shape, word, random_network):
    with pytest.raises(UsageError, match=word):
        lpips(*pair(shape))


def test_pairs_that_do_not_match(random_network):
    prediction, target = pair((32, 32, 3))
    with pytest.raises(UsageError, match="must be the same"):
        lpips(prediction, target[..., 0])
    with pytest.raises(UsageError, match="floats"):
        lpips((prediction * 255).astype(np.uint8), target)


def test_without_weights_it_is_refused_and_the_reason_told(monkeypatch, tmp_path):
    assert why_no_lpips()
    assert why_no_lpips() == "LPIPS is not measured: no weights; `nint assets lpips` gets them."
    with pytest.raises(UsageError, match="nint assets lpips"):
        lpips(*pair((32, 32, 3)))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.safetensors"))
    assert VARIABLE in why_no_lpips()


def test_weights_are_found_in_the_cache(weights, weights_file, monkeypatch, tmp_path):
    store_lpips_weights(weights, tmp_path / "cache" / "nint" / FILE_NAME)
    assert why_no_lpips() == ""
    found = lpips(*pair((32, 32, 3)))
    monkeypatch.setenv(VARIABLE, str(weights_file))
    assert lpips(*pair((32, 32, 3))) == found


def test_other_files_are_no_weights(weights, monkeypatch, tmp_path):
    tensors = {name: torch.from_numpy(values) for name, values in weights.items()}
    broken = tensors | {"head0": torch.full((64,), math.nan)}
    files = {name: tmp_path / f"{name}.safetensors" for name in ("foreign", "short", "nan", "cut")}
    save_tensors(files["foreign"], tensors, {"asset": "another"})
    save_tensors(files["short"], {"head0": tensors["head0"]}, {"asset": "lpips-alexnet-0.1"})
    save_tensors(files["nan"], broken, {"asset": "lpips-alexnet-0.1"})
    files["cut"].write_bytes(files["nan"].read_bytes()[:5000])
    for path in files.values():
        monkeypatch.setenv(VARIABLE, str(path))
        assert why_no_lpips(), path.name
        with pytest.raises(UsageError, match=path.name):
            lpips(*pair((32, 32, 3)))
    save_tensors(files["nan"], tensors, {"asset": "lpips-alexnet-0.1"})
    monkeypatch.setenv(VARIABLE, str(files["nan"]))
    assert why_no_lpips() == ""


def test_shapes_are_those_of_the_oracle(weights):
    assert {name: values.shape for name, values in weights.items()} == SHAPES


def test_the_global_generator_is_left_alone(random_network, weights, tmp_path, monkeypatch):
    store_lpips_weights(weights, tmp_path / "again.safetensors")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "again.safetensors"))  # a path that is not loaded yet
    before = torch.random.get_rng_state()
    lpips(*pair((32, 32, 3)))
    assert torch.equal(torch.random.get_rng_state(), before)


def signal_and_prediction(shape):
    prediction, target = pair(shape)
    signal = ImageSignal(target.astype(np.float32))
    return signal, prediction, lambda coords: torch.from_numpy(prediction).float().reshape(len(coords), -1)


@pytest.mark.parametrize("shape", [(32, 40), (35, 32, 3), (32, 32, 4)])
def test_images_are_evaluated_with_it(shape, random_network):
    signal, prediction, predict = signal_and_prediction(shape)
    found = signal.evaluate(predict)
    assert list(found) == list(signal.metrics) == ["psnr", "ssim", "lpips"]
    assert found["lpips"] == pytest.approx(lpips(prediction, signal.array.astype(np.float64)), rel=1e-4)
    assert signal.report() == ()


def test_images_say_why_it_is_absent(monkeypatch, weights_file):
    signal, _, predict = signal_and_prediction((32, 40, 3))
    assert "lpips" not in signal.evaluate(predict)
    assert signal.report() == ("LPIPS is not measured: no weights; `nint assets lpips` gets them.",)
    monkeypatch.setenv(VARIABLE, str(weights_file))
    assert "lpips" in signal.evaluate(predict)
    monkeypatch.setattr("nint.signals.image.signal._LPIPS_UP_TO", 32 * 40 - 1)
    assert "lpips" not in signal.evaluate(predict) and "more than 1,279 pixels" in signal.report()[0]
    small, _, predict = signal_and_prediction((31, 40, 3))
    assert "lpips" not in small.evaluate(predict) and "at least 32 pixels" in small.report()[0]
