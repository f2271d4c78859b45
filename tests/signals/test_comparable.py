"""A model is measured only against what its coordinates and values mean the same for."""

import dataclasses

import numpy as np
import pytest

import nint
from nint.errors import UsageError
from nint.signals.audio.signal import AudioLayout
from nint.signals.base import same_range
from nint.signals.grid.array import ArrayLayout
from nint.signals.grid.nifti import Nifti
from nint.signals.grid.video_layout import VideoLayout
from nint.signals.grid.volume_layout import VolumeLayout
from nint.signals.points.layout import PointsLayout

EYE = tuple(map(tuple, np.eye(4).tolist()))
ARRAY = ArrayLayout((8, 9), None, "<f4", -3.0, 7.0)
SCALED = VolumeLayout((4, 5, 6), None, "<i2", 0, 100, Nifti(EYE, slope=2.0, inter=-10.0))
POINTS = PointsLayout(("lat", "lon"), ("a", "b"), (40.0, -10.0), (60.0, 30.0), (0.0, 100.0), (1.0, 300.0))
AUDIO = AudioLayout(32_000, 1, 16_000)
VIDEO = VideoLayout((24, 8, 8), 3, "|u1", 0, 255, fps=12.0)


def change(layout, **fields):
    return dataclasses.replace(layout, **fields)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ARRAY, ARRAY),
        (ARRAY, change(ARRAY, grid=(30, 2), dtype="<f8", high=7.0 + 5e-6)),
        (SCALED, change(SCALED, low=-10.0, high=190.0, dtype="<f8", nifti=None)),
        (POINTS, change(POINTS, value_low=(0.0, 100.0001), coord_high=(60.00001, 30.0))),
        (AUDIO, change(AUDIO, frames=88_200, sample_rate_hz=44_100, subtype="FLOAT")),
        (AUDIO, change(AUDIO, frames=32_001)),
        (VIDEO, change(VIDEO, grid=(48, 16, 16), fps=24.0)),
        (VIDEO, change(VIDEO, grid=(25, 8, 8))),
    ],
)
def test_the_same_units_are_comparable(ours, theirs):
    ours.check_comparable(theirs)
    theirs.check_comparable(ours)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (ARRAY, change(ARRAY, high=7.001), "values from -3 to 7, but those of the input reach from -3 to 7.001"),
        (ARRAY, change(ARRAY, low=-2.0), "0 and 1 do not mean the same; measure it against what it was fitted to"),
        (change(ARRAY, dtype="|u1", low=0, high=254), change(ARRAY, dtype="|u1", low=0, high=255), "from 0 to 254"),
        (SCALED, change(SCALED, nifti=None), "values from -10 to 190, but those of the input reach from 0 to 100"),
        (POINTS, change(POINTS, coord_low=(41.0, -10.0)), "The column lat of the model reaches from 40 to 60, but .* from 41 to 60"),
        (POINTS, change(POINTS, value_high=(1.0, 301.0)), "The column b of the model reaches from 100 to 300"),
        (AUDIO, change(AUDIO, frames=32_003), r"stores 2 s of sound, but the input lasts 2\.0001875 s.*start and duration"),
        (AUDIO, change(AUDIO, sample_rate_hz=8_000), "the input lasts 4 s"),
        (VIDEO, change(VIDEO, fps=24.0), r"stores 2 s of video, but the input lasts 1 s"),
        (VIDEO, change(VIDEO, grid=(26, 8, 8)), "same stretch"),
        (VIDEO, ARRAY, "kind video"),
        (AUDIO, change(AUDIO, channels=2), "1 coordinates to 1 channels"),
    ],
)
def test_other_units_are_refused(ours, theirs, said):
    with pytest.raises(UsageError, match=said):
        ours.check_comparable(theirs)
    with pytest.raises(UsageError, match=r"^The (model|column) .* but "):
        theirs.check_comparable(ours)


def test_ranges_are_compared_on_their_own_scale():
    assert same_range((5e6, 5e6 + 1), (5e6, 5e6 + 1 + 1e-8)) and not same_range((5e6, 5e6 + 1), (5e6, 5e6 + 1.01))
    assert same_range((2.0, -2.0), (2.0, -2.0)) and not same_range((2.0, -2.0), (-2.0, 2.0))
    assert same_range((3.0, 3.0), (3.0, 3.0)) and not same_range((3.0, 3.0), (3.1, 3.1))


def test_a_fit_refuses_an_array_of_another_range(tmp_path):
    array = np.add.outer(np.arange(8.0), np.arange(9.0))
    for name, numbers in {"a": array, "half": array / 2}.items():
        np.save(tmp_path / f"{name}.npy", numbers)
    fit = nint.fit(tmp_path / "a.npy", field="siren:size=1x8", budget=1, device="cpu")
    assert fit.evaluate(tmp_path / "a.npy")["psnr"] == pytest.approx(fit.metrics["psnr"], abs=1e-4)
    with pytest.raises(UsageError, match=r"from 0 to 15, but .* from 0 to 7\.5"):
        fit.evaluate(tmp_path / "half.npy")
