"""Sound files that cannot be read: missing, not audio, damaged, or cut short without a reader noticing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from nint.errors import UsageError

_MAGIC = (b"RF64", b"RIFX", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"FORM")
_STREAMED = 0x7FFF0000


def check_file(path: Path) -> None:
    """Refuses what is not a file that holds anything.

    Raises:
        UsageError: says what it is.
    """
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder; give an audio file.")
    if not path.exists():
        raise UsageError(f"There is no file '{path}'.")
    if not path.is_file():
        raise UsageError(f"'{path}' is not a regular file.")
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise UsageError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if empty:
        raise UsageError(f"'{path}' is empty.")


def unreadable(path: Path, error: Exception) -> UsageError:
    """The error to raise for a file that the reader refused: damaged where it starts like audio, else no audio."""
    with open(path, "rb") as file:
        head = file.read(12)
    if head.startswith(_MAGIC) or (head.startswith(b"RIFF") and b"WAVE".startswith(head[8:12])):
        return UsageError(f"'{path}' is damaged or cut short: {reason(error)}.")
    return UsageError(f"'{path}' is not audio that can be read; WAV, FLAC, OGG and MP3 are.")


def reason(error: Exception) -> str:
    """What a reader or writer said, without its decoration."""
    text = getattr(error, "error_string", "") or str(error)
    return text.removeprefix("Error : ").strip().rstrip(".") or "unknown error"


def is_cut(path: Path, kind: str) -> bool:
    """Whether the end of a WAV or OGG file is missing, which libsndfile takes for a shorter one. The others fail when they are read."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        if kind in ("WAV", "WAVEX"):
            return _wav_is_cut(file, size)
        return kind == "OGG" and _ogg_is_cut(file, size)


def _wav_is_cut(file: Any, size: int) -> bool:
    if file.read(12)[:4] != b"RIFF":
        return False
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        if name == b"data":  # a length near the largest is what programs write before they know
            return length < _STREAMED and file.tell() + length > size
        file.seek(length + length % 2, 1)
    return False


def _ogg_is_cut(file: Any, size: int) -> bool:
    # Source: RFC 3533, section 6: flag 4 marks the last page; its length is the sum of the segment table. A page has at most 65,307 bytes.
    file.seek(max(size - 2**17, 0))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return True
    segments = page[27 : 27 + page[26]]
    return not page[5] & 4 or len(segments) < page[26] or len(page) < 27 + page[26] + sum(segments)
