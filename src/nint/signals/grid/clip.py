"""Frames of a video: a finished clip, and frames that are being collected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.settings import whole
from nint.signals.limits import MAX_POINTS
from nint.signals.pixels import downsample

FRAME_PIXELS = 2**26
"""Most pixels of a frame; 8192x8192, beyond what video is made in."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames at a steady rate.

    Attributes:
        frames: `[t, h, w, c]` uint8; c is 1 (grey) or 3 (RGB).
        fps: Frames a second.
        notes: What a person should know of how it was read.
        pixel_aspect: Width of a pixel over its height, as a fraction.
    """

    frames: np.ndarray
    fps: float
    notes: tuple[str, ...] = ()
    pixel_aspect: tuple[int, int] = (1, 1)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.frames, dtype=dtype) if copy else np.asarray(self.frames, dtype=dtype)


class Frames:
    """Collects frames and refuses what is not a video of one size, or is too long.

    Args:
        path: Named in messages.
        max_side: Longest side in pixels, or None.
        max_points: Most pixels of all frames together; `MAX_POINTS` where None.
    """

    def __init__(self, path: Path, max_side: int | None, max_points: int | None = None) -> None:
        self._path, self._max_side = path, max_side
        self._limit = MAX_POINTS if max_points is None else whole(max_points, "max_points")
        self._frames: list[np.ndarray] = []
        self._size: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, pixels: np.ndarray, label: str = "") -> None:
        """Takes one frame.

        Args:
            pixels: `[h, w]` or `[h, w, c]` uint8.
            label: What the message about it calls it; its number where empty.

        Raises:
            UsageError: for a frame of another size than the first one, and beyond the limit.
        """
        pixels = pixels[..., None] if pixels.ndim == 2 else pixels
        if self._size and pixels.shape != self._size:
            what = f"from {_size(self._size)} to {_size(pixels.shape)} at {label or f'frame {len(self)}'}"
            raise UsageError(f"'{self._path}' changes its frame size {what}; all frames of a video must be alike.")
        self._size = pixels.shape
        if self._max_side is not None:
            pixels = downsample(pixels, self._max_side)
            pixels = pixels[..., None] if pixels.ndim == 2 else pixels  # OpenCV drops a single channel
        self._frames.append(np.ascontiguousarray(pixels))
        self.check_count(len(self))

    def check_count(self, count: int) -> None:
        """Refuses a number of frames of the size of those that are here.

        Raises:
            UsageError: where they have more pixels than the limit.
        """
        points = count * self._frames[0].shape[0] * self._frames[0].shape[1] if self._frames else 0
        if points > self._limit:
            least = f"'{self._path}' has more than {self._limit:,} pixels in its frames"
            raise UsageError(f"{least}; read a part of it with --duration, or smaller with --max-side (--max-points raises the limit).")

    def stacked(self, part: bool = False) -> np.ndarray:
        """All frames, `[t, h, w, c]`.

        Args:
            part: Whether a stretch of time was asked for, for the message.

        Raises:
            UsageError: where there are none.
        """
        if not self._frames:
            raise UsageError(f"'{self._path}' has no frames{' in this stretch of time' if part else ''}.")
        return np.stack(self._frames)


def check_frame(path: Path, width: int, height: int) -> None:
    """Refuses a file by the size of a frame in its header, before any is unpacked.

    Raises:
        UsageError: names the size and the limit.
    """
    if width * height > FRAME_PIXELS:
        raise UsageError(f"'{path}' claims frames of {width}x{height} pixels, more than the limit of {FRAME_PIXELS:,} a frame.")


def _size(shape: Iterable[int]) -> str:
    height, width, channels = shape
    return f"{width}x{height}{'' if channels == 3 else ' grey'}"
