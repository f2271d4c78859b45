"""Reading and writing video: MP4 through PyAV, GIF through Pillow, folders of images."""

from __future__ import annotations

import itertools
import math
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, quiet_stderr, reason_of, write_atomically
from nint.signals.grid.clip import Clip, Frames
from nint.signals.grid.gridded import need

FOLDER_FPS = 25.0
"""Frames a second of a folder of images, which says nothing about time."""

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")

_GIF_DEFAULT_S = 0.1
_GIF_TICK_S = 0.01
_MOST_REPEATS = 10


def read_video(path: Path, max_side: int | None, start: float, stop: float) -> Clip:
    """Frames of an MP4 (or another container that FFmpeg reads) from `start` to before `stop`, in seconds.

    Raises:
        UsageError: for a file without video, one that is damaged or cut short, and where PyAV is not installed.
    """
    av = need("av", "Reading video", "video")
    frames, times, notes = Frames(path, max_side), [], []
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UsageError(f"'{path}' has no video in it.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = stream.average_rate or stream.guessed_rate or stream.base_rate
            fps = float(rate) if rate else FOLDER_FPS
            if container.streams.audio:
                notes.append("The sound is left out.")
            first = float((stream.start_time or 0) * (stream.time_base or 0))
            if start > 1:
                container.seek(int((start + first) * av.time_base), backward=True)
            for number, frame in enumerate(container.decode(stream)):
                time = float(frame.time) - first if frame.time is not None else number / fps
                if time >= stop - 0.5 / fps:
                    break
                if time < start - 0.5 / fps:
                    continue
                frames.add(_turned(frame))
                times.append(time)
            else:
                _check_end(path, times, stream, fps)
    except UsageError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UsageError(f"'{path}' is damaged, cut short or no video: {reason_of(error)}.") from error
    steady = np.arange(len(times)) / fps
    if times and np.abs(np.array(times) - times[0] - steady).max() > 1 / fps:
        notes.append(f"Its frames come at an uneven pace; they are taken as even, at {fps:g} a second.")
    return Clip(frames.stacked(), fps, tuple(notes))


def read_gif(path: Path, max_side: int | None, start: float, stop: float) -> Clip:
    """Frames of a GIF (or another animation that Pillow reads).

    A frame that stays for several times the shortest one is repeated, so that time runs evenly.

    Raises:
        UsageError: for a file that is damaged or no animation, and a stretch of time without frames.
    """
    from PIL import Image

    pictures, lengths = Frames(path, max_side), []
    try:
        with Image.open(path) as image:
            for number in range(getattr(image, "n_frames", 1)):
                image.seek(number)
                pictures.add(np.asarray(image.convert("RGB")))
                lengths.append((image.info.get("duration") or 0) / 1000 or _GIF_DEFAULT_S)
    except UsageError:
        raise
    except Exception as error:  # Pillow fails in any way on damaged files
        raise UsageError(f"'{path}' is damaged, cut short or no animation: {reason_of(error)}.") from error
    repeats, notes = _repeats(lengths)
    fps = sum(repeats) / sum(lengths)
    frames = np.repeat(pictures.stacked(), repeats, axis=0)
    first, last = (min(math.ceil(time * fps - 0.5), len(frames)) for time in (start, min(stop, 2 * len(frames) / fps)))
    if first >= last:
        raise UsageError(f"'{path}' has no frames in this stretch of time; it lasts {len(frames) / fps:g} s.")
    return Clip(frames[first:last], fps, notes)


def read_folder(path: Path, max_side: int | None, start: float, stop: float) -> Clip:
    """The images of a folder in the natural order of their names, at 25 frames a second.

    Raises:
        UsageError: for an image that cannot be read, or is not grey or RGB of 8 bits.
    """
    from nint.signals.image.files import read_image

    files = image_files(path)
    frames = Frames(path, max_side)
    for number, file in enumerate(files):
        if start - 0.5 / FOLDER_FPS <= number / FOLDER_FPS < stop - 0.5 / FOLDER_FPS:
            pixels = read_image(file)
            channels = 1 if pixels.ndim == 2 else pixels.shape[2]
            if pixels.dtype != np.uint8 or channels not in (1, 3):
                raise UsageError(f"'{file}' is no frame of a video: frames are grey or RGB, of 8 bits and without transparency.")
            frames.add(pixels, file.name)
    return Clip(frames.stacked(), FOLDER_FPS, (f"A folder of images has no frame rate; {FOLDER_FPS:g} frames a second are assumed.",))


def image_files(folder: Path) -> list[Path]:
    """Images of a folder in natural order: frame2 before frame10."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_ENDINGS and not file.name.startswith(".")]
    return sorted(found, key=lambda file: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", file.name.lower())])


def write_mp4(clip: Clip, path: Path) -> None:
    """Writes H.264 (MPEG-4 Part 2 where PyAV has no libx264), lossy.

    Even sizes are stored as yuv420p, which everything plays; odd ones as yuv444p, which needs a recent player.

    Raises:
        UsageError: for a size or a pace that cannot be written, and where PyAV is not installed.
    """
    av = need("av", "Writing video", "video")
    height, width, channels = clip.frames.shape[1:]
    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    rate = Fraction(clip.fps).limit_denominator(65535)

    def write(target: Path) -> None:
        with av.open(str(target), "w", format="mp4") as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height = width, height
            stream.pix_fmt = "yuv444p" if codec == "libx264" and (width % 2 or height % 2) else "yuv420p"
            stream.options = {"crf": "12"} if codec == "libx264" else {"qscale": "2"}
            for pixels in clip.frames:
                rgb = np.ascontiguousarray(np.broadcast_to(pixels, (height, width, 3)) if channels == 1 else pixels)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode(None))

    try:
        write_atomically(path, write)
    except (av.FFmpegError, ValueError) as error:
        raise UsageError(f"A video of {width}x{height} at {clip.fps:g} frames a second cannot be written: {reason_of(error)}.") from error


def write_gif(clip: Clip, path: Path) -> None:
    """Writes a GIF that repeats for ever: 256 colours a frame, times in hundredths of a second that add up."""
    from PIL import Image

    pictures = [Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels) for pixels in clip.frames]
    edges = [round(number / clip.fps / _GIF_TICK_S) for number in range(len(pictures) + 1)]
    lengths = [max(10 * (after - before), 10) for before, after in itertools.pairwise(edges)]
    write_atomically(
        path,
        lambda target: pictures[0].save(target, "GIF", save_all=True, append_images=pictures[1:], duration=lengths, loop=0),
    )


def write_frames(clip: Clip, path: Path) -> None:
    """Writes a folder of PNG files, frame-0000.png and on."""
    from nint.signals.grid.files import write_folder
    from nint.signals.image.write import write_image

    digits = max(4, len(str(len(clip.frames) - 1)))

    def write(folder: Path) -> None:
        for number, pixels in enumerate(clip.frames):
            write_image(pixels, folder / f"frame-{number:0{digits}d}.png")

    write_folder(path, write)


def _turned(frame: Any) -> np.ndarray:
    grey = frame.format.name.startswith("gray")
    pixels = frame.to_ndarray(format="gray" if grey else "rgb24")
    return np.rot90(pixels, round(getattr(frame, "rotation", 0) / 90))  # as phones note it


def _check_end(path: Path, times: list[float], stream: Any, fps: float) -> None:
    """A file cut short ends without an error; its header still tells how long it was.

    Raises:
        UsageError: where the frames end before that.
    """
    if not stream.duration or not times:
        return
    promised, seen = float(stream.duration * stream.time_base), times[-1] + 1 / fps
    if seen < promised - max(2 / fps, 0.05 * promised):
        raise UsageError(f"'{path}' is cut short: it has frames up to {seen:.2f} s of {promised:.2f} s.")


def _repeats(lengths: list[float]) -> tuple[list[int], tuple[str, ...]]:
    shortest = min(lengths)
    repeats = [max(1, round(length / shortest)) for length in lengths]
    even = all(abs(length - count * shortest) <= count * _GIF_TICK_S + 1e-9 for length, count in zip(lengths, repeats, strict=True))
    if even and sum(repeats) <= _MOST_REPEATS * len(repeats):
        return repeats, ()
    note = f"Its frames stay from {shortest:g} to {max(lengths):g} s; they are taken as even."
    return [1] * len(lengths), (note,)
