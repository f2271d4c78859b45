"""What a video file carries beside its numbers: colour matrix and tags, turning and mirroring, the shape of pixels, transparency."""

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nint.errors import UsageError
from nint.signals.grid.animation import write_gif
from nint.signals.grid.clip import Clip
from nint.signals.grid.orientation import turn_of_matrix
from nint.signals.grid.video import VideoSignal, load_video
from nint.signals.grid.video_layout import VideoLayout
from nint.signals.grid.video_write import write_mp4
from nint.signals.kinds import detect_kind

CASES = Path(__file__).resolve().parents[4] / "shared" / "cases"
GREEN = (30, 200, 30)
KR_KB = {"BT.709": (0.2126, 0.0722), "BT.601": (0.299, 0.114)}


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="PyAV is the extra 'video'")


def case(name):
    path = CASES / name
    if not path.exists():
        pytest.skip(f"{path} is not on this machine")
    return path


def patches(frames, height, width, side=16):
    """Smooth enough to survive compression: coloured squares."""
    small = np.random.default_rng(0).integers(40, 216, (frames, -(-height // side), -(-width // side), 3))
    return small.repeat(side, axis=1).repeat(side, axis=2)[:, :height, :width].astype(np.uint8)


def rgb_of(planes, matrix):
    """Limited-range Y, Cb, Cr -> RGB by the definition of the matrix."""
    kr, kb = KR_KB[matrix]
    y, cb, cr = (planes[0] - 16) / 219, (planes[1] - 128) / 224, (planes[2] - 128) / 224
    r, b = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    return np.array([r, (y - kr * r - kb * b) / (1 - kr - kb), b]) * 255


@pytest.mark.parametrize(("height", "width", "matrix", "code"), [(720, 1280, "BT.709", 1), (48, 64, "BT.601", 6), (51, 65, "BT.601", 6)])
def test_written_colours_are_those_of_their_tag(av, height, width, matrix, code, tmp_path):
    write_mp4(Clip(np.full((3, height, width, 3), GREEN, np.uint8), 10.0), tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as file:
        frame = next(file.decode(video=0))
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (code, code, code, 1)
        planes = [np.frombuffer(plane, np.uint8)[0].astype(float) for plane in frame.planes]
        assert np.abs(rgb_of(planes, matrix) - GREEN).max() <= 2
        assert np.abs(frame.to_ndarray(format="rgb24")[5, 5].astype(int) - GREEN).max() <= 2


@pytest.mark.parametrize(("height", "width"), [(720, 1280), (48, 64)])
def test_colours_come_back(av, height, width, tmp_path):
    write_mp4(Clip(np.stack([np.full((height, width, 3), GREEN, np.uint8), patches(1, height, width)[0]]), 10.0), tmp_path / "a.mp4")
    signal = load_video(tmp_path / "a.mp4")
    assert np.abs(signal._rows.source[0, 5, 5].astype(int) - GREEN).max() <= 2
    assert not any("colours" in note for note in signal.report())


def test_untagged_hd_is_taken_for_709_and_said(av, tmp_path):
    """The planes are made here from the definition of BT.709."""
    kr, kb = KR_KB["BT.709"]
    r, g, b = (value / 255 for value in GREEN)
    y = kr * r + (1 - kr - kb) * g + kb * b
    levels = [16 + 219 * y, 128 + 224 * (b - y) / (2 * (1 - kb)), 128 + 224 * (r - y) / (2 * (1 - kr))]
    with av.open(str(tmp_path / "a.mp4"), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 720, 1280, "yuv420p"
        stream.options = {"qscale": "2"}
        planes = np.concatenate([np.full(n, round(level)) for n, level in zip((720 * 1280, 360 * 640, 360 * 640), levels, strict=True)])
        for number in range(3):
            picture = planes.astype(np.uint8).reshape(1080, 1280).copy()
            picture[:40, : 100 * number] += 1
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        file.mux(stream.encode(None))
    signal = load_video(tmp_path / "a.mp4")
    assert np.abs(signal._rows.source[0, 600, 600].astype(int) - GREEN).max() <= 2
    assert "Its colours carry no tag; they are taken for BT.709, as players do at this size." in signal.report()


def shown(matrix, pixels):
    """Every stored pixel put where the matrix sends it: the definition, without slices."""
    a, b, c, d = (round(matrix[index] / 2**16) for index in (0, 1, 3, 4))
    height, width = pixels.shape
    places = {(a * x + c * y, b * x + d * y): pixels[y, x] for y, x in itertools.product(range(height), range(width))}
    left, top = (min(place[axis] for place in places) for axis in (0, 1))
    result = np.empty((width, height) if b else (height, width), pixels.dtype)
    for (x, y), value in places.items():
        result[y - top, x - left] = value
    return result


@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=2)))
@pytest.mark.parametrize("transposed", [False, True])
def test_every_display_matrix_of_right_angles(signs, transposed):
    one, two = (sign << 16 if sign > 0 else -(1 << 16) for sign in signs)
    matrix = (0, one, 0, two, 0, 0, 0, 0, 1 << 30) if transposed else (one, 0, 0, 0, two, 0, 0, 0, 1 << 30)
    pixels, turn = np.arange(12).reshape(3, 4), turn_of_matrix(matrix)
    assert np.array_equal(turn(pixels), shown(matrix, pixels)) and not turn.notes
    assert turn.aspect(Fraction(2)) == (Fraction(1, 2) if transposed else 2)


def test_other_matrices_are_said():
    assert turn_of_matrix((0,) * 9).notes == ("Its display matrix is damaged, so frames are taken as they are stored.",)
    tilted = turn_of_matrix((60000, 26000, 0, -26000, 60000, 0, 0, 0, 1 << 30))
    assert "no right angle" in tilted.notes[0] and np.array_equal(tilted(np.eye(2)), np.eye(2))


def test_a_mirrored_file(av, tmp_path):
    pixels = patches(3, 32, 48)
    write_mp4(Clip(pixels, 10.0), tmp_path / "a.mp4")
    data = bytearray((tmp_path / "a.mp4").read_bytes())
    plain, mirror = (
        b"".join((number % 2**32).to_bytes(4, "big") for number in (a << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)) for a in (1, -1)
    )
    at = data.index(plain, data.index(b"tkhd"))
    data[at : at + 36] = mirror
    (tmp_path / "a.mp4").write_bytes(data)
    assert np.abs(load_video(tmp_path / "a.mp4")._rows.source[0].astype(int) - pixels[0][:, ::-1]).mean() < 6


@pytest.mark.parametrize(
    ("asked", "size", "aspect"),
    [({}, (48, 64), (2, 1)), ({"scale": 0.5}, (24, 32), (2, 1)), ({"width": 128, "height": 48}, (48, 128), (1, 1))],
)
def test_the_shape_of_pixels_is_kept(av, asked, size, aspect, tmp_path):
    write_mp4(Clip(patches(3, 48, 64), 10.0, pixel_aspect=(2, 1)), tmp_path / "a.mp4")
    signal = load_video(tmp_path / "a.mp4")
    assert signal.layout.pixel_aspect == (2, 1)
    assert "Its pixels are 2:1, not square; MP4 keeps that, GIF and PNG do not." in signal.report()
    clip = signal.layout.decode(lambda coords: coords[:, :1].expand(-1, 3) / 2 + 0.5, **asked)
    signal.layout.write(clip, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.height, stream.width) == size and Fraction(stream.sample_aspect_ratio or 1) == Fraction(*aspect)


def animated(path, **options):
    """Two frames of 300 ms and 600 ms, a patch of them transparent."""
    frames = []
    for level in (80, 200):
        pixels = np.full((20, 24, 4), level, np.uint8)
        pixels[..., 3] = 255
        pixels[5:15, :12] = 0
        frames.append(Image.fromarray(pixels))
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[300, 600], **options)


@pytest.mark.parametrize(("name", "options"), [("a.webp", {"lossless": True}), ("a.png", {}), ("a.gif", {"disposal": 2})])
def test_animations_with_transparency(name, options, tmp_path):
    animated(tmp_path / name, **options)
    signal = load_video(tmp_path / name)
    frames = signal._rows.source
    assert signal.layout.grid == (3, 20, 24) and signal.layout.fps == pytest.approx(1 / 0.3)
    assert (frames[:, 5:15, :12] == 0).all() and np.array_equal(frames[:, 0, 20, 0], [80, 200, 200])
    assert "Transparency is left out: what is transparent becomes black." in signal.report()


@pytest.mark.parametrize("apart", [True, False])
def test_a_picture_that_stands_in_for_an_animation_is_no_frame(apart, tmp_path):
    """Pillow writes it, by APNG's rule: a default image without a fcTL chunk before it is not part of the animation."""
    still, *shown = (Image.fromarray(np.full((20, 24, 3), level, np.uint8)) for level in (10, 80, 140, 200))
    still.save(tmp_path / "a.png", save_all=True, append_images=shown, duration=100, default_image=apart)
    data = (tmp_path / "a.png").read_bytes()
    assert (data.index(b"IDAT") < data.index(b"fcTL")) == apart
    signal = load_video(tmp_path / "a.png")
    assert signal._rows.source[:, 0, 0, 0].tolist() == ([80, 140, 200] if apart else [10, 80, 140, 200])
    assert signal.layout.fps == pytest.approx(10)
    assert any("stands in for the animation" in note for note in signal.report()) == apart


def test_an_opaque_animation_says_nothing(tmp_path):
    write_gif(Clip(patches(3, 32, 32), 10.0), tmp_path / "a.gif")
    assert not any("Transparency" in note for note in load_video(tmp_path / "a.gif").report())


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        (Clip(np.zeros((2, 2, 70_000, 3), np.uint8), 10.0), "a side has at most 65,535 pixels"),
        (Clip(np.zeros((2, 2, 2, 3), np.uint8), 1e-3), "a frame stays for at most 655.35 s"),
    ],
)
def test_what_gif_cannot_hold(clip, said, tmp_path):
    with pytest.raises(UsageError, match=said):
        write_gif(clip, tmp_path / "a.gif")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("fps", [7.5, 30.0, 60.0, 100.0, 120.0, 200.0, 1000.0, 1e4])
