"""Pictures of one run, read back as pixels."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import nint
from nint.plots.strips import show_error as real
from nint.plots.style import COLOURS, as_rgb, lines_for, with_points, wrapped
from nint.report.pictures import write_pictures
from nint.report.stills import heat
from nint.runs.snapshots import load_snapshots
from nint.signals.image.signal import ImageSignal
from nint.signals.open import open_signal


@pytest.fixture(autouse=True)
def no_pyplot(monkeypatch):
    """Importing pyplot, which keeps global state and looks for a display, fails."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def near(image, colour, tolerance=12):
    """Mask of pixels close to a colour given as '#rrggbb' or floats in [0, 1]."""
    if isinstance(colour, str):
        colour = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.abs(image - np.round(255 * np.asarray(colour))).max(axis=-1) <= tolerance


def reds(image):
    """Mask of selected points, whatever grey shines through."""
    return (image[..., 0] > 160) & (image[..., 1] < 100) & (image[..., 2] < 100)


def stub(array, decoded, curve=(), sampler="nint", metrics=None):
    """A signal and what `write_pictures` asks of its fit."""
    signal = ImageSignal(array, "test.png")
    record = {"curve": list(curve), "settings": {"sampler": sampler}}
    return signal, SimpleNamespace(decode=lambda: decoded, metrics=metrics or {}, record=record)


def snapshot(folder, step, selected, decoded):
    folder.mkdir(exist_ok=True)
    np.savez_compressed(
        folder / f"step-{step:06d}.npz",
        step=step,
        training_seconds=0.1 * step,
        selected=np.asarray(selected, np.int32),
        decoded=decoded,
        pool=decoded.shape[0] * decoded.shape[1],
    )


def ramp(height=24, width=32, channels=None):
    values = np.linspace(0, 255, height * width).reshape(height, width).astype(np.uint8)
    return values if channels is None else np.repeat(values[..., None], channels, axis=-1)


@pytest.mark.parametrize("options", [{"hold_out": 0.25}, {"transparent": "unobserved"}, {"super_resolution": 2}])
def test_pictures_of_part_of_an_image(tmp_path, options):
    image = np.dstack([ramp(channels=3), np.full((24, 32), 255, np.uint8)])
    image[4:12, 8:20, 3] = 0
    signal = open_signal(image if "transparent" in options else image[..., :3], **options)
    fit = nint.fit(signal, recipe="paper", field="siren:size=1x8", sampler="uniform", budget=3, out=tmp_path / "out")
    names = {path.name for path in write_pictures(tmp_path / "out", signal, fit)}
    assert names == {"reconstruction.png", "error.png", "selection.png", "curve.png"}
    for shot in load_snapshots(tmp_path / "out" / "snapshots"):
        assert shot.pool == fit.record["points"] and len(shot.selected) == int(0.2 * shot.pool)
        rows, columns = np.unravel_index(shot.selected, (24, 32))
        if "transparent" in options:
            assert not ((rows >= 4) & (rows < 12) & (columns >= 8) & (columns < 20)).any()


# ---------------------------------------------------------------- a real run


def test_a_real_run_gives_four_pictures(tmp_path):
    signal = open_signal("sample:camera", max_side=32)
    fit = nint.fit(signal, field="siren:size=2x16", sampler="nint", budget=20, total_steps=20, lr=1e-3, out=tmp_path)
    written = write_pictures(tmp_path, signal, fit)
    assert [path.name for path in written] == ["reconstruction.png", "error.png", "selection.png", "curve.png"]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "reconstruction.png")), fit.decode())
    assert all(pixels(path).std() > 5 for path in written)
    assert near(pixels(tmp_path / "curve.png"), COLOURS["nint"]).sum() > 300
    panels = reds(pixels(tmp_path / "selection.png"))
    count = len(load_snapshots(tmp_path / "snapshots"))
    assert count == 5  # 1, 2, 5, 10, 20
    assert panels.any(axis=1).sum() > 200  # two rows of panels


# ---------------------------------------------------------------- error


