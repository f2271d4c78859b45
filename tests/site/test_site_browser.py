"""The site opened from the disk in a real browser, as a phone and as a desk sees it."""

import pytest

SIZES = {390: {"width": 390, "height": 844}, 1280: {"width": 1280, "height": 900}}
PAGES = (
    "index",
    "gallery",
    "how-to-choose",
    "paper-in-code",
    "reproduce",
    "samplers/nint",
    "fields/siren",
    "api/index",
    "notebooks/first_fit",
)


@pytest.fixture(params=SIZES)
def page(request, browser):
    context = browser.new_context(viewport=SIZES[request.param], reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    opened.errors, opened.asked = [], []
    opened.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("request", lambda request: opened.asked.append(request.url))
    yield opened
    context.close()


def test_pages_fit_load_their_pictures_and_ask_nobody(site, page):
    width = page.viewport_size["width"]
    for name in PAGES:
        page.goto((site / f"{name}.html").as_uri())
        assert page.locator("h1").first.inner_text().strip("¶ \n")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        broken = "[...document.images].filter(image => image.complete && !image.naturalWidth).map(image => image.src)"
        assert page.evaluate(broken) == [], name
        # Text and pictures end within the page; only boxes that scroll by themselves may be wider.
        wide = """width => [...document.querySelectorAll('article p, article li, article img, article h2')].filter(
          part => part.checkVisibility() && !part.closest('.md-typeset__scrollwrap, pre') && part.getBoundingClientRect().right > width + 1
        ).map(part => part.outerHTML.slice(0, 100))"""
        assert page.evaluate(wide, width) == [], name
    assert page.errors == []
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


def test_search_works_from_the_disk(site, page):
    page.goto((site / "index.html").as_uri())
    if page.viewport_size["width"] < 600:
        page.locator("label[for=__search]").first.click()
    page.locator("input.md-search__input").click()
    page.keyboard.type("tangent kernel")
    found = page.locator("a.md-search-result__link")
    found.first.wait_for()
    assert found.count() > 3
    found.first.click()
    page.wait_for_load_state()
    assert "kernel" in page.locator("article").inner_text().lower()
    assert [url for url in page.asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


def test_the_menu_leads_to_a_card(site, page):
    page.goto((site / "index.html").as_uri())
    if page.viewport_size["width"] < 600:
        page.locator("label.md-header__button[for=__drawer]").click()
        page.locator("nav.md-nav--primary label.md-nav__link:visible", has_text="Samplers").first.click()
    page.locator("nav.md-nav--primary a.md-nav__link:visible", has_text="nint-fast").first.click()
    page.wait_for_url("**/samplers/nint-fast.html")
    assert "nint-fast" in page.locator("h1").inner_text()
