"""Video: frames on a regular grid, coordinates (t, y, x) in [-1, 1], values in [0, 1]."""

from __future__ import annotations

import math
from pathlib import Path
from typing import ClassVar

import numpy as np

from nint.errors import UsageError
from nint.files import check_regular
from nint.settings import whole
from nint.signals.base import MEASURE_UP_TO
from nint.signals.grid.animation import ENDINGS, read_animation
from nint.signals.grid.grid_layout import GridLayout
from nint.signals.grid.gridded import GridSignal
from nint.signals.grid.video_files import image_files, read_folder, read_video
from nint.signals.grid.video_layout import CHANNELS, VideoLayout, above_zero
from nint.signals.masks import unmasked
from nint.signals.pixels import downsample

_SSIM_SIDE = 7


class VideoSignal(GridSignal):
    """One video to fit.

    Args:
        frames: `[t, h, w]` or `[t, h, w, c]` uint8 with 1 (grey) or 3 (RGB) channels.
        fps: Frames a second.
        name: Where it came from.
        notes: Sentences for the report.
        pixel_aspect: Width of a pixel over its height, as a fraction.

    Raises:
        UsageError: for another shape or type, a single pixel, or one colour everywhere.
    """

    metrics: ClassVar[tuple[str, ...]] = ("psnr", "ssim")
    layout_class: ClassVar[type[GridLayout]] = VideoLayout
    layout: VideoLayout

    def __init__(
        self,
        frames: np.ndarray,
        *,
        fps: float = 25.0,
        name: str = "array",
        notes: tuple[str, ...] = (),
        pixel_aspect: tuple[int, int] = (1, 1),
    ) -> None:
        frames = np.asanyarray(unmasked(frames, name))
        frames = frames[..., None] if frames.ndim == 3 else frames
        if frames.ndim != 4 or frames.shape[3] not in CHANNELS or frames.dtype != np.uint8:
            raise UsageError(f"'{name}' is {frames.dtype} of shape {frames.shape}; a video is uint8 [t, h, w] or [t, h, w, 3].")
        super().__init__(frames, 3, name, value_range=(0, 255), fps=above_zero(fps, "fps"), pixel_aspect=pixel_aspect)
        self._notes = notes

    def remarks(self) -> tuple[str, ...]:
        """What was left out or assumed on reading."""
        wide, high = self.layout.pixel_aspect
        shape = () if (wide, high) == (1, 1) else (f"Its pixels are {wide}:{high}, not square; MP4 keeps that, GIF and PNG do not.",)
        return (*self._notes, *shape, *super().remarks())

    def fingerprint(self) -> str:
        """Hash of the frames, and the frame rate."""
        return f"{super().fingerprint()}@{self.layout.fps:g}"

    def _has_structure(self) -> bool:
        return self._is_whole() and min(self.layout.grid[1:]) >= _SSIM_SIDE and len(self.values) <= MEASURE_UP_TO

    def _structure(self, prediction: np.ndarray, target: np.ndarray) -> dict[str, float]:
        """SSIM (7x7 uniform window) of each frame, averaged."""
        from nint.metrics.image import ssim

        return {"ssim": float(np.mean([ssim(*pair) for pair in zip(prediction, target, strict=True)]))}


def load_video(
    path: str | Path,
    *,
    max_side: int | None = None,
    start: float | None = None,
    duration: float | None = None,
    max_points: int | None = None,
) -> VideoSignal:
    """Loads a video: MP4 (PyAV), GIF, animated WebP or PNG, or a folder of images of one size, sorted naturally. Sound is left out.

    Args:
        path: The file or folder.
        max_side: Longest side in pixels; larger frames are averaged down to it, their aspect kept.
        start: Seconds to leave out at the start.
        duration: Seconds to read; to the end where None.
        max_points: Most pixels of all frames together.

    Raises:
        UsageError: for a file that cannot be read, frames that change size, or a stretch without frames.
    """
    path = Path(path)
    begin, end = _stretch(start, duration)
    if max_side is not None:
        whole(max_side, "max_side")
    reader = read_folder if path.is_dir() else read_animation if path.suffix.lower() in ENDINGS else read_video
    clip = reader(path, max_side, begin, end, max_points)
    return VideoSignal(clip.frames, fps=clip.fps, name=path.name, notes=clip.notes, pixel_aspect=clip.pixel_aspect)


def is_image_folder(path: Path) -> bool:
    """Whether a folder holds at least two images, the first two of equal size; only their headers are read.

    Raises:
        UsageError: where one of these is a pipe or device.
    """
    if not path.is_dir():
        return False

    from PIL import Image

    files = image_files(path)[:2]
    for file in files:
        check_regular(file)
    try:
        sizes = []
        for file in files:
            with Image.open(file) as image:
                sizes.append(image.size)
    except Exception:  # a damaged image, or one that only others can read: the reader says what is wrong with it
        return len(files) == 2
    return len(sizes) == 2 and sizes[0] == sizes[1]


def bouncing(*, max_side: int | None = None, start: float | None = None, duration: float | None = None) -> VideoSignal:
    """Three blobs that bounce off the frame, 24 frames of 64x64 at 12 a second, made by code; options as in `load_video`.

    Raises:
        UsageError: for a stretch of time without frames.
    """
    from nint.signals.grid.phantom import bouncing_blobs

    fps, frames = 12.0, bouncing_blobs(24, 64)
    begin, end = _stretch(start, duration)
    times = np.arange(len(frames)) / fps
    frames = frames[(times >= begin - 0.5 / fps) & (times < end - 0.5 / fps)]
    if not len(frames):
        raise UsageError(f"sample:bouncing has no frames in this stretch of time; it lasts {times[-1] + 1 / fps:g} s.")
    if max_side is not None:
        frames = np.stack([downsample(frame, max_side) for frame in frames])
    return VideoSignal(frames, fps=fps, name="sample:bouncing")


def _stretch(start: float | None, duration: float | None) -> tuple[float, float]:
    begin = 0.0 if start is None else float(start)
    if not (math.isfinite(begin) and begin >= 0):
        raise UsageError(f"start={start} is out of range; it must be a number of seconds of at least 0.")
    return begin, math.inf if duration is None else begin + above_zero(duration, "duration")


SAMPLES = {"bouncing": ("64x64 RGB video, 24 frames at 12 a second, bouncing blobs (synthetic)", bouncing)}
