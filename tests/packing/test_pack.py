"""Models packed, written, read and decoded."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import nn

import nint
from nint.errors import UsageError
from nint.fields import FIELDS
from nint.packing import choice
from nint.packing.container import join, split
from nint.packing.finetune import FineTuning, finetuned, steps_of
from nint.packing.header import short
from nint.packing.pack import extent_of
from nint.packing.sizing import SOUND_BITS
from nint.runs.model import Fit
from nint.runs.options import FitSettings
from nint.runs.recipes import complete

ROUNDED = FineTuning(steps=0)
_DIGEST = """
import hashlib, sys, torch
torch.set_num_threads(int(sys.argv[2]))
from nint.runs.model import Fit
fit = Fit.load(sys.argv[1])
weights = b"".join(value.numpy().tobytes() for value in fit.state_dict().values())
print(hashlib.sha256(weights).hexdigest(), hashlib.sha256(fit.decode().tobytes()).hexdigest())
"""


def states_equal(one: Fit, other: Fit) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_packed_model_decodes_to_the_very_weights_that_were_measured(fit: Fit, camera, tmp_path: Path):
    packed = fit.pack(tmp_path / "a.nint", bits=6, signal=camera, tuning=FineTuning(steps=30))
    back = nint.Fit.load(tmp_path / "a.nint")
    assert states_equal(packed, back)
    assert back.layout == fit.layout and back.spec == fit.spec
    assert np.array_equal(back.decode(), packed.decode())
    assert back.evaluate(camera)["psnr"] == pytest.approx(packed.metrics["psnr"], abs=1e-9)
    assert back.metrics["psnr"] == pytest.approx(packed.metrics["psnr"], rel=1e-4)
    assert back.record["packing"] == {"bits": 6.0, "steps": 30} and back.record["settings"]["input"] == "sample:camera"


def test_two_thread_counts_decode_to_the_same_bytes(fit: Fit, tmp_path: Path):
    path = tmp_path / "a.nint"
    fit.pack(path, bits=5, tuning=ROUNDED)
    found = {
        subprocess.run(
            [sys.executable, "-c", _DIGEST, str(path), threads], capture_output=True, text=True, check=True, env=os.environ, timeout=300
        ).stdout
        for threads in ("1", "2")
    }
    assert len(found) == 1 and len(found.pop().split()) == 2


@pytest.mark.parametrize("form", ["siren:size=2x40", "grid:size=1x16,levels=4,max_vertices=400"])
def test_a_packed_model_is_packed_again_without_loss_at_as_many_bits_and_more(camera, tmp_path: Path, form: str):
    fit = nint.fit(camera, field=form, budget=40)
    fit.pack(tmp_path / "a.nint", bits=6, signal=camera, tuning=FineTuning(steps=20))
    packed = Fit.load(tmp_path / "a.nint")
    for bits in (5.5, 6, 8, 10):
        again = packed.pack(tmp_path / "b.nint", bits=bits)
        change = np.abs(again.decode().astype(float) - packed.decode()).mean()
        assert change == 0 if bits >= 6 else change < 3
        assert (tmp_path / "b.nint").stat().st_size <= (tmp_path / "a.nint").stat().st_size
    tuned = packed.pack(tmp_path / "b.nint", bits=10, signal=camera, tuning=FineTuning(steps=30))
    assert tuned.metrics["psnr"] > packed.evaluate(camera)["psnr"] - 0.01
    most = (tmp_path / "a.nint").stat().st_size / 1000
    assert states_equal(packed.pack(tmp_path / "b.nint", max_kilobytes=most), packed)


def test_nothing_that_was_measured_of_other_weights_is_carried_over(camera, tmp_path: Path):
    pixels = Image.fromarray(camera.array)
    pixels.save(tmp_path / "a.png")
    fit = nint.fit(tmp_path / "a.png", field="siren:size=2x24", budget=40, out=tmp_path / "run", max_kilobytes=4)
    assert {"at", "jpeg", "input"} <= fit.record["sizes"].keys() and "psnr" in fit.record and "packed" in fit.record
    rounded = fit.pack(tmp_path / "a.nint", bits=3)
    fit.pack(tmp_path / "b.nint", bits=6, signal=camera, tuning=ROUNDED)
    again = Fit.load(tmp_path / "b.nint").pack(tmp_path / "c.nint", bits=3)
    for found in (rounded, again, Fit.load(tmp_path / "a.nint"), Fit.load(tmp_path / "c.nint")):
        assert found.metrics == {} and found.record["packing"] == {"bits": 3.0, "steps": 0}
        assert not {"psnr", "ssim", "packed", "curve", "half"} & found.record.keys()
        assert found.record["sizes"] == {"input": (tmp_path / "a.png").stat().st_size}  # of the file, whatever the model
    assert rounded.record["settings"] == fit.record["settings"]


def test_sizes_that_older_versions_carried_over_are_not_told(fit: Fit, camera, tmp_path: Path):
    record = {"sizes": {"at": {"psnr": 47.0}, "jpeg": 9, "webp": 8, "input": 7}, "packing": {"bits": 6.0, "steps": 0}}
    path, header = tmp_path / "a.nint", fit.header() | {"record": record}
    for metrics, kept in (({}, {"input": 7}), ({"psnr": 47.0}, record["sizes"])):
        fit.pack(path, bits=6)
        found, weights = split(path.read_bytes(), "a")
        told = short(header | {"metrics": metrics})
        path.write_bytes(join(found | {"q": told["q"], "r": told["r"]}, weights))
        assert Fit.load(path).record["sizes"] == kept


def test_packing_is_deterministic(fit: Fit, camera, tmp_path: Path):
    for name in "ab":
        fit.pack(tmp_path / f"{name}.nint", bits=6, signal=camera, tuning=FineTuning(steps=10))
    assert (tmp_path / "a.nint").read_bytes() == (tmp_path / "b.nint").read_bytes()


def test_the_model_that_was_packed_stays_as_it_is(fit: Fit, camera, tmp_path: Path):
    before = {name: value.clone() for name, value in fit.state_dict().items()}
    fit.pack(tmp_path / "a.nint", bits=4, signal=camera, tuning=FineTuning(steps=5))
    assert all(torch.equal(value, before[name]) for name, value in fit.state_dict().items())


def test_more_bits_are_larger_files_of_better_quality_and_eight_cost_next_to_nothing(fit: Fit, camera, tmp_path: Path):
    sizes, quality = [], []
    for bits in (4, 6, 8, 10.5):
        path = tmp_path / f"{bits}.nint"
        packed = fit.pack(path, bits=bits, tuning=ROUNDED)
        sizes.append(path.stat().st_size)
        quality.append(packed.evaluate(camera)["psnr"])
    assert sizes == sorted(sizes) and quality[0] < quality[1] - 0.05
    assert quality[1] < quality[2] + 0.05 and quality[2:] == pytest.approx([fit.metrics["psnr"]] * 2, abs=0.15)
    weights = sum(value.numel() for value in fit.state_dict().values())
    assert sizes[1] < weights * 6 / 8 + 500  # rate as of the file on disk, header included
    assert fit.metrics["psnr"] - quality[2] < 0.15


def test_fine_tuning_helps(fit: Fit, camera, tmp_path: Path):
    rounded = fit.pack(tmp_path / "a.nint", bits=4, signal=camera, tuning=ROUNDED)
    tuned = fit.pack(tmp_path / "b.nint", bits=4, signal=camera, tuning=FineTuning(steps=100))
    assert tuned.metrics["psnr"] > rounded.metrics["psnr"] + 1
    assert rounded.record["packing"]["steps"] == 0 and tuned.record["packing"]["steps"] == 100


def test_a_grid_is_fine_tuned_for_longer_unless_steps_are_named(fit: Fit, camera, tmp_path: Path):
    grid = FIELDS.parse("grid:levels=2,max_vertices=64").build(2, 3, torch.Generator())
    assert (steps_of(grid), steps_of(fit.field)) == (1000, 300)
    for asked, done in ((None, 300), (40, 40), (0, 0)):
        packed = fit.pack(tmp_path / "a.nint", bits=4, signal=camera, tuning=FineTuning(steps=asked, batch=256))
        assert packed.record["packing"]["steps"] == done


def test_fine_tuning_that_does_harm_is_thrown_away(fit: Fit, camera, tmp_path: Path):
    rounded = fit.pack(tmp_path / "a.nint", bits=8, signal=camera, tuning=ROUNDED)
    wild = fit.pack(tmp_path / "b.nint", bits=8, signal=camera, tuning=FineTuning(steps=3, rate=1000.0))
    assert states_equal(rounded, wild) and wild.record["packing"]["steps"] == 0


@pytest.mark.parametrize("kilobytes", [1.5, 2, 3])
def test_a_file_fills_its_limit_and_never_passes_it(fit: Fit, camera, tmp_path: Path, kilobytes: float):
    path = tmp_path / "a.nint"
    fit.pack(path, max_kilobytes=kilobytes, signal=camera, tuning=FineTuning(steps=5))
    assert 0.93 * 1000 * kilobytes < path.stat().st_size <= 1000 * kilobytes


def test_what_cannot_be_is_said(fit: Fit, camera, tmp_path: Path):
    path = tmp_path / "a.nint"
    with pytest.raises(UsageError, match="does not fit into 500 bytes"):
        fit.pack(path, max_kilobytes=0.5)
    with pytest.raises(UsageError, match=r"bits=1 is out of range; it must be from 2\.5 to 12"):
        fit.pack(path, bits=1)
    with pytest.raises(UsageError, match="max_kilobytes=nan must be"):
        fit.pack(path, max_kilobytes=float("nan"))
    with pytest.raises(UsageError, match="is of kind image"):
        fit.pack(path, signal="sample:chirp")
    broken = Fit(FIELDS.parse("siren:size=1x16").build(2, 1, torch.Generator().manual_seed(0)), None, fit.layout)
    next(broken.field.parameters()).data.fill_(float("nan"))
    with pytest.raises(UsageError, match="not all finite"):
        broken.pack(path)
    assert not path.exists()


@pytest.mark.parametrize("form", ["finer", "gauss", "wire", "pemlp", "ffn:frequencies=20", "mlp", "grid:max_vertices=256"])
def test_every_network_is_packed_and_read(camera, tmp_path: Path, form: str):
    spec = FIELDS.parse(f"{form}{',' if ':' in form else ':'}size=2x20")
    fit = Fit(spec.build(2, 1, torch.Generator().manual_seed(0)), spec, camera.layout)
    packed = fit.pack(tmp_path / "a.nint", bits=8, signal=camera, tuning=FineTuning(steps=2))
    assert states_equal(packed, Fit.load(tmp_path / "a.nint"))


class Own(nn.Module):
    """A network that nint does not know, with a buffer of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.register_buffer("order", torch.tensor([1, 0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x[:, self.order])


def test_a_network_of_ones_own_is_packed_with_its_whole_numbers(camera, tmp_path: Path):
    packed = Fit(Own(), None, camera.layout).pack(tmp_path / "a.nint", signal=camera, tuning=FineTuning(steps=2))
    assert states_equal(packed, Fit.load(tmp_path / "a.nint", field=Own()))
    with pytest.raises(UsageError, match="holds a Own, which is not one of nint's networks"):
        Fit.load(tmp_path / "a.nint")


def test_fine_tuning_that_does_not_fit_at_any_number_of_bits_leaves_the_rounded_weights_all_theirs(camera, tmp_path: Path, monkeypatch):
    class Idle(Own):  # a network with weights of 0, to which fine-tuning gives values
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Parameter(torch.zeros(8000))

    def growing(field, levels, pool, settings):
        found, steps = finetuned(field, levels, pool, settings)
        noise = torch.randint(-1, 2, found["idle"].codes.shape, dtype=torch.int32)
        return found | {"idle": dataclasses.replace(found["idle"], codes=noise)}, steps

    monkeypatch.setattr(choice, "finetuned", growing)
    torch.manual_seed(0)
    fit = Fit(Idle(), None, camera.layout)
    rounded = fit.pack(tmp_path / "a.nint", max_kilobytes=1, signal=camera, tuning=ROUNDED)
    tuned = fit.pack(tmp_path / "b.nint", max_kilobytes=1, signal=camera, tuning=FineTuning(steps=30, rate=50.0))
    assert (tmp_path / "b.nint").read_bytes() == (tmp_path / "a.nint").read_bytes()
    assert tuned.metrics == rounded.metrics and tuned.record["packing"]["bits"] > 10


def test_bits_after_an_attempt_that_is_too_large_are_those_of_the_limit():
    # 1,000 weights of which a bit less saves 100 bytes
    assert choice.fewer_bits([(4.0, 900)], 800, 1000) == pytest.approx(4 - 1.5 * 8 * 100 / 1000)
    assert choice.fewer_bits([(4.0, 1000), (3.8, 980)], 960, 1000) == pytest.approx(3.8 - 0.24)
    assert choice.fewer_bits([(4.0, 1000), (3.0, 980)], 960, 10_000) == 2.5
    assert choice.fewer_bits([(4.0, 801)], 800, 1000) == pytest.approx(4 - 1 / 16)


@pytest.mark.parametrize(("name", "extent"), [("sample:camera", [1.0, 1.0]), ("sample:chirp", [5.0]), ("sample:phantom", [1.0, 1.0, 1.0])])
def test_sensitivity_is_measured_where_the_signal_lies(name: str, extent: list[float]):
    assert extent_of(nint.open_signal(name).layout).tolist() == extent


def test_the_network_is_chosen_for_the_file(camera, tmp_path: Path):
    fit = nint.fit(camera, budget=20, max_kilobytes=4, out=tmp_path / "run")
    path = tmp_path / "run" / "model.nint"
    told = fit.record["packed"]
    assert 0.9 * 4000 < path.stat().st_size == told["bytes"] <= 4000 and 5 < told["bits"] < 7.5
    assert Fit.load(path).evaluate(camera)["psnr"] == pytest.approx(told["psnr"], abs=1e-9)
    named = nint.fit(camera, field="siren:size=1x16", budget=2, max_kilobytes=4)
    assert named.spec.size == "1x16"
    with pytest.raises(UsageError, match="No siren network fits into 100 bytes"):
        nint.fit(camera, budget=2, max_kilobytes=0.1)


def test_a_sound_is_given_more_bits_than_a_photo(camera, tmp_path: Path):
    chirp = nint.open_signal("sample:chirp", duration=0.2)
    for signal, bits in ((camera, 6.0), (chirp, 8.0)):
        fit = nint.fit(signal, field="siren:size=2x16,weight_scale=1", budget=2)
        packed = fit.pack(tmp_path / "a.nint", signal=signal, tuning=FineTuning(steps=0))
        assert packed.record["packing"]["bits"] == bits
    chosen = complete(FitSettings(max_kilobytes=3, seed=0), chirp, None, by_kernel=False).field
    width = int(chosen.size.partition("x")[2])
    assert 0.8 * 3000 < (5 * width + 4 * width**2 + 2 * width) * SOUND_BITS / 8 < 3000


def test_a_grid_of_a_sound_has_settings_that_can_be():
    chosen = complete(FitSettings(max_kilobytes=8, field="grid", seed=0), nint.open_signal("sample:chirp"), None, by_kernel=False).field
    assert chosen.growth <= 8 and 4000 < chosen.parameter_count(1, 1) < 8000


def test_a_network_that_is_far_too_large_is_refused_before_it_is_trained(camera, tmp_path: Path):
    said = r"264,707 weights does not fit into 20,000 bytes: at 2.5 bits each, the fewest, it takes some 57,905"
    with pytest.raises(UsageError, match=said):
        nint.fit("sample:astronaut", max_side=8, field="siren:size=5x256", max_kilobytes=20, budget=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_perfect_model_is_packed(fit: Fit, tmp_path: Path):
    fit.save(tmp_path / "a.safetensors")
    loaded = Fit.load(tmp_path / "a.safetensors")
    loaded.metrics = {"psnr": float("inf"), "ssim": 1.0}
    loaded.save(tmp_path / "b.safetensors")
    again = Fit.load(tmp_path / "b.safetensors")
    assert again.metrics == {"ssim": 1.0}  # a file has no number for infinity
    again.pack(tmp_path / "b.nint", max_kilobytes=500)
    coords = torch.rand(50, 2) * 2 - 1
    assert torch.allclose(Fit.load(tmp_path / "b.nint")(coords), again(coords), atol=0.05)


def test_a_colour_profile_that_leaves_no_room_is_named_before_training(camera, tmp_path: Path):
    array = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    small = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = small + np.random.default_rng(0).bytes(90_000 - len(small))
    Image.fromarray(array).save(tmp_path / "a.png", icc_profile=profile)
    words = r"The colour profile of the picture, of 90,000 bytes, leaves no room .* 50,000 bytes; convert the picture to sRGB, save it"
    with pytest.raises(UsageError, match=words):
        nint.fit(tmp_path / "a.png", max_kilobytes=50, budget=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    fit = nint.fit(tmp_path / "a.png", budget=2, max_kilobytes=95, out=tmp_path / "run")
    packed = tmp_path / "run" / "model.nint"
    assert 90_000 < packed.stat().st_size <= 95_000 and Fit.load(packed).layout.profile_bytes == profile
    with pytest.raises(UsageError, match=words):
        fit.pack(tmp_path / "a.nint", max_kilobytes=50)
    assert not (tmp_path / "a.nint").exists()
