"""Writing video: MP4 through PyAV, folders of PNG files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import quiet_stderr, reason_of, write_atomically
from nint.signals.grid.clip import Clip
from nint.signals.grid.packages import need
from nint.signals.grid.video_files import HD_LINES

_FINEST = 65535
_LIMITED_RANGE = 1
_BT709 = {"color_primaries": 1, "color_trc": 1, "colorspace": 1}
_BT601 = {"color_primaries": 6, "color_trc": 6, "colorspace": 6}
_MATRIX_OF_709, _MATRIX_OF_601 = 1, 5  # in the words of swscale, which has one number for both kinds of BT.601


def write_mp4(clip: Clip, path: Path) -> None:
    """Writes H.264 (MPEG-4 Part 2 where PyAV has no libx264), lossy.

    Colours are converted by the matrix of BT.709 from 720 rows on, of BT.601 below, and tagged so; the shape of pixels is kept. Even sizes
    are stored as yuv420p, which everything plays; odd ones as yuv444p, which needs a recent player.

    Raises:
        UsageError: for a size or a pace that cannot be written, and where PyAV is not installed.
    """
    av = need("av", "Writing video", "video")
    height, width, channels = clip.frames.shape[1:]
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = Fraction(clip.fps).limit_denominator(_FINEST)
    if not 0 < rate < 2**31:
        raise UsageError(f"An MP4 cannot hold {clip.fps:g} frames a second.")

    def write(target: Path) -> None:
        with quiet_stderr(), av.open(str(target), "w", format="mp4") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv444p" if codec == "libx264" and (width % 2 or height % 2) else "yuv420p"
            stream.options = {"crf": "12"} if codec == "libx264" else {"qscale": "2"}
            _tag(stream.codec_context, height, clip.pixel_aspect)
            for pixels in clip.frames:
                rgb = np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3)) if channels == 1 else pixels)
                frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
                matrix = _MATRIX_OF_709 if height >= HD_LINES else _MATRIX_OF_601
                frame = frame.reformat(format=stream.pix_fmt, dst_colorspace=matrix, dst_color_range=_LIMITED_RANGE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))

    try:
        write_atomically(path, write)
    except UsageError:
        raise
    except (av.FFmpegError, ValueError, OverflowError, MemoryError) as error:
        raise UsageError(f"A video of {width}x{height} at {clip.fps:g} frames a second cannot be written: {reason_of(error)}.") from error


def write_frames(clip: Clip, path: Path) -> None:
    """Writes a folder of PNG files, frame-0000.png and on."""
    from nint.signals.grid.files import write_folder
    from nint.signals.image.write import write_image

    digits = max(4, len(str(len(clip.frames) - 1)))

    def write(folder: Path) -> None:
        for number, pixels in enumerate(clip.frames):
            write_image(pixels, folder / f"frame-{number:0{digits}d}.png")

    write_folder(path, write)


def _tag(context: Any, height: int, pixel_aspect: tuple[int, int]) -> None:
    """Says in the stream how its colours and pixels are meant."""
    for name, value in (_BT709 if height >= HD_LINES else _BT601).items():
        setattr(context, name, value)
    context.color_range = _LIMITED_RANGE
    if pixel_aspect != (1, 1):
        context.sample_aspect_ratio = Fraction(*pixel_aspect)
