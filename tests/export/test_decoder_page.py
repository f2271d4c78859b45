"""The page that decodes a model, in a real browser."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nint.export.write import export, sample_points
from nint.fields import FIELDS, build_field
from nint.runs.model import Fit

TIMEOUT_MS = 120_000


@pytest.fixture(scope="module")
def page():
    """A tab of Chromium; skips where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need Playwright, from the extra nint[test]")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    named = os.environ.get("NINT_CHROMIUM") or next((found for name in names if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        try:
            browser = started.chromium.launch(executable_path=named, args=["--disable-gpu", *(["--no-sandbox"] if root else [])])
        except playwright.Error as error:
            pytest.skip(f"no Chromium could be started (install it, or name it in NINT_CHROMIUM): {str(error).splitlines()[0]}")
        tab = browser.new_page()
        tab.set_default_timeout(TIMEOUT_MS)
        yield tab
        browser.close()


def test_the_page_draws_the_image_that_nint_decodes(page, fit: Fit, tmp_path: Path):
    fit.export(tmp_path / "a.json")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "a.html").as_uri())
    page.set_input_files("#files", [tmp_path / "a.json", tmp_path / "a.bin"])
    page.wait_for_function("() => document.getElementById('said').textContent.endsWith('done')")
    data = page.evaluate("() => document.getElementById('canvas').toDataURL('image/png')")
    drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2]))).convert("RGB")).astype(int)
    assert np.abs(drawn - fit.decode().astype(int)).max() <= 1
    assert asked == [(tmp_path / "a.html").as_uri()]


@pytest.mark.parametrize(
    "form",
    [
        "finer",
        "gauss:scale=5",
        "wire",
        "pemlp",
        "ffn:frequencies=16",
        "mlp",
        "grid:max_vertices=256,hashed=true,aspect=2x1,half_side=0.5",
        "siren:aspect=3x1",
    ],
)
def test_every_network_gives_the_same_values_in_javascript(page, fit: Fit, tmp_path: Path, form: str):
    spec = FIELDS.parse(f"{form}{',' if ':' in form else ':'}size=2x16")
    other = Fit(build_field(spec, 2, 3, torch.Generator().manual_seed(0)), spec, fit.layout)
    points = sample_points(torch.ones(2), 40)
    export(other.field, other.header(), points, tmp_path / "a.json")
    page.goto((tmp_path / "a.html").as_uri())
    call = "([text, bytes, rows]) => [...load(text, Uint8Array.from(bytes).buffer).predict(Float32Array.from(rows))]"
    text, data = (tmp_path / "a.json").read_text(), list((tmp_path / "a.bin").read_bytes())
    values = page.evaluate(call, [text, data, points.flatten().tolist()])
    assert np.abs(np.array(values).reshape(40, 3) - other(points).numpy()).max() < 1e-5
    assert json.loads(text)["field"].startswith(form.partition(":")[0])
