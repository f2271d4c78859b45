"""The channel mask of a WAV file: which loudspeaker each channel is for. libsndfile reads it but has no say in what it writes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_EXTENSIBLE = 0xFFFE
_MASK_AT = 20  # bytes into the format chunk
_CONTAINERS = (b"RIFF", b"RF64")


def channel_mask(path: Path) -> int:
    """The mask of a WAV file with an extensible header; 0 where it has none.

    Source: Microsoft, WAVEFORMATEXTENSIBLE: dwChannelMask.
    """
    with open(path, "rb") as file:
        place = _mask_place(file)
        if place is None:
            return 0
        file.seek(place)
        return int.from_bytes(file.read(4), "little")


def set_channel_mask(file: BinaryIO, mask: int) -> None:
    """Writes the mask into a WAV file with an extensible header, opened at any place; other files stay as they are."""
    file.seek(0)
    place = _mask_place(file)
    if place is not None:
        file.seek(place)
        file.write(struct.pack("<I", mask))


def chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """The chunks of a WAV file, which stands at the content of each meanwhile.

    Yields:
        Name and length in bytes.
    """
    head = file.read(12)
    if head[:4] not in _CONTAINERS or head[8:] != b"WAVE":
        return
    while len(header := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", header)
        start = file.tell()
        yield name, length
        file.seek(start + length + length % 2)


def _mask_place(file: BinaryIO) -> int | None:
    for name, length in chunks(file):
        if name == b"fmt ":
            start, tag = file.tell(), file.read(2)
            return start + _MASK_AT if length >= _MASK_AT + 4 and tag == struct.pack("<H", _EXTENSIBLE) else None
    return None
