"""A headless browser, and reports open in it."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

TIMEOUT_MS = 120_000  # for a machine that does much else at the same time
DESK = {"width": 1280, "height": 900}
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """The browser of this machine: $NINT_CHROMIUM, a known name on the path, or None for Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return os.environ.get("NINT_CHROMIUM") or next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def browser():
    """Chromium; skips where it, Playwright or jinja2 is missing."""
    pytest.importorskip("jinja2", reason="the report needs jinja2, from the extra nint[report]")
    playwright = pytest.importorskip("playwright.sync_api", reason="browser tests need Playwright, from the extra nint[test]")
    with playwright.sync_playwright() as started:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        flags = [*FLAGS, *(["--no-sandbox"] if root else [])]
        try:
            found = started.chromium.launch(executable_path=chromium(), args=flags)
        except playwright.Error as error:
            pytest.skip(f"no Chromium could be started (install it, or name it in NINT_CHROMIUM): {str(error).splitlines()[0]}")
        yield found
        found.close()


class Tab:
    """A page that was opened, with everything that went wrong on the way and every address that was asked for."""

    def __init__(self, browser, path, size=DESK, scheme="light"):
        self.context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")
        self.page = self.context.new_page()
        self.page.set_default_timeout(TIMEOUT_MS)
        self.errors, self.requests = [], []
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.errors.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        self.page.on("request", lambda request: None if request.url.startswith("data:") else self.requests.append(request.url))
        self.address = Path(path).absolute().as_uri()
        self.page.goto(self.address)
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.plot')].every(plot => plot.classList.contains('js-plotly-plot'))"
        )


@pytest.fixture(scope="session")
def open_tab():
    """The class of an open page, for tests that open others."""
    return Tab


TABLES = """# A <b>title</b>

## Numbers

| sampler | PSNR | time |
|---|---:|---:|
| nint | **9.5 ± 0.1** | 1,200 |
| full | 10.5 ± 0.2 | 80 |
| int | not reached | 7 |
"""


@pytest.fixture(scope="module")
def image_report(tmp_path_factory, browser):
    """The report of a fitted image that is called like an attack."""
    import nint
    from nint.report.page import write_report
    from nint.signals.open import open_signal

    folder = tmp_path_factory.mktemp("browser") / "fit"
    rows, columns = np.mgrid[:40, :56] / 40
    array = np.round(255 * (0.5 + 0.25 * np.sin(9 * rows) + 0.25 * np.cos(7 * columns))).astype(np.uint8)
    signal = open_signal(array)
    signal.name = "<img src=x onerror=alert(1)>.png"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nint.monitors.snapshots._ANYHOW_S", 60)  # all of them, also on a busy machine
        nint.fit(signal, out=folder, budget=20, recipe="paper", field="siren:size=2x24")
    return write_report(folder, original=signal)


@pytest.fixture(scope="module")
def other_report(tmp_path_factory, browser):
    """A page with tables, two sounds and a mesh."""
    from nint.mesh import Mesh
    from nint.report.blocks import Notes, Page, Prose, Section, Table
    from nint.report.markdown import markup
    from nint.report.meshes import turnable
    from nint.report.page import render
    from nint.report.sound import sounds

    path = tmp_path_factory.mktemp("browser") / "other.html"
    time = np.arange(8000) / 8000
    tone = (0.5 * np.sin(2 * np.pi * 440 * time))[:, None]
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    mesh = turnable("Pyramid", Mesh(corners, np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])))
    long = Table("Wide", [f"a long heading {i}" for i in range(12)], [[str(i)] * 12 for i in range(3)])
    page = Page("Other", "A lead.", [("PSNR", "30 dB")])
    page.sections = [
        Section("Tables", [Prose(markup(TABLES)), long, Notes(["a_long_word_without_a_break_" * 12])]),
        Section("Sounds", sounds([("Original", tone), ("Reconstruction", tone / 2)], 8000)),
        Section("Mesh", [mesh]),
    ]
    path.write_text(render(page), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def image(browser, image_report):
    """The report of a fit, open on a desk in the light; tests leave it as they found it."""
    found = Tab(browser, image_report)
    yield found
    found.context.close()


@pytest.fixture(scope="module")
def other(browser, other_report):
    """The page of the rest, likewise."""
    found = Tab(browser, other_report)
    yield found
    found.context.close()


@pytest.fixture
def own_tab(browser, image_report):
    """The report of a fit, open for one test alone."""
    found = Tab(browser, image_report)
    yield found
    found.context.close()
