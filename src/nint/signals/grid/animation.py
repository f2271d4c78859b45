"""Animated pictures: GIF, WebP and APNG through Pillow, times in hundredths or thousandths of a second."""

from __future__ import annotations

import itertools
import math
import struct
import warnings
from pathlib import Path

import numpy as np

from nint.errors import UsageError
from nint.files import check_file, reason_of, write_atomically
from nint.signals.grid.clip import Clip, Frames, check_frame
from nint.signals.image.picture import left_out, not_kept
from nint.signals.pixels import check_packing

ENDINGS = (".gif", ".webp", ".png", ".apng")
"""Files that are read here; others are left to FFmpeg."""

GIF_FPS = 100
"""Most frames a second of a GIF."""

_DEFAULT_S = 0.1
_TICK_S = 1 / GIF_FPS
_MOST_REPEATS = 10
_LONGEST_TICKS = 2**16 - 1
_LONGEST_SIDE = 2**16 - 1


def read_animation(path: Path, max_side: int | None, start: float, stop: float, max_points: int | None = None) -> Clip:
    """Frames of an animated picture, from `start` to before `stop`, in seconds.

    A frame that stays for several times the shortest one is repeated, so that time runs evenly. Transparent pixels become black.

    Raises:
        UsageError: for a file that is damaged, too large or no animation, and a stretch of time without frames.
    """
    from PIL import Image

    check_file(path, "an animated picture")
    pictures, lengths, transparent = Frames(path, max_side, max_points), [], False
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=("GIF", "WEBP", "PNG")) as image:
            check_frame(path, *image.size)
            check_packing(path, 3 * image.width * image.height, path.stat().st_size)
            count = getattr(image, "n_frames", 1)
            carried = [*(["colour profile"] if image.info.get("icc_profile") else []), *left_out(image)]
            apart = count > 1 and bool(getattr(image, "default_image", False))  # of an APNG: a still for who cannot play it
            for number in range(int(apart), count):
                image.seek(number)
                pixels = np.asarray(image.convert("RGBA"))
                hidden = pixels[..., 3] < 255
                transparent = transparent or bool(hidden.any())
                shown = pixels[..., :3] if not hidden.any() else (pixels[..., :3] * (pixels[..., 3:] / 255) + 0.5).astype(np.uint8)
                pictures.add(shown)
                lengths.append((image.info.get("duration") or 0) / 1000 or _DEFAULT_S)
    except UsageError:
        raise
    except MemoryError as error:
        raise UsageError(f"'{path}' is too large for the memory of this machine.") from error
    except Exception as error:  # Pillow fails in any way on damaged files
        raise UsageError(f"'{path}' is damaged, cut short or no animation: {reason_of(error)}.") from error
    repeats, notes = _repeats(lengths)
    fps = sum(repeats) / sum(lengths)
    pictures.check_count(sum(repeats))
    frames = np.repeat(pictures.stacked(), repeats, axis=0)
    first, last = (min(math.ceil(time * fps - 0.5), len(frames)) for time in (start, min(stop, 2 * len(frames) / fps)))
    if first >= last:
        raise UsageError(f"'{path}' has no frames in this stretch of time; it lasts {len(frames) / fps:g} s.")
    if apart:
        notes = (*notes, "The picture that stands in for the animation is not part of it, and is left out.")
    if carried:
        notes = (*notes, not_kept(carried, path.name))
    if transparent:
        notes = (*notes, "Transparency is left out: what is transparent becomes black.")
    return Clip(frames[first:last], fps, notes)


def write_gif(clip: Clip, path: Path) -> None:
    """Writes a GIF that repeats for ever: 256 colours a frame, times in hundredths of a second that add up.

    Of more than 100 frames a second those are left out whose time is rounded to none.

    Raises:
        UsageError: for a size or a pace that GIF cannot hold.
    """
    from PIL import Image

    count, height, width = clip.frames.shape[:3]
    if max(height, width) > _LONGEST_SIDE:
        raise UsageError(f"A GIF cannot hold frames of {width}x{height}: a side has at most {_LONGEST_SIDE:,} pixels; use .mp4 or .png.")
    if 1 / clip.fps > _LONGEST_TICKS * _TICK_S:
        raise UsageError(f"A GIF cannot hold {clip.fps:g} frames a second: a frame stays for at most {_LONGEST_TICKS * _TICK_S:g} s.")
    edges = [math.floor(number / clip.fps / _TICK_S + 0.5) for number in range(count + 1)]
    edges[-1] = max(edges[-1], 1)
    stays = [10 * (after - before) for before, after in itertools.pairwise(edges)]
    shown = [pixels[..., 0] if pixels.shape[2] == 1 else pixels for pixels, stay in zip(clip.frames, stays, strict=True) if stay]
    first, *others = map(Image.fromarray, shown)
    lengths = [stay for stay in stays if stay]
    try:
        write_atomically(
            path,
            lambda target: first.save(target, "GIF", save_all=True, append_images=others, duration=lengths, loop=0),
        )
    except (OverflowError, struct.error) as error:  # Pillow joins frames that are alike, and so their times
        still = _LONGEST_TICKS * _TICK_S
        raise UsageError(
            f"A GIF cannot hold a picture that stays the same for more than {still:g} s, as one does here; use .mp4."
        ) from error


def _repeats(lengths: list[float]) -> tuple[list[int], tuple[str, ...]]:
    shortest = min(lengths)
    repeats = [max(1, round(length / shortest)) for length in lengths]
    even = all(abs(length - count * shortest) <= count * _TICK_S + 1e-9 for length, count in zip(lengths, repeats, strict=True))
    if even and sum(repeats) <= _MOST_REPEATS * len(repeats):
        return repeats, ()
    note = f"Its frames stay from {shortest:g} to {max(lengths):g} s; they are taken as even."
    return [1] * len(lengths), (note,)
