"""What a report is made of, piece by piece."""

import base64
import io
import wave

import numpy as np
import pytest
from PIL import Image

from nint.errors import UsageError
from nint.mesh import Mesh
from nint.plots.style import COLOURS
from nint.report.curves import Course, clean_rows, contrast, group, on_dark, thinned
from nint.report.encode import numbers, picture, picture_file, short, sound
from nint.report.frames import plane_frames, step_frames
from nint.report.markdown import markup, title_of
from nint.report.meshes import coarser, turnable
from nint.report.place import check_target
from nint.report.stills import heat, original_values, viewer_for
from nint.runs.folder import REPORT, is_ours, remove_stale
from nint.runs.snapshots import Snapshot
from nint.signals.grid.video import VideoSignal
from nint.signals.grid.volume import VolumeSignal
from nint.signals.image.signal import ImageSignal

DARK_GROUND = (0x17, 0x19, 0x1C)


def content(uri):
    return base64.b64decode(uri.partition("base64,")[2])


def pixels_of(found):
    return np.asarray(Image.open(io.BytesIO(content(found.uri))).convert("RGB")).astype(int)


def test_a_small_picture_loses_nothing_and_nan_is_grey():
    values = np.random.default_rng(0).integers(0, 256, (9, 7, 3)) / 255
    values[2, 3] = np.nan
    found = picture(values, 100)
    expected = np.round(255 * np.nan_to_num(values, nan=0.5)).astype(int)
    assert (found.width, found.height) == (7, 9)
    assert (pixels_of(found) == expected).all()


def test_a_large_picture_is_reduced_and_keeps_its_aspect():
    found = picture(np.full((400, 800, 3), 0.25), 200)
    assert (found.width, found.height) == (200, 100)
    assert np.abs(pixels_of(found) - 64).max() <= 3


def test_a_picture_file_stands_on_white_and_a_damaged_one_is_none(tmp_path):
    Image.new("RGBA", (5, 4), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG nothing")
    assert (pixels_of(picture_file(tmp_path / "clear.png", 50)) == 255).all()
    assert picture_file(tmp_path / "bad.png", 50) is None
    assert picture_file(tmp_path / "none.png", 50) is None


def test_a_sound_is_a_wav_of_the_same_samples():
    samples = np.stack([np.linspace(-1, 1, 50), np.linspace(1.5, 0, 50)], axis=1)
    with wave.open(io.BytesIO(content(sound(samples, 8000)))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 2, 50)
        found = np.frombuffer(file.readframes(50), "<i2").reshape(50, 2)
    assert np.abs(found / 32767 - np.clip(samples, -1, 1)).max() < 1e-4


def test_numbers_are_read_back():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = numbers(values)
    assert found["dtype"] == "f4" and found["shape"] == "2, 3"
    assert (np.frombuffer(base64.b64decode(found["bdata"]), "<f4").reshape(2, 3) == values).all()


@pytest.mark.parametrize("odd", [None, "3", float("nan"), float("inf"), True, [1]])
def test_what_is_no_number_is_not_plotted(odd):
    assert short(odd) is None


def test_rows_of_a_curve_survive_what_does_not_belong_there():
    rows = [{"step": 1, "psnr": 7.0, "ssim": None}, "text", {"psnr": 3.0}, {"step": 2, "psnr": float("nan")}, None]
    assert clean_rows(rows) == [{"step": 1, "psnr": 7.0}, {"step": 2}]
    assert clean_rows("nothing") == []


def test_thinning_keeps_both_ends():
    rows = [{"step": step} for step in range(1000)]
    kept = thinned(rows, 11)
    assert [row["step"] for row in kept] == [round(i * 99.9) for i in range(11)]
    assert thinned(rows[:5], 11) == rows[:5]


def test_a_group_has_the_axes_that_every_run_has():
    row = {"step": 1, "training_seconds": 0.5, "forward_equivalents": 3.0, "flops": 1e9, "loss": 0.1, "psnr": 20.0}
    short_row = {name: value for name, value in row.items() if name != "flops"}
    found = group("one", [Course("nint", "nint", 0, [row]), Course("nint", "nint", 1, [short_row]), Course("full", "full", 0, [])])
    assert list(found["axes"]) == ["step", "training_seconds", "forward_equivalents"]
    assert list(found["metrics"]) == ["psnr", "loss"]
    assert [(run["name"], run["seed"], run["first"]) for run in found["series"]] == [("nint", 0, True), ("nint", 1, False)]
    assert group("none", [Course("nint", "nint", 0, [])]) is None


def test_every_colour_is_read_on_the_dark_page_and_black_is_not_taken_for_grey():
    for colour in COLOURS.values():
        found = on_dark(colour)
        assert contrast([int(found[i : i + 2], 16) for i in (1, 3, 5)], DARK_GROUND) >= 4.5
    assert on_dark("#000000") == "#ffffff"
    assert on_dark(COLOURS["uniform"]) != "#ffffff"
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)  # known: #777 on white just fails AA


