"""What sound files carry beside their samples and the texts that libsndfile reads: marks, pictures and other data that are not kept."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from nint.signals.audio.channels import chunks

_CHUNKS = {
    "smpl": "loops",
    "cue ": "cue points",
    "bext": "broadcast data",
    "iXML": "iXML data",
    "axml": "XML data",
    "chna": "XML data",
    "_PMX": "XMP data",
    "id3 ": "ID3 tags",
    "ID3 ": "ID3 tags",
    "inst": "instrument",
    "acid": "tempo",
    "cart": "cart data",
}
_OF_THE_SOUND = {"fmt ", "data", "fact", "ds64", "LIST", "PEAK", "JUNK", "junk", "FLLR", "PAD ", "slnt", "levl"}
"""Chunks of a WAV file that hold the samples, what follows from them, the texts that libsndfile reads, or nothing."""

_BLOCKS = {2: "application data", 5: "cue sheet", 6: "picture"}
_COMMENTS = 4
_COMMENT_HEADS = (b"\x03vorbis", b"OpusTags")
_READ = (
    "title",
    "copyright",
    "software",
    "encoder",
    "artist",
    "comment",
    "description",
    "date",
    "album",
    "license",
    "tracknumber",
    "genre",
)
"""Comments that libsndfile reads, or that name the program that wrote the file."""

_NAMED_COMMENTS = (
    (re.compile("metadata_block_picture|coverart.*"), "picture"),
    (re.compile(".*lyrics"), "lyrics"),
    (re.compile("chapter.*"), "chapters"),
    (re.compile("waveformatextensible_channel_mask"), ""),  # said of the channels
)
_FRAMES = {"APIC": "picture", "PIC": "picture", "USLT": "lyrics", "SYLT": "lyrics", "ULT": "lyrics", "CHAP": "chapters", "CTOC": "chapters"}
_FRAMES_READ = {"TIT2", "TPE1", "TALB", "TDRC", "TYER", "TRCK", "TCON", "TCOP", "COMM", "TSSE", "TENC", "TLEN"}
_OTHERS = "other tags"
_HEAD = 2**17
_MOST_FRAMES = 1000


def carried(path: Path) -> set[str]:
    """Words for what a WAV, FLAC, OGG or MP3 file carries.

    Source: Microsoft, Multimedia Programming Interface 1.0 (chunks of WAV); EBU Tech 3285 (bext); RFC 9639, section 8 (blocks of FLAC);
    Vorbis I, section 5 (comments); ID3 v2.3, section 4 (frames of MP3).
    """
    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(0)
        found = {b"fLaC": _of_flac, b"OggS": _of_ogg}.get(head, _of_mp3 if head.startswith(b"ID3") else _of_wav)(file)
        return set(filter(None, found))


def _of_wav(file: BinaryIO) -> Iterator[str]:
    for name, length in chunks(file):
        text = name.decode("latin-1")
        if text == "LIST" and length >= 4 and (kind := file.read(4)) != b"INFO":
            yield "labels" if kind == b"adtl" else ""
        elif text in _CHUNKS:
            yield _CHUNKS[text]
        elif text not in _OF_THE_SOUND and length and text.isascii() and text.isprintable():
            yield f"data '{text.strip()}'"


def _of_flac(file: BinaryIO) -> Iterator[str]:
    file.seek(4)
    while len(header := file.read(4)) == 4:
        kind, length = header[0] & 0x7F, int.from_bytes(header[1:], "big")
        start = file.tell()
        yield from _of_comments(file.read(length)) if kind == _COMMENTS else (_BLOCKS.get(kind, ""),)
        if header[0] & 0x80:
            return
        file.seek(start + length)


def _of_ogg(file: BinaryIO) -> Iterator[str]:
    data = file.read(_HEAD)
    for head in _COMMENT_HEADS:
        place = data.find(head)
        if place >= 0:
            yield from _of_comments(data[place + len(head) :])


def _of_comments(data: bytes) -> Iterator[str]:
    """What comments hold that libsndfile does not read.

    Args:
        data: A block that starts with its vendor; it may be cut.

    Yields:
        A word for each.
    """
    place = 4 + int.from_bytes(data[:4], "little")
    count = int.from_bytes(data[place : place + 4], "little")
    place += 4
    for _ in range(count):
        if place + 4 >= len(data):
            return
        (length,) = struct.unpack_from("<I", data, place)
        name, _, value = data[place + 4 : place + 4 + length].partition(b"=")
        place += 4 + length
        key = name.decode("ascii", "replace").lower()
        if value and key not in _READ:
            yield next((word for pattern, word in _NAMED_COMMENTS if pattern.fullmatch(key)), _OTHERS)


def _of_mp3(file: BinaryIO) -> Iterator[str]:
    header = file.read(10)
    if len(header) < 10:
        return
    version, end = header[3], 10 + _seven_bits(header[6:10])
    width = 3 if version == 2 else 4  # of a frame's name and of its length
    for _ in range(_MOST_FRAMES):
        start = file.tell()
        frame = file.read(6 if version == 2 else 10)
        name = frame[:width].decode("latin-1")
        if start >= end or not re.fullmatch("[A-Z0-9]{3,4}", name):
            return
        size = frame[width : 2 * width]
        file.seek(_seven_bits(size) if version == 4 else int.from_bytes(size, "big"), 1)
        if name in _FRAMES or (version != 2 and name not in _FRAMES_READ):
            yield _FRAMES.get(name, _OTHERS)


def _seven_bits(data: bytes) -> int:
    return sum(byte << 7 * place for place, byte in enumerate(reversed(data)))
