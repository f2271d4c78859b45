"""The state of a run while it trains, and the local server that shows it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

import nint
from nint.errors import UsageError
from nint.monitors.live import LiveState
from nint.runs.contents import LIVE_PICTURE, LIVE_STATE

pytest.importorskip("starlette", reason="the live page needs starlette, from the extra nint[live]")
pytest.importorskip("uvicorn", reason="the live page needs uvicorn, from the extra nint[live]")

FIT = {"max_side": 24, "field": "siren:size=1x8", "recipe": "paper", "sampler": "uniform"}


class Looking:
    """A monitor that looks at the live files in the middle of a run."""

    def __init__(self, folder):
        self.folder, self.seen = folder, {}

    def start(self, run):
        pass

    def after_step(self, run):
        if run.step == 6:
            from nint.live.pictures import pictures_of
            from nint.live.state import runs_in

            self.seen["files"] = [(self.folder / name).exists() for name in (LIVE_STATE, LIVE_PICTURE)]
            (watched,) = runs_in(self.folder.parent)
            self.seen["state"] = watched.state()
            self.seen["pictures"] = pictures_of(watched)
            self.seen["newest"] = watched.newest()
            self.seen["selected"] = run.selection.indices.clone()

    def finish(self, run, reason):
        pass


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run with live files, what was seen of it on the way, and the same run without."""
    folder = tmp_path_factory.mktemp("live") / "runs" / "a"
    looking = Looking(folder)
    fit = nint.fit("sample:camera", out=folder, budget=12, eval_every=2, monitors=[LiveState(folder, every_s=0, share=1e9), looking], **FIT)
    return folder, fit, looking.seen


def test_live_files_tell_the_state_and_go_at_the_end(run):
    folder, _, seen = run
    assert seen["files"] == [True, True]
    assert not (folder / LIVE_STATE).exists() and not (folder / LIVE_PICTURE).exists()
    state = seen["state"]
    assert state["step"] == 6 and state["ended"] == "" and state["done_part"] == pytest.approx(0.5)
    assert state["rows"][-1]["step"] == 6 and state["name"] == "a" and state["sampler"].startswith("uniform")
    assert seen["newest"].step == 6 and set(seen["newest"].selected) == set(seen["selected"].tolist())


def test_the_picture_is_the_reconstruction_and_the_batch_is_red(run):
    import io

    from PIL import Image

    _, _, seen = run
    step, found = seen["pictures"]
    assert step == 6 and set(found) == {"Reconstruction", "Selected points"}
    shown = {name: np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int) for name, (_, content) in found.items()}
    assert np.abs(shown["Reconstruction"][..., 0] - seen["newest"].decoded.reshape(24, 24)).max() <= 1
    red = (shown["Selected points"][..., 0] - shown["Selected points"][..., 1] > 80).ravel()
    assert set(np.flatnonzero(red)) == set(seen["newest"].selected)


def test_watching_changes_nothing_of_the_run(run, tmp_path):
    _, fit, _ = run
    alone = nint.fit("sample:camera", out=tmp_path / "alone", budget=12, eval_every=2, **FIT)
    assert all((old == new).all() for old, new in zip(fit.state_dict().values(), alone.state_dict().values(), strict=True))


def test_a_finished_run_is_read_from_its_record(run):
    from nint.live.server import Watched

    folder, fit, _ = run
    answer = Watched(folder.parent).answer()
    (state,) = answer["runs"]
    assert state["step"] == 12 and state["ended"] and state["done_part"] == 1 and state["picture_step"] == 12
    (series,) = answer["curves"]["series"]
    assert series["columns"]["psnr"][-1] == pytest.approx(fit.metrics["psnr"], rel=1e-4)
    json.dumps(answer, allow_nan=False)


def test_damaged_and_half_written_files_are_no_error(run, tmp_path):
    from nint.live.pictures import pictures_of
    from nint.live.state import runs_in

    folder = shutil.copytree(run[0], tmp_path / "runs" / "x")
    (folder / LIVE_STATE).write_text('{"step": 5, "cur')
    (folder / LIVE_PICTURE).write_bytes(b"PK\x03\x04")
    (tmp_path / "runs" / "empty").mkdir()
    (watched,) = runs_in(tmp_path / "runs")
    assert watched.state()["step"] == 12
    assert pictures_of(watched)[0] in (-1, 12)
    (folder / "run.json").write_text("[]")
    (folder / "checkpoint.safetensors").write_bytes(b"nothing")
    (again,) = runs_in(tmp_path / "runs")
    assert again.state()["rows"] == []


def test_a_port_that_is_taken_is_refused():
    from nint.live.server import listening

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"Port {port} of this machine cannot be used .*; leave it out for a free one"):
            listening(port)


