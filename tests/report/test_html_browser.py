"""Reports in a real browser, headless: what a person sees and can do."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from nint.report.page import write_report

PHONE, DESK = {"width": 375, "height": 800}, {"width": 1280, "height": 900}


def test_pages_load_without_errors_and_ask_for_nothing(image, other):
    for found in (image, other):
        assert found.errors == []
        assert found.requests == [found.address]
        assert found.page.title()


def test_a_name_from_a_record_is_text(image):
    assert image.page.locator("h1").inner_text() == "<img src=x onerror=alert(1)>.png"
    assert image.page.locator("h1 img").count() == 0


def test_the_step_slider_moves_the_picture_by_keyboard(image):
    page = image.page
    frames = page.locator("[data-widget=frames]").first
    slider, image = frames.locator("input[type=range]"), frames.locator("img").first
    last, shown = image.get_attribute("src"), image.screenshot()
    assert frames.locator("output").inner_text().startswith("step 20, ")
    slider.focus()
    page.keyboard.press("Home")
    assert frames.locator("output").inner_text().startswith("step 1, ")
    assert slider.get_attribute("aria-valuetext").startswith("step 1, ")
    assert image.get_attribute("src") != last and image.get_attribute("alt").startswith("Reconstruction, step 1,")
    assert image.screenshot() != shown
    page.keyboard.press("End")
    assert image.get_attribute("src") == last and image.screenshot() == shown
    assert [caption.inner_text() for caption in frames.locator("figcaption").all()] == [
        "Reconstruction",
        "Absolute error",
        "Selected points",
    ]


def test_play_runs_through_the_steps_and_stops(own_tab):
    page = own_tab.page
    page.clock.install()
    button = page.locator(".play").first
    button.press("Enter")
    assert button.inner_text() == "Stop" and page.locator("output").first.inner_text().startswith("step 1,")
    page.clock.run_for(60_000)
    assert button.inner_text() == "Play" and page.locator("output").first.inner_text().startswith("step 20,")


def test_the_two_pictures_are_parted_by_slider_and_by_pointer(image):
    page = image.page
    split = page.locator("[data-widget=split]")
    stack, slider = split.locator(".stack"), split.locator("input")
    before = stack.screenshot()
    slider.focus()
    page.keyboard.press("End")
    assert stack.evaluate("element => getComputedStyle(element).getPropertyValue('--at')") == "100%"
    assert stack.screenshot() != before
    box = stack.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 10)
    page.mouse.down()
    assert slider.input_value() == "25"
    page.mouse.up()


def test_curves_change_their_axis_metric_and_colours(image):
    page, plot = image.page, image.page.locator(".curves .plot")
    trace = "element => ({x: [...element.data[0].x], y: [...element.data[0].y], title: element.layout.xaxis.title.text})"
    steps = plot.evaluate(trace)
    assert steps["x"][-1] == 20 and steps["title"] == "steps"
    page.locator(".curves input[type=radio]").first.focus()
    page.keyboard.press("ArrowRight")
    seconds = plot.evaluate(trace)
    assert seconds["title"].startswith("training seconds") and seconds["y"] == steps["y"] and 0 < seconds["x"][-1] != 20
    page.get_by_role("radio", name="FLOPs").check()
    assert plot.evaluate(trace)["x"][-1] > 1e6
    page.get_by_label("Show").select_option("loss")
    assert plot.evaluate(trace)["y"] != steps["y"]
    ink = "element => element.layout.font.color"
    light = plot.evaluate(ink)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"light => ({ink})(document.querySelector('.curves .plot')) !== light", arg=light)
    page.emulate_media(color_scheme="light")
    assert image.errors == []


def test_a_curve_tells_its_values_under_the_pointer(image):
    page, plot = image.page, image.page.locator(".curves .plot")
    plot.scroll_into_view_if_needed()
    place = plot.evaluate("""element => {
      const { xaxis, yaxis, _size } = element._fullLayout, { x, y } = element.data[0], middle = Math.floor(x.length / 2);
      return [_size.l + xaxis.d2p(x[middle]), _size.t + yaxis.d2p(y[middle]), y[middle]];
    }""")
    box = plot.bounding_box()
    page.mouse.move(box["x"] + place[0], box["y"] + place[1] - 2)
    page.mouse.move(box["x"] + place[0], box["y"] + place[1])
    page.locator(".hovertext").first.wait_for()
    assert float(page.locator(".hovertext .nums").text_content().split()[0]) == pytest.approx(place[2], rel=1e-3)
    assert page.locator(".hovertext .name").text_content().startswith("nint")


def test_a_table_sorts_by_keyboard(other):
    page = other.page
    table = page.locator("table.sorts").first
    names = lambda: table.locator("tbody td:first-child").all_inner_texts()  # noqa: E731
    states = lambda: [head.get_attribute("aria-sort") for head in table.locator("th").all()]  # noqa: E731
    assert names() == ["nint", "full", "int"] and states() == ["none"] * 3
    psnr = table.get_by_role("button", name="PSNR")
    psnr.focus()
    page.keyboard.press("Enter")
    assert names() == ["nint", "full", "int"] and states() == ["none", "ascending", "none"]
    page.keyboard.press("Enter")
    assert names() == ["full", "nint", "int"] and states() == ["none", "descending", "none"]  # what is no number stays last
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert names() == ["int", "full", "nint"] and states() == ["none", "none", "ascending"]
    table.get_by_role("button", name="sampler").click()
    assert names() == ["full", "int", "nint"]


def test_sounds_can_be_played_and_have_spectrograms(other):
    page = other.page
    page.wait_for_function("() => [...document.querySelectorAll('audio')].every(audio => audio.readyState >= 1)")
    assert page.locator("audio").evaluate_all("all => all.map(one => one.duration)") == [1, 1]
    for figure in page.locator("figure.sound").all():
        plot, said = figure.locator(".plot"), figure.locator("output.level")
        plot.scroll_into_view_if_needed()
        box = plot.bounding_box()
        places = plot.evaluate("""element => {
          const { xaxis, yaxis, _size } = element._fullLayout;
          return [0.44, 3].map((khz) => [_size.l + xaxis.d2p(0.5), _size.t + yaxis.d2p(khz)]);
        }""")
        levels = []
        for x, y in places:
            page.mouse.move(box["x"] + x, box["y"] + y)
            levels.append(float(said.inner_text().split(" dB at 0.5")[0]))
        assert levels[0] > -12 and levels[1] < levels[0] - 30  # the tone of 440 Hz, and nothing at 3 kHz
        # The picture says the same: its brightest row is the tone's.
        brightest = plot.evaluate("""async element => {
          const image = new Image();
          image.src = element.layout.images[0].source;
          await image.decode();
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.width, image.height];
          const paint = canvas.getContext("2d");
          paint.drawImage(image, 0, 0);
          const { data } = paint.getImageData(0, 0, image.width, image.height), sums = Array(image.height).fill(0);
          data.forEach((value, at) => { if (at % 4 < 3) sums[Math.floor(at / 4 / image.width)] += value; });
          return 1 - sums.indexOf(Math.max(...sums)) / (image.height - 1);
        }""")
        assert brightest * 4 == pytest.approx(0.44, abs=0.04)


def test_the_mesh_is_turned_by_a_slider(other):
    page = other.page
    plot, slider = page.locator(".turnable .plot"), page.locator(".turnable .turn")
    eye = "element => element.layout.scene.camera.eye"
    before = plot.evaluate(eye)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(f"x => ({eye})(document.querySelector('.turnable .plot')).x !== x", arg=before["x"])
    after = plot.evaluate(eye)
    assert after["y"] == pytest.approx(before["y"])
    assert np.hypot(after["x"], after["z"]) == pytest.approx(np.hypot(before["x"], before["z"]))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_on_a_phone_and_every_text_has_contrast(image, other, scheme):
    for found in (image, other):
        page = found.page
        page.set_viewport_size(PHONE)
        page.emulate_media(color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.wait_for_function(NARROW, arg=PHONE["width"])
        texts = page.evaluate(CONTRASTS)
        assert len(texts) > 20
        assert [entry for entry in texts if entry["contrast"] < 4.5] == []
        ground = [int(part) for part in re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))]
        assert (sum(ground[:3]) < 200) == (scheme == "dark")
        page.set_viewport_size(DESK)
        page.emulate_media(color_scheme="light")


def test_every_control_has_a_name_and_shows_its_focus(image, other):
    for found in (image, other):
        page = found.page
        page.reload()
        kinds = ("input", "select", "button:not(.modebar-btn)", "audio")
        controls = page.locator(", ".join(f"main {kind}:visible" for kind in kinds))
        assert controls.count() > 3
        assert all(controls.evaluate_all(NAMES))
        assert all(page.locator("img").evaluate_all("all => all.map(one => one.alt)"))
        assert page.locator("h1").count() == 1
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(6):
            page.keyboard.press("Tab")
            assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2


@pytest.fixture(scope="module")
def bench(browser, open_tab, tmp_path_factory):
    """The report of the committed benchmark's tables, as a phone shows it."""
    folder = tmp_path_factory.mktemp("bench") / "paper-cpu"
    folder.mkdir()
    source = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "paper-cpu"
    for name in ("claims.md", *(f"table{number}.md" for number in range(1, 11))):
        shutil.copy(source / name, folder / name)
    found = open_tab(browser, write_report(folder), PHONE)
    yield found
    found.context.close()


