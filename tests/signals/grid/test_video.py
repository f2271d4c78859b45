import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

import nint
from nint.errors import UsageError
from nint.runs.model import Fit
from nint.signals.base import GridCoords
from nint.signals.grid.animation import write_gif
from nint.signals.grid.clip import Clip
from nint.signals.grid.phantom import bouncing_blobs
from nint.signals.grid.video import VideoSignal, is_image_folder, load_video
from nint.signals.grid.video_files import image_files
from nint.signals.grid.video_layout import VideoLayout
from nint.signals.grid.video_write import write_frames, write_mp4
from nint.signals.image.files import read_image
from nint.signals.image.write import write_image
from nint.signals.kinds import detect_kind
from nint.signals.open import layout_from_json, open_signal

DATA = Path(__file__).resolve().parents[4] / "shared" / "data" / "video"


def wave(coords):
    t, y, x = coords[:].double().unbind(1)
    return torch.stack([0.5 + 0.4 * torch.sin(2 * t + c) * torch.cos(x + y) for c in range(3)], dim=1).float()


def by_heart(signal):
    grid, values = signal.layout.grid, signal.values

    def predict(coords):
        coords = coords[:].double()
        index = [((coords[:, i] + 1) / 2 * (points - 1)).round().long().numpy() for i, points in enumerate(grid)]
        return values[torch.from_numpy(np.ravel_multi_index(index, grid))]

    return predict


def noise(frames, height, width, channels=3):
    return np.random.default_rng(0).integers(0, 256, (frames, height, width, channels), np.uint8)


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="PyAV is the extra 'video'")


def save_mp4(av, path, frames, fps=10, audio=False, **options):
    with av.open(str(path), "w", format="mp4", options=options) as file:
        stream = file.add_stream("mpeg4", rate=fps)
        stream.height, stream.width, stream.pix_fmt, stream.bit_rate = *frames.shape[1:3], "yuv420p", 4_000_000
        sound = file.add_stream("aac", rate=16_000) if audio else None
        for pixels in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
        if sound:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 16_000
            file.mux(sound.encode(silence))
            file.mux(sound.encode(None))


def test_pool_and_round_trip():
    frames = noise(4, 5, 6)
    signal = VideoSignal(frames, fps=12.5)
    pool = signal.pool("cpu")
    assert pool.grid == (4, 5, 6) and pool.in_features == pool.out_features == 3
    assert np.array_equal(pool.values.numpy(), (frames.reshape(-1, 3) / np.float64(255)).astype(np.float32))
    assert pool.coords[6 * 5 + 7].tolist() == pytest.approx([-1 + 2 / 3, -0.5, -1 + 2 / 5])
    clip = signal.layout.decode(by_heart(signal))
    assert clip.fps == 12.5 and clip.frames.dtype == np.uint8 and np.array_equal(np.asarray(clip), frames)
    assert np.asarray(clip, dtype=np.float32).dtype == np.float32
    assert layout_from_json(json.loads(json.dumps(signal.layout.to_json()))) == signal.layout
    grey = VideoSignal(frames[..., 0])
    assert grey.layout.channels == 1 and np.array_equal(grey.layout.decode(by_heart(grey)).frames, frames[..., :1])


