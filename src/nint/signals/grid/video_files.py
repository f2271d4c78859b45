"""Reading video: MP4 and whatever else FFmpeg reads, through PyAV; folders of images."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, quiet_stderr, reason_of
from nint.signals.grid.clip import FRAME_PIXELS, Clip, Frames, check_frame
from nint.signals.grid.orientation import transform_of
from nint.signals.grid.packages import need
from nint.signals.image.picture import not_kept

FOLDER_FPS = 25.0
"""Frames a second of a folder of images, which says nothing about time."""

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")

HD_LINES = 720
"""From so many rows on, video without a tag is taken for BT.709, as players do, and is written in it; below for BT.601."""

_TAGS = {
    "title": "title",
    "artist": "artist",
    "author": "artist",
    "copyright": "copyright",
    "description": "description",
    "comment": "comment",
    "location": "location",
    "creation_time": "date",
    "date": "date",
}
"""Part of a tag's name -> what to call it."""

_COVER = 0x0400
"""FFmpeg's AV_DISPOSITION_ATTACHED_PIC."""

_UNTAGGED = 2
_BT709, _BT601 = 1, 5
_MATRICES = {1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020", 10: "BT.2020"}
_HDR = {16: "PQ", 18: "HLG"}
_LEAST_ASPECT, _MOST_ASPECT = Fraction(1, 100), Fraction(100)


def read_video(path: Path, max_side: int | None, start: float, stop: float, max_points: int | None = None) -> Clip:
    """Frames of an MP4 (or another container that FFmpeg reads) from `start` to before `stop`, in seconds.

    Frames come as a player shows them: turned and mirrored as the file says, its colours converted from the matrix that it names.

    Raises:
        UsageError: for a file without video, one that is damaged, cut short or too large, and where PyAV is not installed.
    """
    av = need("av", "Reading video", "video")
    check_file(path, "a video file")
    frames, times, notes = Frames(path, max_side, max_points), [], []
    try:
        with quiet_stderr(), av.open(str(path), metadata_errors="replace") as container:
            moving = _moving(container)
            if not moving:
                raise UsageError(f"'{path}' has no video in it{', only a cover picture' if container.streams.video else ''}.")
            stream = moving[0]
            if stream.codec_context is None:
                raise UsageError(f"'{path}' is of a codec that is not known, or damaged.")
            check_frame(path, stream.width, stream.height)
            stream.codec_context.options = {"max_pixels": str(FRAME_PIXELS)}
            stream.thread_type = "AUTO"
            rate = stream.average_rate or stream.guessed_rate or stream.base_rate
            fps = float(rate) if rate else FOLDER_FPS
            notes += _left_out(container, path.name)
            first = float((stream.start_time or 0) * (stream.time_base or 0))
            if start > 1:
                container.seek(int((start + first) * av.time_base), backward=True)
            turn, aspect, stay = None, Fraction(1), 0.0
            for number, frame in enumerate(container.decode(stream)):
                time = float(frame.time) - first if frame.time is not None else number / fps
                if time >= stop - 0.5 / fps:
                    break
                if time < start - 0.5 / fps:
                    continue
                if turn is None:
                    turn = transform_of(frame)
                    aspect = turn.aspect(_pixel_aspect(stream))
                    notes += [*turn.notes, *_colour_notes(frame, stream)]
                frames.add(turn(_pixels(frame)))
                times.append(time)
                stay = float((getattr(frame, "duration", 0) or 0) * (frame.time_base or 0))  # older PyAV does not tell
            else:
                _check_end(path, times, max(1 / fps, stay), stream, fps)
    except UsageError:
        raise
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except (av.FFmpegError, OSError, ValueError, OverflowError) as error:
        raise UsageError(f"'{path}' is damaged, cut short or no video: {reason_of(error)}.") from error
    steady = np.arange(len(times)) / fps
    if times and np.abs(np.array(times) - times[0] - steady).max() > 1 / fps:
        notes.append(f"Its frames come at an uneven pace; they are taken as even, at {fps:g} a second.")
    return Clip(frames.stacked(start > 0 or math.isfinite(stop)), fps, tuple(notes), (aspect.numerator, aspect.denominator))


def read_folder(path: Path, max_side: int | None, start: float, stop: float, max_points: int | None = None) -> Clip:
    """The images of a folder in the natural order of their names, at 25 frames a second.

    Raises:
        UsageError: for an image that cannot be read, or is not grey or RGB of 8 bits.
    """
    from nint.signals.image.files import read_picture

    files = image_files(path)
    if not files:
        raise UsageError(f"'{path}' has no images in it; the frames of a video are images, in the order of their names.")
    frames, said = Frames(path, max_side, max_points), list[str]()
    for number, file in enumerate(files):
        if start - 0.5 / FOLDER_FPS <= number / FOLDER_FPS < stop - 0.5 / FOLDER_FPS:
            picture = read_picture(file)
            pixels = picture.pixels
            sentences = [*([f"The colour profile of '{file.name}' is not kept."] if picture.profile else []), *picture.notes]
            said += [" ".join(sentences)] if sentences else []
            channels = 1 if pixels.ndim == 2 else pixels.shape[2]
            if pixels.dtype != np.uint8 or channels not in (1, 3):
                raise UsageError(f"'{file}' is no frame of a video: frames are grey or RGB, of 8 bits and without transparency.")
            frames.add(pixels, file.name)
    assumed = f"A folder of images has no frame rate; {FOLDER_FPS:g} frames a second are assumed."
    likewise = f" So it is with {len(said) - 1:,} more of its images." if len(said) > 1 else ""
    return Clip(frames.stacked(part=True), FOLDER_FPS, (assumed, *([said[0] + likewise] if said else [])))


def image_files(folder: Path) -> list[Path]:
    """Images of a folder in natural order: frame2 before frame10."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_ENDINGS and not file.name.startswith(".")]
    return sorted(found, key=lambda file: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", file.name.lower())])


def _moving(container: Any) -> list[Any]:
    """The streams of video of a file; a cover picture, which comes as one of a single frame, is none."""
    return [stream for stream in container.streams.video if not int(getattr(stream, "disposition", 0)) & _COVER]


def _left_out(container: Any, name: str) -> list[str]:
    """What a file holds besides its first stream of video."""
    streams, notes = container.streams, []
    others = len(_moving(container)) - 1
    if others > 0:
        held = f"{others} further stream{'s' * (others > 1)} of video"
        notes.append(f"'{name}' also holds {held}, which {'are' if others > 1 else 'is'} left out; the first one is fitted.")
    if streams.audio:
        notes.append("The sound is left out.")
    if streams.subtitles:
        notes.append("The subtitles are left out.")
    tags = [key.lower() for key, value in container.metadata.items() if value]
    said = [what for part, what in _TAGS.items() if any(part in key for key in tags)]
    said += ["cover picture"] if len(_moving(container)) < len(streams.video) else []
    return [*notes, *filter(None, [not_kept(said, name)])]


def _pixels(frame: Any) -> np.ndarray:
    """A decoded frame as grey or RGB of 8 bits."""
    if frame.format.name.startswith("gray"):
        return np.asarray(frame.to_ndarray(format="gray"))
    matrix = int(frame.colorspace)
    if matrix == _UNTAGGED:
        matrix = _BT709 if frame.height >= HD_LINES else _BT601
    known = {"src_colorspace": _BT601 if matrix == 6 else 9 if matrix == 10 else matrix} if matrix in _MATRICES else {}
    if frame.color_range:
        known["src_color_range"] = int(frame.color_range)
    return np.asarray(frame.reformat(format="rgb24", **known).to_ndarray())


def _colour_notes(frame: Any, stream: Any) -> list[str]:
    """What of the colours a frame of 8-bit RGB without tags cannot keep."""
    notes = []
    components = frame.format.components
    bits = max((component.bits for component in components), default=8)
    if bits > 8:
        notes.append(f"The video has {bits} bits a channel, of which 8 are kept.")
    said = {name.lower(): value for name, value in getattr(stream, "metadata", {}).items()}
    in_its_own_stream = said.get("alpha_mode", "0") != "0"  # of VP8 and VP9, whose frames come without it
    if in_its_own_stream or any(component.is_alpha for component in components):
        notes.append("Transparency is left out.")
    if int(getattr(frame, "color_trc", 0)) in _HDR:
        notes.append(
            f"Its brightness is that of HDR ({_HDR[int(frame.color_trc)]}), which is not kept: what is written is taken for standard."
        )
    if int(frame.colorspace) == _UNTAGGED and frame.height >= HD_LINES and not frame.format.is_rgb and len(components) > 1:
        notes.append("Its colours carry no tag; they are taken for BT.709, as players do at this size.")
    return notes


def _pixel_aspect(stream: Any) -> Fraction:
    """Width of a pixel over its height; 1 where the file does not tell, or tells nonsense."""
    told = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    return Fraction(told) if told and _LEAST_ASPECT <= told <= _MOST_ASPECT else Fraction(1)


def _check_end(path: Path, times: list[float], stay: float, stream: Any, fps: float) -> None:
    """A file cut short ends without an error; its header still tells how long it was.

    Args:
        path: Named in the message.
        times: Of the frames, in seconds.
        stay: Seconds for which the last frame is shown.
        stream: Of PyAV.
        fps: Frames a second.

    Raises:
        UsageError: where the frames end before that.
    """
    if not stream.duration or not times:
        return
    promised, seen = float(stream.duration * stream.time_base), times[-1] + stay
    if seen < promised - max(2 / fps, 0.05 * promised):
        raise UsageError(f"'{path}' is cut short: it has frames up to {seen:.2f} s of {promised:.2f} s.")
