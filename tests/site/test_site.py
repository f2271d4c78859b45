"""The built site: complete, and whole without a network."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Page(HTMLParser):
    """What a page loads, where it links to, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.path, self.loads, self.links, self.ids = path, [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        for name in ("src", "srcset", "poster", "data"):
            if given.get(name) and tag != "a":
                self.loads.append(given[name])
        if tag == "link" and given.get("href"):
            self.loads.append(given["href"])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_nothing_is_loaded_from_elsewhere(site, pages):
    loads = [(path.name, load) for path, page in pages.items() for load in page.loads]
    assert len(loads) > 100
    assert [entry for entry in loads if urlsplit(entry[1]).scheme not in ("", "data") or entry[1].startswith("//")] == []
    styles = [(path, found) for path in site.rglob("*.css") for found in re.findall(r"url\(['\"]?((?:https?:)?//[^)]+)", path.read_text())]
    assert styles == []
    assert not any("@import" in path.read_text() for path in site.rglob("*.css"))


def test_every_link_and_picture_is_there(site, pages):
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # a server shows it, at any address
            continue
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or link.startswith("//"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                broken.append(f"{path.relative_to(site)} -> {link}: no such file")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in pages[target].ids:
                broken.append(f"{path.relative_to(site)} -> {link}: no such anchor")
    assert broken == []


def test_every_link_out_of_the_site_is_to_a_paper_or_named(pages):
    hosts = {urlsplit(link).netloc for page in pages.values() for link in page.links if urlsplit(link).scheme in ("http", "https")}
    assert hosts <= {"arxiv.org", "doi.org"}


def test_every_public_name_and_card_is_there(site, pages):
    import nint

    reference = pages[site / "api" / "index.html"].ids
    values = {"SAMPLERS", "FIELDS", "__version__", "metrics", "ntk"}
    assert {f"nint.{name}" for name in nint.__all__ if name not in values} <= reference
    home = pages[site / "index.html"].links
    cards = [path for folder in ("samplers", "fields") for path in (ROOT / "docs" / folder).glob("*.md")]
    assert len(cards) >= 19
    assert [card.name for card in cards if f"{card.parent.name}/{card.stem}.html" not in home] == []
    samplers = pages[site / "api" / "samplers.html"].ids
    assert {f"{spec.__module__}.{spec.__name__}" for spec in map(nint.SAMPLERS.get, nint.SAMPLERS.names(plugins=False))} <= samplers


def test_the_paper_names_files_that_exist_and_say_so():
    text = (ROOT / "docs" / "paper-in-code.md").read_text(encoding="utf-8")
    files = set(re.findall(r"\]\((\.\./src/[^)#]+)\)", text))
    assert len(files) > 15 and all((ROOT / "docs" / name).exists() for name in files)
    for name in ("Eq. 1", "Eq. 2", "Eq. 3", "Eq. 7", "Eq. 8", "Algorithm 1", "Sec. 3.3", "Sec. 4.1.1", "Sec. 11"):
        assert name in text


def test_pictures_of_the_gallery_are_small_and_shown(site, pages):
    pictures = list((ROOT / "docs" / "images" / "gallery").glob("*"))
    assert len(pictures) >= 8 and sum(path.stat().st_size for path in pictures) < 2**20
    shown = {load.rpartition("/")[2] for name in ("gallery", "how-to-choose") for load in pages[site / f"{name}.html"].loads}
    assert {path.name for path in pictures} <= shown
