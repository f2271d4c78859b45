"""The documentation site, built once, and a browser."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The folder of the built site; building it fails on every warning of mkdocs, mkdocstrings and griffe."""
    for module in ("mkdocs", "material", "mkdocstrings", "nbconvert"):
        pytest.importorskip(module, reason="the site needs mkdocs-material, mkdocstrings and nbconvert, from the extra nint[docs]")
    out = tmp_path_factory.mktemp("site") / "site"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def browser():
    """Chromium; skips where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need Playwright, from the extra nint[test]")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    found = os.environ.get("NINT_CHROMIUM") or next((path for name in names if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        flags = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
        flags += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            opened = started.chromium.launch(executable_path=found, args=flags)
        except playwright.Error as error:
            pytest.skip(f"no Chromium could be started (install it, or name it in NINT_CHROMIUM): {str(error).splitlines()[0]}")
        yield opened
        opened.close()