def test_a_gif_lasts_as_long_as_the_video(fps, tmp_path):
    levels = np.random.default_rng(0).permutation(241)[:50].astype(np.uint8)
    write_gif(Clip(np.broadcast_to(levels[:, None, None, None], (50, 8, 9, 1)).copy(), fps), tmp_path / "a.gif")
    starts, seen, now = [], [], 0
    with Image.open(tmp_path / "a.gif") as image:
        for number in range(image.n_frames):
            image.seek(number)
            starts.append(now)
            seen.append(int(np.asarray(image.convert("L"))[0, 0]))
            now += image.info["duration"]
    length = 50 / fps * 1000  # ms; a GIF tells times in steps of 10 ms
    assert abs(now - max(length, 10)) <= 5 and len(seen) == (50 if fps <= 100 else max(1, round(length / 10)))
    for start, level in zip(starts, seen, strict=True):  # each picture is there when its time has come
        assert abs(start - levels.tolist().index(level) / fps * 1000) <= (5.001 if length > 10 else 10)


def test_that_a_gif_leaves_frames_out_is_said():
    layout = VideoLayout((24, 10, 12), 3, "|u1", 0, 255, 60.0)
    said = "A GIF shows at most 100 frames a second, so of 120 a second the others are left out."
    assert layout.check_output(".gif", {"fps": 120.0}) == said and layout.check_output(".gif", {"fps": 100.0}) == ""
    assert layout.check_output(".mp4", {"fps": 120.0}) == layout.check_output(".gif", {"frame": 0.1, "fps": 120.0}) == ""
    fast = VideoLayout((24, 10, 12), 3, "|u1", 0, 255, 240.0)
    assert "of 240 a second" in fast.check_output(".gif", {}) and fast.check_output(".gif", {"fps": 50.0}) == ""


