"""The script that makes the gallery, on its cheapest entry."""

import runpy
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]


def test_the_gallery_is_made_by_the_tool(tmp_path):
    pytest.importorskip("matplotlib")
    make = runpy.run_path(str(ROOT / "tools" / "make_gallery.py"))
    page = make["make"](tmp_path, quick=True, only=("grid",)).read_text(encoding="utf-8")
    assert "nint fit sample:ripples" in page and "PSNR" in page and "after 5 steps" in page
    with Image.open(tmp_path / "images" / "gallery" / "grid.webp") as picture:
        assert picture.width <= 1000 and picture.height > 100


def test_the_committed_page_shows_every_entry():
    make = runpy.run_path(str(ROOT / "tools" / "make_gallery.py"))
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    for entry in make["ENTRIES"]:
        assert f"## {entry.title}" in text and f"{entry.name}.webp" in text
