"""What a package index and the workflows say of the project."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SETUP = runpy.run_path(str(ROOT / "setup.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
URL = "https://example.org/nint"


def test_the_readme_of_an_index_has_absolute_links_or_none():
    for url in (URL, ""):
        links = LINK.findall(SETUP["readme"](url))
        assert [link for link in links if not link.startswith(("https://", "#"))] == []
        assert bool(links) == bool(url)
    text = SETUP["readme"](URL)
    assert "![What `make demo` selects" in text and f"]({URL}/raw/main/docs/images/demo.png)" in text
    assert f"({URL}/blob/main/docs/how-to-choose.md#a-recipe)" in text
    assert "(docs/" not in SETUP["readme"]("")


def test_the_readme_renders_as_an_index_renders_it():
    pytest.importorskip("cmarkgfm", reason="needs readme_renderer[md], from the extra nint[dist]")
    renderer = pytest.importorskip("readme_renderer.markdown", reason="needs readme_renderer[md], from the extra nint[dist]")
    for url in (URL, ""):
        page = renderer.render(SETUP["readme"](url))
        assert page is not None and "<h1" in page and "<table" in page


def test_addresses_only_where_they_are_known():
    assert list(SETUP["project_urls"]("")) == ["Paper"]
    assert SETUP["project_urls"](URL)["Source"] == URL


def test_pythons_are_the_same_everywhere():
    classified = {entry.rpartition(" ")[2] for entry in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", entry)}
    assert classified == {"3.11", "3.12", "3.13"} and PROJECT["requires-python"] == ">=3.11"
    yaml = pytest.importorskip("yaml")
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    assert {"3.11", *jobs["test"]["strategy"]["matrix"]["python"]} == classified
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))["jobs"]
    assert set(release["build"]["strategy"]["matrix"]["python"]) <= classified
    assert any("tools/smoke_dist.py" in step.get("run", "") for step in release["build"]["steps"])
    assert release["publish"]["needs"] == "build"


def test_make_names_the_cpu_wheels_before_it_installs():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--quiet" not in text.partition("PIP :=")[2].partition("\n")[0]
    assert text.index("index of CPU wheels (its installation page") < text.index("$(PYTHON) -m venv")
    assert "index of CPU wheels" in (ROOT / "README.md").read_text(encoding="utf-8")