@pytest.mark.parametrize("fps", [1e30, 1e-320, 9e-5, 10_001.0, 200_000, 1_000_000])
def test_a_pace_that_no_video_has(fps):
    with pytest.raises(UsageError, match=r"fps=.* is out of range; it must be from 0.0001 to 10,000"):
        VideoLayout((5, 4, 4), 3, "|u1", 0, 255).decode(lambda coords: coords, fps=fps)


@pytest.mark.parametrize("options", [{"scale": 1e30}, {"height": 2**63 - 1}, {"width": 10**400}, {"height": 70_000, "width": 70_000}])
def test_sizes_that_no_one_can_wait_for(options):
    with pytest.raises(UsageError, match="ask for a smaller"):
        VideoLayout((5, 4, 4), 3, "|u1", 0, 255).decode(lambda coords: coords, **options)


@pytest.mark.parametrize("fps", [1e-4, 1e-3, 12.5, 29.97, 9_999.0])
def test_odd_paces_are_written_and_read(av, fps, tmp_path):
    write_mp4(Clip(patches(5, 32, 32), fps), tmp_path / "a.mp4")
    signal = load_video(tmp_path / "a.mp4")
    assert signal.layout.grid[0] == 5 and signal.layout.fps == pytest.approx(fps, rel=1e-4)


def test_damaged_pixel_aspect():
    with pytest.raises(UsageError, match="pixel_aspect"):
        VideoLayout((5, 4, 4), 3, "|u1", 0, 255, 10.0, (0, 1))


def test_pixel_aspect_of_arrays():
    assert VideoSignal(patches(2, 8, 8, 4), pixel_aspect=(4, 3)).layout.pixel_aspect == (4, 3)


def test_the_case_files(av):
    with av.open(str(case("video/vflip.mp4"))) as file:
        stored = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    frames = load_video(case("video/vflip.mp4"))._rows.source
    assert np.abs(frames[0] - stored[:, ::-1]).max() <= 2 and np.abs(frames[0] - stored[::-1, ::-1]).max() > 50
    assert load_video(case("video/vsar.mp4")).layout.pixel_aspect == (2, 1)
    with Image.open(case("image/anim.webp")) as image:
        count = image.n_frames
    signal = load_video(case("image/anim.webp"))
    assert signal.layout.grid[0] >= count > 1
    assert detect_kind(case("image/alpha.gif")) == "video"
    assert any("Transparency" in note for note in load_video(case("image/alpha.gif")).report())


def test_what_a_format_cannot_hold_is_refused_or_said_before_anything_is_predicted():
    layout = VideoLayout((24, 10, 12), 3, "|u1", 0, 255, 12.0, (2, 1))
    with pytest.raises(UsageError, match=r"24 frames cannot be written as .png; give the time of one"):
        layout.check_output(".png", {})
    assert layout.check_output(".png", {"frame": 0.5}) == layout.check_output(".mp4", {}) == ""
    assert layout.check_output("", {"fps": 1000.0}) == "1,917 frames are decoded, at 1000 a second."
    assert layout.losses(".mp4") == () and "2:1" in layout.losses(".gif")[0]
