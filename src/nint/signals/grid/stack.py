"""TIFF stacks: pages of equal size and a grey type, read and written as a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nint.errors import UsageError
from nint.files import write_atomically
from nint.signals.grid.gridded import reason_of
from nint.signals.image.tiff import quiet

_ENDINGS = (".tif", ".tiff")


def is_stack(path: Path) -> bool:
    """Whether a file is a TIFF of at least two equal grey pages; only its directories are read."""
    if path.suffix.lower() not in _ENDINGS or not path.is_file():
        return False
    try:
        with quiet("tifffile"), _open(path) as file:
            return _problem(file) is None
    except Exception:  # a damaged file is no stack; the reader of images says what is wrong
        return False


def read_stack(path: Path) -> np.ndarray:
    """The pages of a TIFF, `[z, y, x]`.

    Raises:
        UsageError: for pages of different sizes or of colours, a single page, or a file that is damaged.
    """
    try:
        with quiet("tifffile"), _open(path) as file:
            problem = _problem(file)
            if problem:
                raise UsageError(f"'{path}' {problem}; a volume is a TIFF of at least two equal grey pages.")
            return _pages(path, file.series[0])
    except UsageError:
        raise
    except Exception as error:  # tifffile fails in any way on damaged files
        raise UsageError(f"'{path}' is damaged or cut short: {reason_of(error)}.") from error


def write_stack(volume: np.ndarray, path: Path) -> None:
    """Writes `[z, y, x]` as pages; bool becomes 0 and 255."""
    import tifffile

    if volume.dtype.kind == "b":
        volume = volume.astype(np.uint8) * np.uint8(255)

    def write(target: Path) -> None:
        tifffile.imwrite(target, volume, photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})

    write_atomically(path, write)


def _open(path: Path) -> Any:
    import tifffile

    return tifffile.TiffFile(path)


def _problem(file: Any) -> str | None:
    first, *others = file.series
    if others:
        return f"holds pages of different sizes or types ({'x'.join(map(str, first.shape))} and {'x'.join(map(str, others[0].shape))})"
    if "S" in first.axes or file.pages[0].samplesperpixel > 1:
        return "holds pages of colours"
    if len(first.shape) != 3 or first.dtype.kind not in "uif":
        return f"holds an array of shape {'x'.join(map(str, first.shape))} and type {first.dtype}"
    return None


def _pages(path: Path, series: Any) -> np.ndarray:
    pages: np.ndarray
    try:
        pages = series.asarray()
    except (KeyError, ValueError) as error:
        if "imagecodecs" in str(error):
            return _by_opencv(path, series)
        raise
    return pages


def _by_opencv(path: Path, series: Any) -> np.ndarray:
    """Pages whose compression (LZW) tifffile cannot undo on its own.

    Raises:
        ValueError: where OpenCV cannot do so either.
    """
    import cv2

    found, pages = cv2.imdecodemulti(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    stack = np.stack(pages) if found else np.empty(0)
    if stack.shape != series.shape or stack.dtype != series.dtype:
        raise ValueError("its compression cannot be undone")
    return stack
