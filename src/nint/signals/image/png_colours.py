"""What a PNG says of its colours by their code points (cICP), which Pillow passes over."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SRGB = (1, 13, 0, 1)
_PRIMARIES = {1: "BT.709", 9: "BT.2020", 11: "P3", 12: "Display P3"}
_TRANSFER = {1: "BT.709", 8: "linear", 13: "sRGB", 16: "PQ, which is HDR", 18: "HLG, which is HDR"}


def cicp_of(data: bytes) -> list[str]:
    """What to call the colours that a PNG names by code points; [] where it names none, or sRGB.

    Source: PNG specification, third edition, 11.3.2.6; code points of ITU-T H.273.
    """
    for name, body in _chunks(data):
        if name == b"cICP" and len(body) == 4 and tuple(body) != _SRGB:
            primaries, transfer = _PRIMARIES.get(body[0], body[0]), _TRANSFER.get(body[1], body[1])
            return [f"colour space (cICP: primaries {primaries}, transfer {transfer})"]
        if name == b"IDAT":
            break
    return []


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Chunks of a PNG in order.

    Yields:
        (name, body).
    """
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += length + 12
