"""Sound files that cannot be read: missing, not audio, damaged, or cut short without a reader noticing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NoReturn

from nint.errors import UsageError
from nint.files import reason_of

_MAGIC = (b"RF64", b"RIFX", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2", b"FORM")
_STREAMED = 0x7FFF0000
_MP3_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MP3_LOW_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)


def refuse(path: Path, error: Exception) -> NoReturn:
    """Refuses a file that the reader could not read.

    Raises:
        UsageError: says that it is damaged where it starts like audio, else that it is no audio.
    """
    with open(path, "rb") as file:
        head = file.read(12)
    if head.startswith(_MAGIC) or (head.startswith(b"RIFF") and b"WAVE".startswith(head[8:12])):
        raise UsageError(f"'{path}' is damaged or cut short: {reason(error)}.") from error
    raise UsageError(f"'{path}' is not audio that can be read; WAV, FLAC, OGG and MP3 are.") from error


def reason(error: Exception) -> str:
    """What a reader or writer said, without its decoration."""
    text = getattr(error, "error_string", "") or str(error)
    return reason_of(Exception(text.removeprefix("Error : ")))


def is_cut(path: Path, kind: str) -> bool:
    """Whether the end of a WAV or OGG file is missing, which libsndfile takes for a shorter one. The others fail when they are read."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        if kind in ("WAV", "WAVEX"):
            return _wav_is_cut(file, size)
        return kind == "OGG" and _ogg_is_cut(file, size)


def _wav_is_cut(file: BinaryIO, size: int) -> bool:
    if file.read(12)[:4] != b"RIFF":
        return False
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        if name == b"data":  # a length near the largest is what programs write before they know
            return bool(length < _STREAMED and file.tell() + length > size)
        file.seek(length + length % 2, 1)
    return False


def _ogg_is_cut(file: BinaryIO, size: int) -> bool:
    # Source: RFC 3533, section 6: flag 4 marks the last page; its length is the sum of the segment table. A page has at most 65,307 bytes.
    file.seek(max(size - 2**17, 0))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < 27:
        return True
    segments = page[27 : 27 + page[26]]
    return not page[5] & 4 or len(segments) < page[26] or len(page) < 27 + page[26] + sum(segments)


def mp3_length(path: Path) -> int | None:
    """Samples of an MP3 file whose first frame does not tell them, by its frame headers; None where it does, or there are no such frames.

    For those files libsndfile guesses the length by the size of the first frame, and takes no more samples than it guessed.

    Source: ISO/IEC 11172-3, 2.4.2.3 and ISO/IEC 13818-3, 2.4.2.3: the header of a frame of layer III.
    """
    data = path.read_bytes()
    place = 0
    if data[:3] == b"ID3" and len(data) > 10:  # its length in four bytes of seven bits
        place = 10 + sum(byte << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True))
    if any(tag in data[place : place + 64] for tag in (b"Xing", b"Info", b"VBRI")):
        return None
    samples = 0
    while (frame := _mp3_frame(data[place : place + 4])) and place + frame[0] <= len(data):
        place += frame[0]
        samples += frame[1]
    return samples or None


def _mp3_frame(header: bytes) -> tuple[int, int] | None:
    """Bytes and samples of a frame of layer III, by its header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, rate = header[1] >> 3 & 3, header[2] >> 2 & 3
    kbits = (_MP3_KBITS if version == 3 else _MP3_LOW_KBITS)[header[2] >> 4]
    if version == 1 or rate == 3 or not kbits:
        return None
    samples = 1152 if version == 3 else 576
    rate_hz = (44_100, 48_000, 32_000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    return samples // 8 * kbits * 1000 // rate_hz + (header[2] >> 1 & 1), samples