def test_markdown_keeps_marks_and_escapes_everything_else():
    text = "# T <b>\n\n## A\n\n| a | b |\n|---|---:|\n| <u>1</u> | **2** |\n| x\\|y | <script>alert(1)</script> |\n\n![p](http://x/y.png) [l](http://x)\n"
    found = markup(text)
    assert title_of(text) == "T <b>"
    assert "<h3>A</h3>" in found and "T &lt;b" not in found
    assert "<u>1</u>" in found and "<strong>2</strong>" in found and "x|y" in found
    assert "<script" not in found and "<img" not in found and "<a " not in found
    assert 'class="sorts"' in found and 'tabindex="0"' in found


def test_only_a_report_of_ours_is_overwritten_or_removed(tmp_path):
    mine = tmp_path / REPORT
    assert check_target(tmp_path) == mine
    mine.write_text("<p>holiday</p>")
    with pytest.raises(UsageError, match="not a report that nint wrote"):
        check_target(tmp_path)
    remove_stale(tmp_path)
    assert mine.exists()
    mine.write_text('<head><meta name="generator" content="nint report 0.1"></head>')
    assert is_ours(mine) and check_target(tmp_path) == mine
    remove_stale(tmp_path)
    assert not mine.exists()
    with pytest.raises(UsageError, match="is a folder"):
        check_target(tmp_path, tmp_path)


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("nint.report.place.find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(UsageError, match=r"needs the package jinja2; pip install 'nint\[report\]'"):
        check_target(tmp_path)


def test_heat_is_dark_at_nothing_bright_at_the_top_and_open_where_nothing_was_observed():
    found = heat(np.array([[0.0, 0.5, 2.0, np.nan]]), 1.0)
    light = found.sum(-1)[0]
    assert light[0] < 0.1 and light[0] < light[1] < light[2] and np.isnan(light[3])


def snapshots_of(arrays, selected):
    return [Snapshot(step, 0.1 * step, np.asarray(selected), array, array.shape[0] * array.shape[1]) for step, array in arrays.items()]


def test_the_slider_of_an_image_shows_reconstruction_error_and_selection():
    array = np.zeros((6, 8, 3), np.uint8)
    array[1, 2] = 255
    signal = ImageSignal(array, "dot.png")
    viewer = viewer_for(signal.layout)
    early, late = np.full_like(array, 13), array // 2
    taken = snapshots_of({1: early, 20: late}, [10])  # row 1, column 2
    block = step_frames(viewer, taken, original_values(signal, viewer), [{"step": 20, "psnr": 31.5}], "psnr", 64)
    assert block.labels == ["step 1, 0.1 s, 2.1% of the points", "step 20, 2 s, 2.1% of the points, 31.50 dB"]
    assert [panel.title for panel in block.panels] == ["Reconstruction", "Absolute error", "Selected points"]
    reconstruction, error, selected = (next(iter(panel.layers.values())) for panel in block.panels)
    assert (pixels_of(reconstruction[0]) == 13).all() and (pixels_of(reconstruction[1]) == late).all()
    dots, grounds = ([pixels_of(found)[place].sum() for found in error] for place in ((1, 2), (0, 0)))
    assert dots[0] > dots[1] > grounds[0] > grounds[1]
    red = (pixels_of(selected[1])[..., 0] > 150) & (pixels_of(selected[1])[..., 1] < 100)
    assert np.argwhere(red).tolist() == [[1, 2]]
    assert block.pixelated and block.first == 1
    assert step_frames(viewer, [], None, [], None, 64) is None
    assert len(step_frames(viewer, taken, None, [], None, 64).panels) == 2


def test_a_video_and_a_volume_are_leafed_through():
    frames = np.zeros((5, 16, 12, 3), np.uint8)
    frames[:, 0, 0] = np.arange(5)[:, None] * 50
    for signal, name in ((VideoSignal(frames, name="clip"), "frame"), (VolumeSignal(frames[..., 0].copy(), name="stack"), "plane z")):
        viewer = viewer_for(signal.layout)
        original = original_values(signal, viewer)
        block = plane_frames(viewer, original, original, 64)
        assert block.labels[3] == f"{name} 3 of 5" and block.first == 2
        shown = [pixels_of(found)[0, 0, 0] for found in block.panels[0].layers["Original"]]
        assert np.abs(np.array(shown) - np.arange(5) * (50 if name == "frame" else 255 / 4)).max() <= 1


def test_a_mesh_is_made_coarser_and_keeps_its_place():
    side = np.linspace(0, 1, 60)
    x, y = np.meshgrid(side, side, indexing="ij")
    vertices = np.stack([x, y, x * y], -1).reshape(-1, 3)
    corner = np.arange(59)[:, None] * 60 + np.arange(59)
    a, b, c, d = corner.ravel(), corner.ravel() + 1, corner.ravel() + 60, corner.ravel() + 61
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    fewer, kept = coarser(vertices, faces, 1000)
    assert 100 < len(kept) <= 1000 and kept.max() < len(fewer)
    assert np.abs(fewer[:, 2] - fewer[:, 0] * fewer[:, 1]).max() < 0.02
    assert np.ptp(fewer, axis=0) == pytest.approx([1, 1, 1], abs=0.1)
    same = coarser(vertices, faces, 10_000)
    assert same[1] is faces
    block = turnable("sheet", Mesh(vertices, faces))
    assert block.caption == f"{len(faces):,} faces." and block.data["i"]["dtype"] == "u2"
    assert turnable("nothing", Mesh(vertices, faces[:0])) is None