def test_the_error_picture_is_bright_where_the_error_is(tmp_path):
    array = ramp(40, 60, 3)
    decoded = array.copy()
    decoded[:20, 30:] = 255 - decoded[:20, 30:]  # the upper right quarter is wrong
    write_pictures(tmp_path, *stub(array, decoded))
    image = pixels(tmp_path / "error.png")
    black = image.max(axis=-1) < 20
    rows, columns = np.flatnonzero(black.sum(axis=1) > 100), np.flatnonzero(black.sum(axis=0) > 100)
    height = rows[-1] - rows[0] + 1  # the left half is black from top to bottom
    width = height * 60 // 40

    def brightness(down, right):
        row, column = rows[0] + round(down * height), columns[0] + round(right * width)
        return image[row - 5 : row + 5, column - 5 : column + 5].sum(axis=-1).mean()

    assert max(brightness(0.05, 0.05), brightness(0.9, 0.1), brightness(0.9, 0.9), brightness(0.1, 0.45)) < 30
    assert brightness(0.05, 0.95) > 300
    assert brightness(0.05, 0.95) > brightness(0.45, 0.55)  # |255 - 2 v|: larger at the top


def test_the_error_picture_of_a_perfect_fit(tmp_path):
    array = ramp(16, 16)
    write_pictures(tmp_path, *stub(array, array.copy()))
    assert pixels(tmp_path / "error.png").std() > 5


# ---------------------------------------------------------------- selection


def test_red_is_exactly_where_points_were_selected():
    image = ramp(6, 8)
    selected = np.array([0, 9, 47])
    picture = with_points(image, selected)
    flat = picture.reshape(-1, 3)
    red = (flat[:, 0] - flat[:, 1] > 0.4) & (flat[:, 0] - flat[:, 2] > 0.4)
    assert np.flatnonzero(red).tolist() == [0, 9, 47]
    others = np.delete(flat, selected, axis=0)
    assert np.allclose(others, others[:, :1])  # grey
    assert np.all(np.diff(others[:, 0]) >= 0)  # and still the image
    assert others.min() > 0.5  # dimmed towards white
    assert with_points(ramp(6, 8, 3), selected).shape == (6, 8, 3)


def test_the_selection_picture_shows_the_selected_half(tmp_path):
    array = ramp(32, 32)
    left_half = [row * 32 + column for row in range(32) for column in range(16)]
    snapshot(tmp_path / "snapshots", 7, left_half, array)
    write_pictures(tmp_path, *stub(array, array))
    image = pixels(tmp_path / "selection.png")
    red = np.flatnonzero(reds(image).any(axis=0))
    width = image.shape[1]
    assert red.min() < 0.1 * width
    assert 0.4 * width < red.max() < 0.6 * width
    assert 0.9 < reds(image)[:, red.min() + 5 : red.max() - 5].any(axis=1).sum() / (red.max() - red.min()) / 2 < 1.1  # a square panel


@pytest.mark.parametrize("count", [1, 2, 3, 5, 14])
def test_at_most_six_panels(tmp_path, count):
    array = ramp(20, 20)
    for step in range(count):
        snapshot(tmp_path / "snapshots", step + 1, range(400), array)
    write_pictures(tmp_path, *stub(array, array))
    red = reds(pixels(tmp_path / "selection.png"))
    columns = int((np.diff(red.any(axis=0).astype(int)) == 1).sum() + red.any(axis=0)[0])
    rows = int((np.diff(red.any(axis=1).astype(int)) == 1).sum() + red.any(axis=1)[0])
    assert (rows, columns) == {1: (1, 1), 2: (1, 2), 3: (1, 3), 5: (2, 3), 14: (2, 3)}[count]


def test_damaged_and_foreign_snapshots_are_left_out(tmp_path):
    array = ramp(20, 20)
    folder = tmp_path / "snapshots"
    snapshot(folder, 1, [1, 2], array)
    snapshot(folder, 3, [5, 400], array)  # beyond the image: of another one
    (folder / "step-000002.npz").write_bytes(b"PK\x03\x04 cut short")
    assert [s.step for s in load_snapshots(folder)] == [1, 3]
    names = [path.name for path in write_pictures(tmp_path, *stub(array, array))]
    assert "selection.png" in names
    (folder / "step-000001.npz").unlink()
    (tmp_path / "selection.png").unlink()
    names = [path.name for path in write_pictures(tmp_path, *stub(array, array))]
    assert "selection.png" not in names
    assert not (tmp_path / "selection.png").exists()


