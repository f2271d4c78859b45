"""Frames of a video: a finished clip, and frames that are being collected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.signals.pixels import downsample

_LONGEST_BYTES = 2**31


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames at a steady rate.

    Attributes:
        frames: `[t, h, w, c]` uint8; c is 1 (grey) or 3 (RGB).
        fps: Frames a second.
        notes: What a person should know of how it was read.
    """

    frames: np.ndarray
    fps: float
    notes: tuple[str, ...] = ()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.frames, dtype=dtype) if copy else np.asarray(self.frames, dtype=dtype)


class Frames:
    """Collects frames and refuses what is not a video of one size, or is too long.

    Args:
        path: Named in messages.
        max_side: Longest side in pixels, or None.
    """

    def __init__(self, path: Path, max_side: int | None) -> None:
        self._path, self._max_side = path, max_side
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
            UsageError: for a frame of another size than the first one, and beyond 2 GiB.
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
        if len(self) * pixels.nbytes > _LONGEST_BYTES:
            raise UsageError(f"'{self._path}' has more than 2 GiB of frames; read a part of it with duration, or smaller with max_side.")

    def stacked(self) -> np.ndarray:
        """All frames, `[t, h, w, c]`.

        Raises:
            UsageError: where there are none.
        """
        if not self._frames:
            raise UsageError(f"'{self._path}' has no frames in this stretch of time.")
        return np.stack(self._frames)


def _size(shape: Iterable[int]) -> str:
    height, width, channels = shape
    return f"{width}x{height}{'' if channels == 3 else ' grey'}"
