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
    except Exception:  # a damaged file is nobody's stack; who reads it as an image says what is wrong
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
            try:
                return file.series[0].asarray()
            except (KeyError, ValueError) as error:
                if "imagecodecs" not in str(error):
                    raise
                return _by_opencv(path, file.series[0])
    except UsageError:
        raise
    except Exception as error:  # tifffile fails in any way on damaged files
        raise UsageError(f"'{path}' is damaged or cut short: {reason_of(error)}.") from error


def write_stack(volume: np.ndarray, path: Path) -> None:
    """Writes `[z, y, x]` as pages; bool becomes 0 and 255."""
    import tifffile

    if volume.dtype.kind == "b":
        volume = volume.astype(np.uint8) * np.uint8(255)
    write_atomically(
        path, lambda target: tifffile.imwrite(target, volume, photometric="minisblack", compression="zlib", metadata={"axes": "ZYX"})
    )


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


def _by_opencv(path: Path, series: Any) -> np.ndarray:
    """Pages whose compression (LZW) tifffile cannot undo on its own."""
    import cv2

    found, pages = cv2.imdecodemulti(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    stack = np.stack(pages) if found else np.empty(0)
    if stack.shape != series.shape or stack.dtype != series.dtype:
        raise ValueError("its compression cannot be undone")
    return stack