# ---------------------------------------------------------------- curve and kinds


def rows_of(*values, metric="psnr"):
    return [{"step": 10 * i, "training_seconds": 0.2 * i, metric: value} for i, value in enumerate(values, 1)]


def test_the_curve_has_the_colour_of_its_sampler(tmp_path):
    array = ramp()
    for sampler in ("uniform", "int:batch_share=0.3"):
        write_pictures(tmp_path, *stub(array, array, rows_of(20.0, float("inf"), 22.0, None, 25.0), sampler))
        assert near(pixels(tmp_path / "curve.png"), COLOURS[sampler.partition(":")[0]]).sum() > 300


def test_no_curve_without_rows(tmp_path):
    array = ramp()
    names = [path.name for path in write_pictures(tmp_path, *stub(array, array, rows_of(None, float("nan"))))]
    assert names == ["reconstruction.png", "error.png"]


def test_other_kinds_give_the_curve_of_their_leading_metric(tmp_path):
    signal = SimpleNamespace(layout=SimpleNamespace(kind="points"), metrics=("si_snr", "stoi"), name="clip.wav")
    fit = SimpleNamespace(metrics={}, record={"curve": rows_of(1.0, 5.0, 7.0, metric="si_snr"), "settings": {"sampler": "nint"}})
    assert write_pictures(tmp_path, signal, fit) == [tmp_path / "curve.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]


def fitted(signal, folder):
    fit = nint.fit(signal, recipe="paper", field="siren:size=1x8", sampler="uniform", budget=5, out=folder)
    return fit, {path.name: path for path in write_pictures(folder, signal, fit)}


def test_a_sound_gives_waveform_error_and_spectrogram(tmp_path):
    signal = open_signal("sample:chirp", duration=0.25)
    _, written = fitted(signal, tmp_path)
    assert set(written) == {"sound.png", "curve.png"}
    image = pixels(written["sound.png"])
    assert near(image, COLOURS["uniform"]).sum() > 300  # the reconstruction has its sampler's colour
    low = image[2 * image.shape[0] // 3 :]
    assert (low.max(axis=-1) < 30).mean() > 0.3  # silence between the lines of the original's spectrogram


def test_a_video_gives_a_strip_of_frames(tmp_path):
    video = np.zeros((9, 12, 16, 3), np.uint8)
    video[4:, :, :, 0] = 255  # dark, then red
    (tmp_path / "in").mkdir()
    for number, frame in enumerate(video):
        Image.fromarray(frame).save(tmp_path / "in" / f"{number}.png")
    signal = open_signal(str(tmp_path / "in"))
    fit, written = fitted(signal, tmp_path / "out")
    assert set(written) == {"frames.png", "curve.png"}
    assert fit.layout.kind == "video"
    image = pixels(written["frames.png"])
    top = image[: image.shape[0] // 3]
    red, black = near(top, (1.0, 0.0, 0.0)), near(top, (0.0, 0.0, 0.0))
    assert red.sum() == pytest.approx(black.sum(), rel=0.2) and red.sum() > 1000  # frames 0, 2, 3 are dark, 5, 6 and 8 red
    assert np.flatnonzero(red.any(axis=0)).min() > np.flatnonzero(black.sum(axis=0) > 40).min()


def test_a_volume_gives_three_slices(tmp_path):
    volume = np.zeros((10, 12, 14), np.float32)
    volume[5, :, :] = 1.0  # the middle plane of the first axis is white, of the others a line
    signal = open_signal(volume, kind="volume")
    _, written = fitted(signal, tmp_path)
    assert set(written) == {"slices.png", "curve.png"}
    image = pixels(written["slices.png"])
    image = image[: image.shape[0] // 3]  # the originals
    row = near(image, (0.0, 0.0, 0.0)).sum(axis=1).argmax()  # through the originals: black beside the lines
    dark = np.flatnonzero(near(image, (0.0, 0.0, 0.0))[row])
    assert dark.min() > image.shape[1] / 4  # the first slice has no black


def test_a_grid_of_two_axes_gives_one_slice(tmp_path):
    _, written = fitted(open_signal(np.linspace(-3, 3, 600).reshape(20, 30), kind="array"), tmp_path)
    assert set(written) == {"slices.png", "curve.png"}


# ---------------------------------------------------------------- one scale of errors


def test_the_picture_and_the_page_show_errors_on_one_scale(tmp_path, monkeypatch):
    from nint.report.fit import fit_page

    signal = open_signal("sample:camera", max_side=32)
    fit = nint.fit(signal, recipe="paper", field="siren:size=2x16", sampler="uniform", budget=20, lr=1e-3, out=tmp_path)
    tops = []
    monkeypatch.setattr("nint.report.pictures.show_error", lambda axes, error, top: tops.append(top) or real(axes, error, top))
    write_pictures(tmp_path, signal, fit)
    frames = next(b for section in fit_page(tmp_path, signal).sections for b in section.blocks if b.kind == "frames")
    assert f"yellow is {tops[0]:.2g} or more" in frames.note


def test_colours_of_errors_are_the_pages(tmp_path):
    from matplotlib.figure import Figure

    error = np.linspace(0, 0.5, 36).reshape(6, 6)
    shown = real(Figure().subplots(), error, 0.3)
    assert np.allclose(shown.to_rgba(error)[..., :3], heat(error, 0.3), atol=1e-2)


@pytest.mark.parametrize("shape", [(8, 200), (200, 8), (24, 32, 2), (24, 32, 4), (2, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_shape_and_type_of_image(tmp_path, shape, dtype):
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    array = (np.linspace(0, 1, int(np.prod(shape))).reshape(shape) * top).astype(dtype)
    snapshot(tmp_path / "snapshots", 1, [0, 1, 2], array)
    written = write_pictures(tmp_path, *stub(array, array[::-1].copy()))
    for path in written:
        image = pixels(path)
        assert path.name == "reconstruction.png" or min(image.shape[:2]) > 150
        assert max(image.shape[:2]) < 2500


# ---------------------------------------------------------------- helpers


def test_every_sampler_has_one_colour_and_variants_differ_in_dashes():
    lines = lines_for(["nint", "full", "nint:random_share=0.5", "mine", "mine:a=1"])
    assert lines["nint"].colour == lines["nint:random_share=0.5"].colour == lines_for(["nint:decay_rate=2"])["nint:decay_rate=2"].colour
    assert lines["nint"].dash != lines["nint:random_share=0.5"].dash
    assert lines["mine"].colour == lines["mine:a=1"].colour
    late = lines_for(["int:batch_share=0.1", "int"])
    assert list(late) == ["int:batch_share=0.1", "int"]
    assert late["int"].dash == lines["full"].dash == "-"
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert set(COLOURS) - {""} == set(nint.SAMPLERS.names(plugins=False)[: len(COLOURS) - 1])
    assert lines_for(["", "full, lr=0.001"])["full, lr=0.001"].colour == COLOURS["full"]
    assert lines_for([""])[""].colour == COLOURS[""]


def test_pixels_of_every_kind_become_rgb():
    assert as_rgb(np.array([[0, 255]], np.uint8)).tolist() == [[[0, 0, 0], [1, 1, 1]]]
    assert np.allclose(as_rgb(np.array([[[65535, 0, 0]]], np.uint16)), [[[1, 0, 0]]])
    assert np.allclose(as_rgb(np.array([[[0.2, 0.0]]], np.float32)), 1)  # wholly transparent: white
    assert np.allclose(as_rgb(np.array([[[1.0, 0.0, 0.0, 0.5]]], np.float32)), [[[1, 0.5, 0.5]]])


def test_long_text_forms_are_broken_after_their_signs():
    assert wrapped("full", 20) == "full"
    assert wrapped("nint:random_share=0.5,decay_rate=2", 20) == "nint:\nrandom_share=0.5,\ndecay_rate=2"
