from __future__ import annotations

import pytest
from oracles.pictures import waves
from PIL import Image

pytest.importorskip("pyarrow", reason="needs nint[many]")


@pytest.fixture
def pictures():
    return [waves(number) for number in range(5)]


@pytest.fixture
def folder(tmp_path):
    """A folder of seven small images of two shapes, one of them in a folder of its own, and what is no signal."""
    place = tmp_path / "in"
    (place / "more").mkdir(parents=True)
    for number in range(5):
        Image.fromarray(waves(number)).save(place / f"a{number}.png")
    Image.fromarray(waves(7, 8, 9)).save(place / "b.png")
    Image.fromarray(waves(6)).save(place / "more" / "a.png")
    (place / "notes.txt").write_text("not a signal")
    return place
