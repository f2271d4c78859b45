"""A headless browser."""

import os
import shutil

import pytest


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