def test_decode_at_other_sizes_and_paces():
    layout = VideoLayout((9, 10, 16), 3, "|u1", 0, 255, 8.0)

    def expected(times, height, width):
        t = np.array([2 * time * 8 / 8 - 1 for time in times])  # the last of nine frames is at 1 s
        y, x = (np.linspace(-1, 1, n) for n in (height, width))
        points = np.stack([axis.reshape(-1) for axis in np.meshgrid(t, y, x, indexing="ij")], axis=1)
        return np.rint(wave(torch.from_numpy(points)).double().numpy() * 255).reshape(len(t), height, width, 3)

    eighths = np.arange(9) / 8
    for options, times, size, fps in (
        ({}, eighths, (10, 16), 8),
        ({"scale": 2}, eighths, (20, 32), 8),
        ({"height": 5}, eighths, (5, 8), 8),
        ({"width": 8}, eighths, (5, 8), 8),
        ({"width": 7, "height": 3}, eighths, (3, 7), 8),
        ({"fps": 16}, np.arange(17) / 16, (10, 16), 16),
        ({"fps": 4}, np.arange(5) / 4, (10, 16), 4),
        ({"fps": 3}, np.arange(4) / 3, (10, 16), 3),
        ({"fps": 7}, np.arange(8) / 7, (10, 16), 7),
        ({"fps": 0.4}, [0], (10, 16), 0.4),
        ({"frame": 0.3}, [0.3], (10, 16), 8),
        ({"frame": 0, "scale": 0.5}, [0], (5, 8), 8),
        ({"frame": 1.1}, [1], (10, 16), 8),
    ):
        clip = layout.decode(wave, **options)
        wanted = expected(times, *size)
        assert clip.fps == fps and clip.frames.shape == wanted.shape, options
        assert np.abs(clip.frames - wanted).max() <= 1, options
    for options, said in (
        ({"fps": 0}, "fps=0 is out of range"),
        ({"fps": math.nan}, "fps=nan is out of range"),
        ({"fps": 5, "frame": 0.1}, "either a pace"),
        ({"frame": -0.1}, "frame=-0.1 is out of range; the video lasts from 0 to"),
        ({"frame": 1.2}, "frame=1.2 is out of range"),
        ({"frame": math.nan}, "frame=nan is out of range"),
        ({"scale": 2, "height": 5}, "either a scale or a height and width"),
        ({"width": 0}, "width=0 is out of range"),
    ):
        with pytest.raises(UsageError, match=said):
            layout.decode(wave, **options)
    single = VideoLayout((1, 4, 5), 3, "|u1", 0, 255, 8.0)
    assert single.decode(wave, fps=99).frames.shape == single.decode(wave, frame=0.1).frames.shape == (1, 4, 5, 3)


def test_quality_against_scikit_image():
    frames = noise(3, 8, 9)
    prediction = wave(GridCoords((3, 8, 9))).double().numpy().reshape(frames.shape)
    found = VideoSignal(frames).evaluate(wave)
    assert found["psnr"] == pytest.approx(10 * math.log10(1 / np.mean((prediction - frames / 255) ** 2)), abs=1e-5)
    similar = [structural_similarity(p, f / 255, data_range=1.0, channel_axis=-1) for p, f in zip(prediction, frames, strict=True)]
    assert found["ssim"] == pytest.approx(np.mean(similar), abs=1e-6)
    assert set(VideoSignal(noise(9, 6, 9)).evaluate(wave)) == {"psnr"}


@pytest.mark.parametrize("size", [(32, 48), (31, 47)])
def test_mp4_keeps_size_pace_and_nearly_all_colours(av, size, tmp_path):
    frames = bouncing_blobs(10, 48)[:, : size[0], : size[1]]
    for name, fps in (("a.mp4", 30000 / 1001), ("b.mp4", 7.5)):
        write_mp4(Clip(frames, fps), tmp_path / name)
        signal = load_video(tmp_path / name)
        assert signal.layout.grid == (10, *size) and signal.layout.fps == pytest.approx(fps, rel=1e-6) and signal.report() == ()
        assert signal.evaluate(by_heart(VideoSignal(frames)))["psnr"] > 28
    write_mp4(Clip(frames[..., :1], 10), tmp_path / "grey.mp4")
    assert load_video(tmp_path / "grey.mp4").layout.channels == 3


