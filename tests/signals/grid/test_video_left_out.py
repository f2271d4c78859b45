"""What is left out of a video's file is said: further streams, tags, and what pictures carry that are its frames."""

import numpy as np
import pytest
from PIL import Image, ImageCms

from nint.errors import UsageError
from nint.signals.grid.video import load_video

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def av():
    return pytest.importorskip("av", reason="PyAV is the extra 'video'")


def frames(count=4):
    return np.random.default_rng(0).integers(0, 256, (count, 32, 48, 3)).astype(np.uint8)


def save(av, path, streams, metadata=()):
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata.update(dict(metadata))
        opened = [container.add_stream("mpeg4", rate=25) for _ in range(streams)]
        for stream in opened:
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number, stream in enumerate(opened):
            for pixels in frames():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels if number == 0 else 255 - pixels, format="rgb24")))
            container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("streams", "said"), [(1, ""), (2, "1 further stream of video, which is"), (3, "2 further streams of video, which are")]
)
def test_further_streams(av, streams, said, tmp_path):
    save(av, tmp_path / "a.mp4", streams)
    held = [line for line in load_video(tmp_path / "a.mp4").report() if "further" in line]
    assert held == ([f"'a.mp4' also holds {said} left out; the first one is fitted."] if said else [])


def test_tags(av, tmp_path):
    save(av, tmp_path / "a.mp4", 1, {"title": "Holiday", "location": "+48.1000+011.5000/", "artist": "Ada"})
    assert "The model does not keep the title, artist and location of 'a.mp4'." in load_video(tmp_path / "a.mp4").report()
    save(av, tmp_path / "b.mp4", 1)
    assert not any("not keep" in line for line in load_video(tmp_path / "b.mp4").report())


@pytest.mark.parametrize(("name", "options"), [("a.webp", {"lossless": True}), ("a.png", {}), ("a.gif", {})])
def test_what_an_animation_carries(name, options, tmp_path):
    first, *others = map(Image.fromarray, frames())
    first.save(tmp_path / name, save_all=True, append_images=others, duration=40, **options)
    assert not any("not keep" in line for line in load_video(tmp_path / name).report())
    carried = {"comment": b"hello"} if name == "a.gif" else {"icc_profile": SRGB}
    first.save(tmp_path / name, save_all=True, append_images=others, duration=40, **options, **carried)
    what = "text" if name == "a.gif" else "colour profile"
    assert f"The model does not keep the {what} of '{name}'." in load_video(tmp_path / name).report()


def test_what_the_pictures_of_a_folder_carry(tmp_path):
    for number, pixels in enumerate(frames(3)):
        carried = {"icc_profile": SRGB} if number else {}
        Image.fromarray(pixels).save(tmp_path / f"frame{number}.png", **carried)
    said = "The colour profile of 'frame1.png' is not kept. So it is with 1 more of its images."
    assert said in load_video(tmp_path).report()
    for number, pixels in enumerate(frames(3)):
        Image.fromarray(pixels).save(tmp_path / f"frame{number}.png")
    assert len([line for line in load_video(tmp_path).report() if "frame" in line]) == 1  # on their pace


def with_cover(av, path, covers_alone=False):
    """A file with a cover picture as a stream of video."""
    import io

    with io.BytesIO() as jpeg, av.open(str(path), "w", format="mp4") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 48, 32, "yuvj420p", av.stream.Disposition.attached_pic
        moving = None
        if not covers_alone:
            moving = container.add_stream("mpeg4", rate=25)
            moving.width, moving.height, moving.pix_fmt = 48, 32, "yuv420p"
        Image.fromarray(frames(1)[0]).save(jpeg, "jpeg")
        packet = av.Packet(jpeg.getvalue())
        packet.stream, packet.pts, packet.dts, packet.is_keyframe = cover, 0, 0, True
        container.mux(packet)
        if moving is not None:
            for pixels in frames():
                container.mux(moving.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(moving.encode(None))


def test_a_cover_picture_is_no_video(av, tmp_path):
    with_cover(av, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [int(stream.disposition) for stream in container.streams.video] != [0, 0]
    clip = load_video(tmp_path / "a.mp4")
    assert clip.layout.grid[0] == 4
    assert "The model does not keep the cover picture of 'a.mp4'." in clip.report()
    assert not any("further stream" in line for line in clip.report())
    with_cover(av, tmp_path / "b.mp4", covers_alone=True)
    with pytest.raises(UsageError, match=r"'.*b.mp4' has no video in it, only a cover picture\."):
        load_video(tmp_path / "b.mp4")
