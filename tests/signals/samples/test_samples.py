import socket
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from nint.errors import UsageError
from nint.signals.open import open_signal
from nint.signals.samples import images as samples
from nint.signals.samples.images import describe, load_sample, sample_names

FOLDER = Path(skimage.__file__).parent / "data"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a sample reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_the_usual_photos_are_there():
    names = sample_names()
    assert {"astronaut", "camera", "chelsea", "coffee", "rocket"} <= set(names)
    assert len(names) == len(set(names))


def test_every_photo_loads_as_described():
    for name in samples._SAMPLES:
        signal = load_sample(name, max_side=32)
        assert signal.name == f"sample:{name}"
        assert max(signal.layout.height, signal.layout.width) == 32
        size, text = describe(name).split(", ", 1)
        assert text and size.split(" ")[1] in ("grey", "RGB") and (size.split(" ")[1] == "grey") == (signal.layout.channels == 1)


def test_a_sample_is_its_files_pixels():
    with Image.open(FOLDER / "chelsea.png") as image:
        expected = np.asarray(image)
    signal = load_sample("chelsea")
    assert np.array_equal(signal.array, expected)
    assert describe("chelsea") == "451x300 RGB, a cat's face"
    assert np.array_equal(load_sample("cat").array, expected)


def test_an_unknown_name_names_the_nearest():
    for load in (load_sample, describe):
        with pytest.raises(UsageError, match=r"'astronout'.*'astronaut'"):
            load("astronout")
    with pytest.raises(UsageError, match="Known: "):
        load_sample("../../x.png")


def test_samples_that_are_not_shipped_are_not_listed(monkeypatch, tmp_path):
    (tmp_path / "moon.png").write_bytes((FOLDER / "moon.png").read_bytes())
    monkeypatch.setattr(samples, "_folder", lambda: tmp_path)
    assert [name for name in sample_names() if name in samples._SAMPLES] == ["moon"]
    with pytest.raises(UsageError, match="no sample called 'astronaut'"):
        load_sample("astronaut")


def test_what_is_made_by_code_says_so():
    made = [name for name in sample_names() if name not in samples._SAMPLES]
    assert {"chirp", "torus", "phantom", "ripples", "stations"} <= set(made)
    assert all("synthetic" in describe(name) for name in made)


def test_options_of_another_kind_are_refused():
    for name, option in (("chirp", "max_side"), ("camera", "start")):
        with pytest.raises(UsageError, match=f"--{option.replace('_', '-')} does not apply"):
            load_sample(name, **{option: 3})


@pytest.mark.parametrize("name", ["chirp", "bouncing", "phantom", "ripples", "stations"])
def test_what_is_made_by_code_says_so_in_the_run(name):
    signal = load_sample(name)
    assert signal.name == f"sample:{name}"
    said = f"sample:{name} is synthetic: made by code."
    assert signal.report() == (said, *signal.remarks()) and said not in signal.remarks()
    assert open_signal(f"sample:{name}", hold_out=0.1).report()[0] == said
    assert load_sample(name).fingerprint() == signal.fingerprint()
    assert not any("synthetic" in line for line in load_sample("camera", max_side=32).report())


def test_made_arrays_and_points():
    array = load_sample("ripples")
    assert array.layout.grid == (96, 128) and array.layout.dtype == "<f4" and array.layout.kind == "array"
    assert load_sample("ripples", in_dims=2).layout == array.layout
    points = load_sample("stations")
    assert points.layout.coord_names == ("lat", "lon") and points.layout.value_names == ("temperature",)
    assert len(points.coords) == 800 and load_sample("stations", in_dims=2).fingerprint() == points.fingerprint()
    with pytest.raises(UsageError, match=r"in_dims=1 does not fit sample:stations"):
        load_sample("stations", in_dims=1)


def test_every_kind_says_where_its_settings_come_from():
    from nint.signals.base import KindDefaults
    from nint.signals.shape.signal import ShapeSignal

    sources = {load_sample(name).defaults.source for name in ("camera", "chirp", "bouncing", "ripples", "stations")}
    for source in (*sources, ShapeSignal.defaults.source, KindDefaults().source):
        assert source.startswith(("the settings of ", "no published setting, so those of ")) and not source.endswith(".")
