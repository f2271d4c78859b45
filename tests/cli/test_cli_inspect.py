"""`nint inspect`: bits for each sample of the signal itself, whatever was trained on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from nint.fields.siren import Siren
from nint.files import load_tensors, save_tensors
from nint.runs.model import Fit
from nint.signals.audio.signal import AudioLayout
from nint.signals.grid.array import ArrayLayout
from nint.signals.grid.video_layout import VideoLayout
from nint.signals.grid.volume_layout import VolumeLayout
from nint.signals.image.signal import ImageLayout
from nint.signals.points.layout import PointsLayout
from nint.signals.shape.layout import ShapeLayout

SIZES = {
    "image": (ImageLayout(20, 30, 3, 16), 600, 48),
    "audio": (AudioLayout(3000, 2, 8000, "PCM_24"), 3000, 48),
    "ogg": (AudioLayout(3000, 2, 8000, "VORBIS"), 3000, None),
    "video": (VideoLayout((5, 20, 30), 3, "|u1", 0, 255), 3000, 24),
    "volume": (VolumeLayout((5, 6, 7), None, "<i2", 0, 9), 210, 16),
    "array": (ArrayLayout((5, 6), 4, "<f8", 0.0, 1.0), 30, 256),
    "points": (PointsLayout(("x",), ("v",), (0.0,), (1.0,), (0.0,), (1.0,)), None, None),
    "shape": (ShapeLayout((0.0, 0.0, 0.0), 1.0, 10, 10), None, None),
}


@pytest.mark.parametrize("name", SIZES)
def test_bits_per_sample_are_those_of_the_signal(cli, tmp_path: Path, name: str):
    layout, samples, bits = SIZES[name]
    assert (layout.samples, layout.bits_per_sample) == (samples, bits)
    field = Siren(size="1x8").build(layout.in_features, layout.out_features, torch.Generator().manual_seed(0))
    # What was trained on is another number of points: it must not matter.
    Fit(field, Siren(size="1x8"), layout, record={"points": 7}).save(tmp_path / "m.safetensors")
    out = cli("inspect", "m.safetensors").out
    found = re.search(r"([\d.]+) bits per sample in the model \(([\d.]+) in the parameters\)(?:, (\d+) in the original)?", out)
    if samples is None:
        assert found is None and "bits per sample" not in out and "m.safetensors, " in out
        return
    assert found is not None
    weights = sum(p.numel() for p in field.parameters())
    assert found[1] == f"{8 * (tmp_path / 'm.safetensors').stat().st_size / samples:.2f}" and found[2] == f"{32 * weights / samples:.2f}"
    assert found[3] == (None if bits is None else str(bits))


def test_held_out_pixels_are_samples_too(cli, tmp_path: Path):
    array = np.add.outer(np.arange(8, dtype=np.uint8), np.arange(16, dtype=np.uint8))
    np.save(tmp_path / "a.npy", array)
    words = ("--size", "1x8", "--steps", 1, "--sampler", "uniform", "--hold-out", 0.5, "--out", "run", "--quiet")
    assert cli("fit", "a.npy", *words).code == 0
    size = (tmp_path / "run" / "model.safetensors").stat().st_size
    assert f"{8 * size / 128:.2f} bits per sample in the model" in cli("inspect", "run").out
    assert "bits per sample in the parameters, 8 in the original" in cli("inspect", "run/checkpoint.safetensors").out


@pytest.mark.parametrize("entry", [{"value_range": [0, 1, 2]}, {"value_range": ["a", "b"]}, {"value_range": 3}, {"metrics": [1]}])
def test_an_edited_header_is_one_sentence(cli, fitted, tmp_path, entry):
    tensors, header = load_tensors(fitted / "model.safetensors")
    save_tensors(tmp_path / "edited.safetensors", tensors, header | entry)
    outcome = cli("inspect", tmp_path / "edited.safetensors")
    assert outcome.code == 2 and outcome.err.count("\n") == 1 and "is not a complete model" in outcome.err
