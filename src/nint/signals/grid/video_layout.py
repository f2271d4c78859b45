"""The layout of a video: decoded at any pace and size, written as MP4, GIF or PNG files."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from nint.errors import UsageError
from nint.settings import whole
from nint.signals.base import GridCoords, Layout, Predict, RescaledRows
from nint.signals.grid.animation import GIF_FPS
from nint.signals.grid.clip import Clip
from nint.signals.grid.grid_layout import GridLayout
from nint.signals.limits import check_decoded

CHANNELS = {1: "grey", 3: "RGB"}
"""Channels of a video -> what they are called."""

_LEAST_FPS, _MOST_FPS = 1e-4, 1e4
_MANY_FRAMES = 500
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
        if len(self.grid) != 3 or self.channels not in CHANNELS or self.dtype != "|u1" or (self.low, self.high) != (0, 255):
            raise UsageError("video layout: a video has three axes, 1 or 3 channels, and values of 8 bits from 0 to 255.")
        if not 1 / _BEYOND_FPS <= above_zero(self.fps, "video layout: fps") <= _BEYOND_FPS:
            raise UsageError(f"video layout: fps={self.fps:g} is out of range.")
        aspect = self.pixel_aspect
        if not isinstance(aspect, (list, tuple)) or len(aspect) != 2:
            raise UsageError(f"video layout: pixel_aspect={aspect} must be two whole numbers.")
        object.__setattr__(self, "pixel_aspect", tuple(whole(number, "video layout: pixel_aspect") for number in aspect))

    @property
    def steps(self) -> tuple[float, ...]:
        """A frame, a row and a column; a column is as wide as its pixels."""
        return (1.0, 1.0, self.pixel_aspect[0] / self.pixel_aspect[1])

    @property
    def unlike(self) -> tuple[int, ...]:
        """Time."""
        return (0,)

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

    def placed(self, other: Layout, coords: Any) -> Any:
        """As in `Layout.placed`: at another pace the last frame lies at another time; frames after the model's last show that."""
        if not isinstance(other, VideoLayout) or (other.grid[0], other.fps) == (self.grid[0], self.fps):
            return coords
        last, own = (other.grid[0] - 1) / other.fps, (self.grid[0] - 1) / self.fps
        return RescaledRows(coords, 0, -1.0, last / own, 1.0) if own > 0 and other.grid[0] > 1 else coords

    def describe(self) -> str:
        """One line: "320x240 RGB video, 50 frames at 25 a second"."""
        frames, height, width = self.grid
        return f"{width}x{height} {CHANNELS[self.out_features]} video, {frames} frames at {self.fps:.4g} a second"

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

    def check_output(self, ending: str, options: Mapping[str, Any]) -> str:
        """Refuses several frames for a .png before they are predicted, and tells how many frames there will be where they are many.

        Also that a GIF holds no more than 100 a second.

        Raises:
            UsageError: for several frames where only one can be kept.
        """
        fps = options.get("fps")
        count = 1 if options.get("frame") is not None else self._pace(fps)[0]
        if ending == ".png" and count > 1:
            raise UsageError(f"{count} frames cannot be written as .png; give the time of one, or use .mp4 or .gif.")
        pace, said = self.fps if fps is None else fps, []
        if count > _MANY_FRAMES:
            said.append(f"{count:,} frames are decoded, at {pace:g} a second.")
        if ending == ".gif" and count > 1 and pace > GIF_FPS:
            said.append(f"A GIF shows at most {GIF_FPS} frames a second, so of {pace:g} a second the others are left out.")
        return " ".join(said)

    def losses(self, ending: str) -> tuple[str, ...]:
        """The shape of pixels, which GIF and PNG have no place for."""
        if self.pixel_aspect == (1, 1) or ending == ".mp4":
            return ()
        width, height = self.pixel_aspect
        return (f"That pixels are {width}:{height} wide is not kept; only .mp4 keeps it.",)

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
        if fps is not None and not (_LEAST_FPS <= above_zero(fps, "fps") <= _MOST_FPS):
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


def above_zero(value: Any, label: str) -> float:
    """A finite number above 0.

    Raises:
        UsageError: names the label and the value.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (math.isfinite(value) and value > 0):
        raise UsageError(f"{label}={value} is out of range; it must be a finite number above 0.")
    return float(value)