def test_a_missing_package_and_a_missing_folder_are_one_sentence(monkeypatch, tmp_path, capsys):
    from nint.cli.main import main

    assert main(["watch", str(tmp_path / "none")]) == 2
    assert "none' does not exist; give the output folder of a fit, or of several." in capsys.readouterr().err
    assert main(["fit", "sample:camera", "--live-port", "8000", "--out", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err == "nint: --live-port needs --live.\n"
    monkeypatch.setattr("nint.live.beside.find_spec", lambda name: None)
    assert main(["fit", "sample:camera", "--live", "--out", str(tmp_path / "x")]) == 2
    assert capsys.readouterr().err == "nint: The live page needs the package starlette; pip install 'nint[live]'.\n"
    assert not (tmp_path / "x").exists()


def start(*words, cwd=None):
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [sys.executable, "-m", "nint", *map(str, words)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop(process):
    process.kill()
    process.wait()
    process.stdout.close()


def address_in(process):
    for line in process.stdout:
        if found := re.search(r"watch at (http://127\.0\.0\.1:\d+/)", line):
            return found[1]
    raise AssertionError("no address was printed")


def get(url, host=None, method="GET"):
    request = urllib.request.Request(url, method=method, headers={} if host is None else {"Host": host})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read(), answer.headers


@pytest.fixture
def watching(run):
    """`nint watch` on the folder above the finished run."""
    process = start("watch", run[0].parent)
    yield process, address_in(process)
    stop(process)


def test_the_server_reads_only_and_only_for_this_machine(watching, run):
    process, address = watching
    body, headers = get(address)
    assert b"Runs, live" in body and "default-src 'none'" in headers["Content-Security-Policy"]
    assert get(f"{address}picture?run=a&layer=Reconstruction")[1]["Content-Type"].startswith("image/")
    for url, host, method, code in (
        (address, "evil.example", "GET", 400),
        (f"{address}runs", None, "POST", 405),
        (f"{address}picture?run=../../etc&layer=Reconstruction", None, "GET", 404),
        (f"{address}../run.json", None, "GET", 404),
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(url, host, method)
        assert refused.value.code == code
        refused.value.close()
    port = int(address.rsplit(":", 1)[1].strip("/"))
    with socket.socket() as outside, pytest.raises(OSError):  # another address of this machine
        outside.settimeout(5)
        outside.connect(("127.0.0.2", port))
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_a_run_with_its_page_goes_on_without_it_and_ends_with_it(tmp_path, browser):
    pytest.importorskip("matplotlib")
    words = ("sample:camera", "--max-side", "48", "--size", "2x16", "--steps", "1000000", "--threads", "1", "--eval-every", "50", "--live")
    process = start("fit", *words, "--no-pictures", "--out", tmp_path / "run")
    try:
        address = address_in(process)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(120_000)
        errors, asked = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        for attempt in range(100):  # the server starts beside the run
            try:
                page.goto(address)
                break
            except Exception:
                assert attempt < 99
                time.sleep(0.5)
        picture = page.locator("article img").nth(1)
        picture.wait_for()
        first, step = picture.get_attribute("src"), page.locator("article .small").inner_text()
        page.wait_for_function("old => document.querySelectorAll('article img')[1].getAttribute('src') !== old", arg=first)
        page.wait_for_function("() => document.getElementById('plot').data && document.getElementById('plot').data[0].y.length > 2")
        assert page.locator("article .small").inner_text() != step and "running" in step
        assert re.match(r"[\d.]+ PSNR \(dB\)", page.locator("article .number").inner_text())
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        reds = """image => {
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
          const paint = canvas.getContext("2d");
          paint.drawImage(image, 0, 0);
          const { data } = paint.getImageData(0, 0, canvas.width, canvas.height);
          let red = 0;
          for (let at = 0; at < data.length; at += 4) red += data[at] - data[at + 1] > 80;
          return red;
        }"""
        page.wait_for_function("() => document.querySelectorAll('article img')[1].naturalWidth > 0")
        assert picture.evaluate(reds) > 20
        assert errors == [] and all(url.startswith((address, "data:", "blob:")) for url in asked)
        page.close()
        before = json.loads((tmp_path / "run" / LIVE_STATE).read_text())["step"]
        deadline = time.monotonic() + 120
        while json.loads((tmp_path / "run" / LIVE_STATE).read_text())["step"] <= before:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        assert (tmp_path / "run" / "run.json").exists() and not (tmp_path / "run" / LIVE_STATE).exists()
        with pytest.raises(OSError):  # the page's process has ended with the run
            get(address)
    finally:
        stop(process)


def test_runs_stand_side_by_side_and_a_lost_server_is_said(watching, run, browser, tmp_path):
    import shutil

    process, address = watching
    shutil.copytree(run[0], run[0].parent / "b")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator("article").nth(1).locator("img").first.wait_for()
    tops = page.locator("article").evaluate_all("all => all.map(one => one.getBoundingClientRect().top)")
    assert len(tops) == 2 and tops[0] == tops[1]
    assert page.evaluate("document.getElementById('plot').data.map(line => line.name)") == ["a", "b"]
    assert page.locator("#state").inner_text().startswith("2 runs in ")
    process.kill()
    page.locator("#state.lost").wait_for()
    assert "No run is stopped" in page.locator("#state").inner_text()
    assert page.locator("article").count() == 2
    page.close()


def test_a_port_can_be_taken_again_after_a_page_was_open():
    from nint.live.server import listening

    first = listening(None)
    port = first.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)):
        served, _ = first.accept()
        served.close()  # the server ends the connection first, so that it waits on this side
    first.close()
    listening(port).close()


def test_of_many_runs_the_newest_are_shown_and_all_are_counted(tmp_path):
    from nint.live.state import MOST_RUNS, count_runs, runs_in

    for number in range(MOST_RUNS + 3):
        folder = tmp_path / f"r{number:02d}"
        folder.mkdir()
        (folder / "run.json").write_text("{}")
        os.utime(folder / "run.json", (1000 - number, 1000 - number))  # the first by name is the newest
    assert [run.name for run in runs_in(tmp_path)] == [f"r{number:02d}" for number in range(MOST_RUNS)]
    assert count_runs(tmp_path) == MOST_RUNS + 3


def test_a_state_left_by_a_killed_run_does_not_hide_that_it_was_finished(run, tmp_path):
    from nint.live.state import runs_in

    folder = shutil.copytree(run[0], tmp_path / "x")
    (folder / LIVE_STATE).write_text('{"step": 5, "done_part": 0.3}')
    os.utime(folder / LIVE_STATE, (1000, 1000))
    (watched,) = runs_in(tmp_path)
    assert watched.state()["done_part"] == 1.0 and watched.state()["ended"]