def test_tables_of_a_benchmark_show_a_number_on_a_phone(bench):
    page = bench.page
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = page.evaluate("""() => [...document.querySelectorAll("table.sorts")].map((table) => {
      const number = /^[<>~+-]?\\d/, rows = [...table.tBodies[0].rows]
        .map((row) => [...row.cells].slice(1).find((cell) => number.test(cell.textContent.trim())));
      return rows.filter(Boolean).map((cell) => {
        const text = document.createRange();
        text.selectNodeContents(cell);
        return text.getBoundingClientRect().right;
      });
    })""")
    assert len(found) > 15 and sum(map(bool, found)) > 15
    assert [rows for rows in found if rows and max(rows) > 390] == []


def test_the_verdict_comes_first(bench, image):
    assert re.match(r"Of \d+ claims of the paper, measured here: \d+ hold, ", bench.page.locator("header .verdict").inner_text())
    assert [tile.split("\n")[0] for tile in bench.page.locator(".tiles div").all_inner_texts()][:2] == ["holds", "in part"]
    first = image.page.locator("header .verdict").first
    assert re.match(r"PSNR [\d.]+ dB after 20 steps and .* of training, each step on 20 % of the points", first.inner_text())
    assert first.bounding_box()["y"] < image.page.locator(".tiles").bounding_box()["y"] < 400


NARROW = "most => [...document.querySelectorAll('.plot .main-svg')].every(drawing => drawing.clientWidth <= most)"

NAMES = """all => all.map(
  (one) => (one.labels && one.labels.length ? one.labels[0].textContent : one.textContent).trim() || one.getAttribute("aria-labelledby")
)"""

CONTRASTS = """() => {
  const parse = (text) => { const parts = text.match(/[\\d.]+/g).map(Number); return parts.length < 4 ? [...parts, 1] : parts; };
  const shine = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const found = [];
  for (const element of document.querySelectorAll("body *:not(script):not(style):not(noscript):not(option)")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, .skip") || !element.checkVisibility()) continue;
    let ground = element;
    while (ground && parse(getComputedStyle(ground).backgroundColor)[3] < 1) ground = ground.parentElement;
    const one = shine(parse(getComputedStyle(element).color));
    const other = shine(parse(getComputedStyle(ground || document.body).backgroundColor));
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push({ text: element.textContent.trim().slice(0, 40), contrast });
  }
  return found;
}"""