def test_stretch_of_time_and_size(av, tmp_path):
    frames = np.repeat(np.arange(30, dtype=np.uint8)[:, None, None, None] * 8, 32, axis=1).repeat(48, axis=2).repeat(3, axis=3)
    save_mp4(av, tmp_path / "a.mp4", frames, audio=True)
    whole = load_video(tmp_path / "a.mp4")
    assert whole.layout.grid == (30, 32, 48) and whole.layout.fps == 10 and whole.report() == ("The sound is left out.",)
    for options, first, count in (({"start": 1.5}, 15, 15), ({"duration": 0.5}, 0, 5), ({"start": 0.8, "duration": 0.3}, 8, 3)):
        part = load_video(tmp_path / "a.mp4", **options)
        assert part.layout.grid[0] == count
        seen = part.values.reshape(count, -1).mean(dim=1) * 255
        assert np.allclose(seen, np.arange(first, first + count) * 8, atol=4)
    assert load_video(tmp_path / "a.mp4", max_side=12).layout.grid == (30, 8, 12)
    assert part.fingerprint() != whole.fingerprint()
    for options, said in (
        ({"start": 3.0}, "no frames in this stretch of time"),
        ({"start": 99}, "no frames in this stretch of time"),
        ({"start": -1}, "start=-1 is out of range"),
        ({"duration": 0}, "duration=0 is out of range"),
        ({"max_side": 0}, "max_side=0 is out of range"),
        ({"start": math.nan}, "start=nan is out of range"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            load_video(tmp_path / "a.mp4", **options)
        assert "\n" not in str(error.value)


def test_a_folder_without_frames_is_not_asked_for_a_stretch(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "words.txt").write_text("no image")
    for options in ({}, {"start": 1.0}):
        with pytest.raises(UsageError, match=r"has no images in it; the frames of a video are images, in the order of their names\.$"):
            load_video(tmp_path / "empty", **options)


def test_phone_video_is_turned_upright(av, tmp_path):
    frames = np.zeros((3, 32, 48, 3), np.uint8)
    frames[:, :, :24] = 240
    save_mp4(av, tmp_path / "a.mp4", frames)
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    upright = b"".join(number.to_bytes(4, "big") for number in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    clockwise = b"".join((number % 2**32).to_bytes(4, "big") for number in (0, 1 << 16, 0, -(1 << 16), 0, 0, 32 << 16, 0, 1 << 30))
    at = data.index(upright, data.index(b"tkhd"))
    data[at : at + 36] = clockwise
    (tmp_path / "a.mp4").write_bytes(data)
    signal = load_video(tmp_path / "a.mp4")
    assert signal.layout.grid == (3, 48, 32)
    top, bottom = (part.mean() for part in signal.values.reshape(3, 48, 32, 3).split(24, dim=1))
    assert top > 0.8 and bottom < 0.2


def test_frames_that_change_size(av, tmp_path):
    data = b""
    for side in (32, 48):
        with av.open(str(tmp_path / "part"), "w", format="m4v") as file:
            stream = file.add_stream("mpeg4", rate=10)
            stream.height, stream.width, stream.pix_fmt = side, side, "yuv420p"
            for pixels in noise(3, side, side):
                file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            file.mux(stream.encode(None))
        data += (tmp_path / "part").read_bytes()
    (tmp_path / "a.mp4").write_bytes(data)
    with pytest.raises(UsageError, match="changes its frame size from 32x32 to 48x48"):
        load_video(tmp_path / "a.mp4")


def test_uneven_pace_is_said(av, tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        for number, pixels in zip((0, 1, 2, 9, 10), noise(5, 32, 32), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    signal = load_video(tmp_path / "a.mp4")
    assert signal.layout.grid[0] == 5 and "uneven pace" in signal.report()[0]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_last_frame_that_stays_is_no_file_cut_short(av, ending, tmp_path):
    with av.open(str(tmp_path / f"a.{ending}"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 32, 32, "yuv420p"
        packets = [stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")) for pixels in noise(6, 32, 32)] + [stream.encode(None)]
        *first, last = (packet for some in packets for packet in some)
        last.duration = int(9 / last.time_base)
        file.mux([*first, last])
    with av.open(str(tmp_path / f"a.{ending}")) as file:  # FFmpeg's own account of it
        lasts = [float(frame.duration * frame.time_base) for frame in file.decode(video=0)]
        assert len(lasts) == 6 and lasts[-1] == pytest.approx(9, abs=0.1)
    signal = load_video(tmp_path / f"a.{ending}")
    assert signal.layout.grid[0] == 6


def test_videos_that_cannot_be_read(av, tmp_path):
    save_mp4(av, tmp_path / "whole.mp4", noise(30, 32, 32))
    save_mp4(av, tmp_path / "fast.mp4", noise(30, 32, 32), movflags="faststart")
    whole, fast = (tmp_path / "whole.mp4").read_bytes(), (tmp_path / "fast.mp4").read_bytes()
    (tmp_path / "short.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "cut.mp4").write_bytes(fast[: len(fast) // 2])
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").write_bytes(b"")
    with av.open(str(tmp_path / "sound.mp4"), "w") as file:
        sound = file.add_stream("aac", rate=16_000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16_000
        file.mux(sound.encode(silence))
        file.mux(sound.encode(None))
    save_mp4(av, tmp_path / "black.mp4", np.zeros((5, 32, 32, 3), np.uint8))
    for name, said in (
        ("short", "is damaged, cut short or no video"),
        ("cut", "is cut short: it has frames up to|is damaged, cut short or no video"),
        ("text", "is damaged, cut short or no video"),
        ("empty", "is damaged, cut short or no video|is empty"),
        ("sound", "has no video in it"),
        ("black", "has the same value everywhere"),
        ("missing", "is damaged, cut short or no video|no file"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            load_video(tmp_path / f"{name}.mp4")
        assert name in str(error.value) and "\n" not in str(error.value), error.value


@pytest.mark.parametrize("fps", [10, 25, 30])
def test_gif_keeps_size_pace_and_length(fps, tmp_path):
    frames = bouncing_blobs(12, 24)
    write_gif(Clip(frames, fps), tmp_path / "a.gif")
    signal = load_video(tmp_path / "a.gif")
    assert detect_kind(tmp_path / "a.gif") == "video" and signal.layout.grid == (12, 24, 24)
    assert signal.layout.fps == pytest.approx(fps, rel=0.02)
    assert signal.evaluate(by_heart(VideoSignal(frames)))["psnr"] > 30
    assert load_video(tmp_path / "a.gif", start=2 / fps, duration=4 / fps).layout.grid[0] == 4
    with pytest.raises(UsageError, match="no frames in this stretch"):
        load_video(tmp_path / "a.gif", start=99.0)


def test_gif_whose_frames_stay_for_different_times(tmp_path):
    pictures = [Image.fromarray(frame) for frame in noise(3, 8, 9)]
    for lengths, count, fps, said in (([100, 300, 100], 5, 10, 0), ([20, 5000, 20], 3, 3 / 5.04, 1), ([0, 0, 0], 3, 10, 0)):
        pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=lengths)
        signal = load_video(tmp_path / "a.gif")
        assert signal.layout.grid[0] == count and signal.layout.fps == pytest.approx(fps) and len(signal.report()) == said
    still = np.repeat(noise(1, 8, 9), 6, axis=0)
    write_gif(Clip(np.concatenate([noise(2, 8, 9)[1:], still]), 30), tmp_path / "still.gif")
    assert load_video(tmp_path / "still.gif").layout.grid[0] >= 2


def test_gifs_that_cannot_be_read(tmp_path):
    write_gif(Clip(noise(4, 40, 40), 10), tmp_path / "whole.gif")
    data = (tmp_path / "whole.gif").read_bytes()
    for name, content in (("short", data[: len(data) // 2]), ("text", b"hello"), ("empty", b""), ("head", data[:6])):
        (tmp_path / f"{name}.gif").write_bytes(content)
        with pytest.raises(UsageError, match=name) as error:
            load_video(tmp_path / f"{name}.gif")
        assert "\n" not in str(error.value)


def test_folder_of_images(tmp_path):
    frames = noise(12, 8, 9)
    (tmp_path / "clip").mkdir()
    for number, pixels in enumerate(frames):
        write_image(pixels, tmp_path / "clip" / f"Frame{number}.png")
    (tmp_path / "clip" / "notes.txt").write_text("not a frame")
    assert [file.name for file in image_files(tmp_path / "clip")] == [f"Frame{number}.png" for number in range(12)]
    assert is_image_folder(tmp_path / "clip") and detect_kind(tmp_path / "clip") == "video"
    signal = load_video(tmp_path / "clip")
    assert np.array_equal(signal._rows.source, frames) and "25 frames a second are assumed" in signal.report()[0]
    assert np.array_equal(load_video(tmp_path / "clip", start=0.08, duration=0.12)._rows.source, frames[2:5])
    assert load_video(tmp_path / "clip", max_side=4).layout.grid == (12, 4, 4)
    write_frames(Clip(frames[..., :1], 10), tmp_path / "grey")
    assert load_video(tmp_path / "grey", max_side=4).layout.channels == 1
    for pixels, name, words in (
        (noise(1, 9, 8)[0], "Frame12.png", "from 9x8 to 8x9 at Frame12.png"),
        (noise(1, 8, 9, 4)[0], "Frame12.png", "without transparency"),
        (noise(1, 8, 9)[0].astype(np.uint16), "Frame12.png", "8 bits"),
    ):
        write_image(pixels, tmp_path / "clip" / name)
        with pytest.raises(UsageError, match=words):
            load_video(tmp_path / "clip")
    (tmp_path / "clip" / "Frame12.png").write_bytes(b"")
    with pytest.raises(UsageError, match="is empty"):
        load_video(tmp_path / "clip")


def test_folders_that_are_no_video(tmp_path):
    assert not is_image_folder(tmp_path) and not is_image_folder(tmp_path / "missing")
    write_image(noise(1, 8, 9)[0], tmp_path / "a.png")
    assert not is_image_folder(tmp_path) and not is_image_folder(tmp_path / "a.png")
    write_image(noise(1, 9, 8)[0], tmp_path / "b.png")
    assert not is_image_folder(tmp_path)
    with pytest.raises(UsageError, match="folder"):
        open_signal(tmp_path)
    (tmp_path / "b.png").write_bytes(b"broken")
    assert is_image_folder(tmp_path)  # so that the reader can say which one is broken


def test_written_files(tmp_path):
    frames = noise(3, 6, 7)
    layout = VideoSignal(frames).layout
    layout.write(Clip(frames, 10), tmp_path / "clip")
    assert sorted(file.name for file in (tmp_path / "clip").iterdir()) == [f"frame-000{i}.png" for i in range(3)]
    assert np.array_equal(load_video(tmp_path / "clip")._rows.source, frames)
    layout.write(Clip(frames[1:2], 10), tmp_path / "one.png")
    assert np.array_equal(read_image(tmp_path / "one.png"), frames[1])
    for name, words in (("a.png", "3 frames"), ("a.avi", "no ending"), ("clip", "not an empty folder")):
        with pytest.raises(UsageError, match=words):
            layout.write(Clip(frames, 10), tmp_path / name)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip", "one.png"]


@pytest.mark.parametrize("sampler", ["full", "uniform", "nint"])
@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "a"])
def test_file_to_fit_to_file(sampler, name, tmp_path):
    if name == "a.mp4":
        pytest.importorskip("av", reason="PyAV is the extra 'video'")
    frames = bouncing_blobs(6, 16)
    VideoSignal(frames, fps=12.5).layout.write(Clip(frames, 12.5), tmp_path / name)
    nint.fit(tmp_path / name, field="siren:size=1x8", sampler=sampler, budget=5, out=tmp_path / "run")
    fit = nint.Fit.load(tmp_path / "run" / "model.safetensors")
    ending = tmp_path / name.replace("a", "b")
    fit.write(ending)
    again = load_video(ending)
    assert again.layout.grid == (6, 16, 16) and again.layout.fps == pytest.approx(fit.layout.fps)
    fit.write(tmp_path / "one.png", frame=0.2)
    assert read_image(tmp_path / "one.png").shape == (16, 16, 3)


def test_sample():
    signal = open_signal("sample:bouncing")
    assert signal.layout.describe() == "64x64 RGB video, 24 frames at 12 a second" and signal.name == "sample:bouncing"
    frames = signal._rows.source.astype(int)
    assert (np.abs(np.diff(frames, axis=0)).max(axis=(1, 2, 3)) > 50).all() and frames.max() > 200  # something moves in every frame
    part = open_signal("sample:bouncing", max_side=16, start=0.5, duration=1.0)
    assert part.layout.grid == (12, 16, 16)
    with pytest.raises(UsageError, match="it lasts 2 s"):
        open_signal("sample:bouncing", start=5.0)


@pytest.mark.parametrize(
    "frames", [np.zeros((3, 4)), noise(2, 3, 4, 2), noise(2, 3, 4).astype(np.uint16), np.zeros((2, 3, 4, 3), np.uint8), noise(0, 3, 4)]
)
def test_arrays_that_are_no_video(frames):
    with pytest.raises(UsageError, match=r"a video is uint8|same value everywhere|is empty"):
        VideoSignal(frames)


@pytest.mark.parametrize("change", [{"fps": 0}, {"fps": "x"}, {"grid": [3, 4]}, {"channels": 2}, {"dtype": "<u2"}, {"high": 254}])
def test_damaged_headers(change):
    header = {"kind": "video", "grid": [2, 3, 4], "channels": 3, "dtype": "|u1", "low": 0, "high": 255, "fps": 25.0}
    assert layout_from_json(header) == VideoLayout((2, 3, 4), 3, "|u1", 0, 255, 25.0)
    with pytest.raises(UsageError, match=r"^video layout: "):
        layout_from_json(header | change)


def test_av_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"pip install 'nint\[video\]'"):
        load_video(tmp_path / "a.mp4")


def test_frames_beyond_the_limit(tmp_path):
    write_gif(Clip(noise(4, 20, 20), 10), tmp_path / "a.gif")
    assert open_signal(tmp_path / "a.gif", max_points=1600).layout.grid == (4, 20, 20)
    with pytest.raises(UsageError, match="more than 1,599 pixels in its frames; read a part of it"):
        open_signal(tmp_path / "a.gif", max_points=1599)


def test_a_real_video():
    pytest.importorskip("av", reason="PyAV is the extra 'video'")
    path = DATA / "bikes.mp4"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    signal = load_video(path, max_side=64, start=1.0, duration=0.4)
    assert signal.layout.grid == (10, 27, 64) and signal.layout.fps == 25
    fit = nint.fit(signal, field="siren:size=2x16", sampler="nint", budget=5, lr=1e-3)
    assert fit.decode(frame=0.21).frames.shape == (1, 27, 64, 3)


@pytest.mark.parametrize("fps", [25.0, 50.0, 100.0])
def test_a_model_is_measured_at_the_times_of_an_input_of_another_pace(fps):
    def clip(pace):
        seconds = np.arange(round(2 * pace)) / pace
        levels = 127 + 90 * np.sin(2 * np.pi * 1.3 * seconds)
        return VideoSignal(np.broadcast_to(np.rint(levels)[:, None, None, None], (len(seconds), 4, 5, 1)).astype(np.uint8), fps=pace)

    layout = clip(25.0).layout

    class OfTime(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, coords):
            seconds = (coords[:, :1].double() + 1) / 2 * (layout.grid[0] - 1) / layout.fps
            return ((127 + 90 * torch.sin(2 * torch.pi * 1.3 * seconds)) / 255).float() + 0 * self.unused

    assert Fit(OfTime(), None, layout).evaluate(clip(fps))["psnr"] > 40


def test_a_still_that_is_too_long_for_a_gif_is_one_sentence(tmp_path):
    frames = np.zeros((800, 8, 8, 1), np.uint8)
    with pytest.raises(UsageError, match=r"A GIF cannot hold a picture that stays the same for more than 655.35 s"):
        write_gif(Clip(frames, 1.0), tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


def test_transparency_of_a_vp9_video_is_said_to_be_left_out(tmp_path):
    av = pytest.importorskip("av", reason="videos need PyAV, from the extra nint[video]")
    try:
        with av.open(str(tmp_path / "a.webm"), "w") as container:
            stream = container.add_stream("libvpx-vp9", rate=5)
            stream.width, stream.height, stream.pix_fmt = 16, 16, "yuva420p"
            stream.metadata["alpha_mode"] = "1"
            for level in (20, 128, 240):
                frame = av.VideoFrame.from_ndarray(np.full((16, 16, 4), level, np.uint8), format="rgba")
                container.mux(stream.encode(frame.reformat(format="yuva420p")))
            container.mux(stream.encode())
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"no encoder for VP9 with alpha here: {error}")
    assert "Transparency is left out." in " ".join(load_video(tmp_path / "a.webm").report())


def test_a_folder_of_pipes_is_refused(tmp_path):
    for name in ("1.png", "2.png"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match="named pipe"):
        detect_kind(tmp_path)
