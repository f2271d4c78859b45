"""Video: frames on a regular grid, coordinates (t, y, x) in [-1, 1], values in [0, 1]."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nint.errors import UsageError
from nint.settings import whole
from nint.signals.base import MEASURE_UP_TO, GridCoords, Layout, Predict, check_decoded
from nint.signals.grid.animation import ENDINGS, read_animation
from nint.signals.grid.clip import Clip
from nint.signals.grid.gridded import GridLayout, GridSignal
from nint.signals.grid.video_files import image_files, read_folder, read_video
from nint.signals.pixels import downsample

_CHANNELS = {1: "grey", 3: "RGB"}
_SSIM_SIDE = 7
_LEAST_FPS, _MOST_FPS = 1e-4, 1e4
_BEYOND_FPS = 1e9
_FINEST_ASPECT = 4096


@dataclass(frozen=True)
class VideoLayout(GridLayout):
    """Size and pace of a video. Further attributes as in `GridLayout`: the grid is (frames, height, width), values are uint8.

    Attributes:
        fps: Frames a second.
        pixel_aspect: Width of a pixel over its height, as a fraction; kept in MP4.
    """

    fps: float = 25.0
    pixel_aspect: tuple[int, int] = (1, 1)

    kind: ClassVar[str] = "video"
    suffixes: ClassVar[tuple[str, ...]] = (".mp4", ".gif", ".png", "")

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.grid) != 3 or self.channels not in _CHANNELS or self.dtype != "|u1" or (self.low, self.high) != (0, 255):
            raise UsageError("video layout: a video has three axes, 1 or 3 channels, and values of 8 bits from 0 to 255.")
        if not 1 / _BEYOND_FPS <= _above_zero(self.fps, "video layout: fps") <= _BEYOND_FPS:
            raise UsageError(f"video layout: fps={self.fps:g} is out of range.")
        aspect = self.pixel_aspect
        if not isinstance(aspect, (list, tuple)) or len(aspect) != 2:
            raise UsageError(f"video layout: pixel_aspect={aspect} must be two whole numbers.")
        object.__setattr__(self, "pixel_aspect", tuple(whole(number, "video layout: pixel_aspect") for number in aspect))

    @property
    def duration_s(self) -> float:
        """From the start of the first frame to the end of the last."""
        return self.grid[0] / self.fps

    def check_comparable(self, other: Layout) -> None:
        """As in `GridLayout.check_comparable`; both must also last equally long, to a frame.

        Raises:
            UsageError: where they do not.
        """
        super().check_comparable(other)
        if isinstance(other, VideoLayout) and abs(self.duration_s - other.duration_s) > 1 / min(self.fps, other.fps) + 1e-6:
            raise UsageError(
                f"The model stores {self.duration_s:.6g} s of video, but the input lasts {other.duration_s:.6g} s, so their times differ; "
                "measure it against the same stretch (start and duration choose one)."
            )

    def describe(self) -> str:
        """One line: "320x240 RGB video, 50 frames at 25 a second"."""
        frames, height, width = self.grid
        return f"{width}x{height} {_CHANNELS[self.out_features]} video, {frames} frames at {self.fps:.4g} a second"

    def decode(
        self,
        predict: Predict,
        *,
        fps: float | None = None,
        scale: float | None = None,
        height: int | None = None,
        width: int | None = None,
        frame: float | None = None,
    ) -> Clip:
        """Predicts the video at any pace and size.

        Args:
            predict: Rows of coordinates -> values in [0, 1].
            fps: Frames a second, from 0.0001 to 10,000; the video's own where None. The first frame stays the first, and none lies
                behind the last.
            scale: Height and width relative to the fitted ones; 1 where nothing else is asked.
            height: Rows of a frame; alone it keeps the aspect.
            width: Columns of a frame; alone it keeps the aspect.
            frame: Only the picture at this time, in seconds from the first frame; it may lie between two frames.

        Returns:
            Frames `[t, h, w, c]` uint8, and their pace.

        Raises:
            UsageError: for a size, pace or time that cannot be, or a prediction of NaN.
        """
        rows, columns = self._frame_size(scale, height, width)
        if frame is None:
            count, last, pace = self._pace(fps)
        elif fps is not None:
            raise UsageError("Give either a pace (fps) or the time of one frame, not both.")
        else:
            count, last, pace = 1, self._moment(frame), self.fps
        first = -1.0 if count > 1 else last
        check_decoded((count, rows, columns))
        coords = GridCoords((count, rows, columns), (first, -1.0, -1.0), (last, 1.0, 1.0))
        return Clip(self.decode_grid(predict, coords), pace, pixel_aspect=self._aspect(rows, columns))

    def write(self, decoded: Clip, path: Path) -> None:
        """Writes .mp4, .gif, a folder of PNG files (a name without an ending), or a single frame as .png.

        Raises:
            UsageError: where the ending is unknown or cannot hold this.
        """
        from nint.signals.grid.animation import write_gif
        from nint.signals.grid.video_write import write_frames, write_mp4
        from nint.signals.image.write import write_image

        ending = path.suffix.lower()
        if ending not in self.suffixes:
            raise UsageError(f"'{path}' has no ending that a video can be written with; use .mp4, .gif, .png or a folder.")
        if ending == ".png":
            if len(decoded.frames) > 1:
                raise UsageError(f"{len(decoded.frames)} frames cannot be written as .png; give the time of one, or use .mp4 or .gif.")
            write_image(decoded.frames[0], path)
        else:
            {".mp4": write_mp4, ".gif": write_gif, "": write_frames}[ending](decoded, path)

    def _pace(self, fps: float | None) -> tuple[int, float, float]:
        """Number of frames, time coordinate of the last one, frames a second.

        Raises:
            UsageError: for a pace out of range.
        """
        frames = self.grid[0]
        if fps is not None and not (_LEAST_FPS <= _above_zero(fps, "fps") <= _MOST_FPS):
            raise UsageError(f"fps={fps:g} is out of range; it must be from {_LEAST_FPS:g} to {_MOST_FPS:,.0f}.")
        if fps is None or frames == 1:
            return frames, 1.0 if frames > 1 else 0.0, self.fps if fps is None else float(fps)
        steps = (frames - 1) * float(fps) / self.fps
        count = math.floor(steps + 1e-6) + 1
        return count, 2 * (count - 1) / steps - 1 if count > 1 else -1.0, float(fps)

    def _aspect(self, rows: int, columns: int) -> tuple[int, int]:
        """Shape of a pixel of frames of another size: square pixels stay square, others so that the picture keeps its shape."""
        if self.pixel_aspect == (1, 1):
            return (1, 1)
        _, height, width = self.grid
        aspect = (Fraction(*self.pixel_aspect) * width * rows / (height * columns)).limit_denominator(_FINEST_ASPECT)
        return (max(1, aspect.numerator), aspect.denominator)

    def _moment(self, seconds: float) -> float:
        frames = self.grid[0]
        if not 0 <= seconds <= frames / self.fps:
            raise UsageError(f"frame={seconds:g} is out of range; the video lasts from 0 to {frames / self.fps:g} s.")
        return min(2 * seconds * self.fps / (frames - 1) - 1, 1.0) if frames > 1 else 0.0  # the last frame stays until the end

    def _frame_size(self, scale: float | None, height: int | None, width: int | None) -> tuple[int, int]:
        _, rows, columns = self.grid
        if height is None and width is None:
            _, rows, columns = self.resized(scale, None)
            return rows, columns
        if scale is not None:
            raise UsageError("Give either a scale or a height and width, not both.")
        if height is None:
            width = whole(width, "width")
            return max(1, round(Fraction(width * rows, columns))), width
        height = whole(height, "height")
        return height, max(1, round(Fraction(height * columns, rows))) if width is None else whole(width, "width")


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
        frames = np.asanyarray(frames)
        frames = frames[..., None] if frames.ndim == 3 else frames
        if frames.ndim != 4 or frames.shape[3] not in _CHANNELS or frames.dtype != np.uint8:
            raise UsageError(f"'{name}' is {frames.dtype} of shape {frames.shape}; a video is uint8 [t, h, w] or [t, h, w, 3].")
        super().__init__(frames, 3, name, value_range=(0, 255), fps=_above_zero(fps, "fps"), pixel_aspect=pixel_aspect)
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
    """Whether a folder holds at least two images, the first two of equal size; only their headers are read."""
    if not path.is_dir():
        return False

    from PIL import Image

    files = image_files(path)[:2]
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
    return begin, math.inf if duration is None else begin + _above_zero(duration, "duration")


def _above_zero(value: Any, label: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise UsageError(f"{label}={value} is out of range; it must be a finite number above 0.")
    return float(value)


SAMPLES = {"bouncing": ("64x64 RGB video, 24 frames at 12 a second, bouncing blobs (synthetic)", bouncing)}
