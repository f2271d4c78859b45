"""`.nint` files: a mark, a version, a checksum, a small header and the coded weights."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

from nint.errors import UsageError
from nint.files import reason_of, write_atomically

MAGIC = b"\x89nint"
VERSION = 2
"""The newest that is read; a file with a header of less than 65,536 bytes is of version 1."""

ENDING = ".nint"
_FRAMES = {1: struct.Struct("<BIH"), 2: struct.Struct("<BII")}
"""Of each version: the version, the CRC-32 of all that follows, and the bytes of the header."""

_LARGEST_HEADER = 2**20


def is_packed(path: Path) -> bool:
    """Whether a file begins like a packed model; false for what cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def join(header: dict[str, Any], weights: bytes) -> bytes:
    """The bytes of a file.

    Raises:
        UsageError: where msgpack is not installed, or the header is too long.
    """
    head = compressed(header)
    body, version = head + weights, 1 if len(head) < 2**16 else 2
    return MAGIC + _FRAMES[version].pack(version, zlib.crc32(body), len(head)) + body


def compressed(header: dict[str, Any]) -> bytes:
    """A header as a file holds it.

    Raises:
        UsageError: where msgpack is not installed, or the header is too long.
    """
    plain = _msgpack().packb(header)
    if len(plain) > _LARGEST_HEADER:
        raise UsageError(
            f"What the signal's file says of itself takes {len(plain):,} bytes, more than the {_LARGEST_HEADER:,} that a packed model "
            "holds; leave some of it out, such as a colour profile, or keep the model as .safetensors."
        )
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(plain) + compressor.flush()


def split(data: bytes, name: str) -> tuple[dict[str, Any], bytes]:
    """Header and coded weights of the bytes of a file.

    Args:
        data: The bytes.
        name: Of the file, for messages.

    Raises:
        UsageError: for a file that is cut off, damaged, of a newer version or no packed model.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise UsageError(f"{name} is not a packed model of nint.")
    version = data[len(MAGIC)] if len(data) > len(MAGIC) else 1
    if version > VERSION:
        raise UsageError(f"{name} is a packed model of version {version}; this nint reads up to version {VERSION}, so update it.")
    frame = _FRAMES[max(version, 1)]
    start = len(MAGIC) + frame.size
    if len(data) < start:
        raise UsageError(f"{name} is cut off: it has {len(data)} bytes, fewer than the beginning of a packed model.")
    _, checksum, length = frame.unpack(data[len(MAGIC) : start])
    if zlib.crc32(data[start:]) != checksum:
        raise UsageError(f"{name} is damaged or cut off: its checksum does not match its content.")
    try:
        inflater = zlib.decompressobj(-15)
        plain = inflater.decompress(data[start : start + length], _LARGEST_HEADER)
        header = _msgpack().unpackb(plain, strict_map_key=True)
    except (zlib.error, ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not a readable packed model: {reason_of(error)}.") from error
    if not isinstance(header, dict):
        raise UsageError(f"{name} is not a readable packed model: its header is no table.")
    return header, data[start + length :]


def write_packed(path: Path, data: bytes) -> None:
    """Writes the bytes of a packed model, atomically.

    Raises:
        UsageError: where it cannot be written.
    """
    write_atomically(path, lambda target: _write(target, data))


def check_packages() -> None:
    """Refuses to start what could not be packed in the end.

    Raises:
        UsageError: where a package is not installed.
    """
    from nint.packing.coder import constriction

    _msgpack()
    constriction()


def _write(target: Path, data: bytes) -> None:
    target.write_bytes(data)


def _msgpack() -> Any:
    try:
        import msgpack
    except ImportError:
        raise UsageError("Packed models need the package msgpack; pip install 'nint[pack]'.") from None
    return msgpack
