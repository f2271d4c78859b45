"""Damaged versions of a file: cut, flipped, overwritten, its numbers replaced. Deterministic in the generator that is passed in."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

EDGES = (0, 1, -1, 2, 255, 256, 32767, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1)
"""Whole numbers at which sizes overflow."""

WORDS = (
    "0",
    "-1",
    "1",
    "3",
    "65536",
    "2147483647",
    "4294967296",
    "9223372036854775807",
    "1e12",
    "1e308",
    "1e-320",
    "nan",
    "inf",
    "-inf",
    "x",
)
"""Numbers as text."""

_HEADER = 512


def truncated(data: bytes, rng: random.Random) -> bytes:
    """The beginning of a file; now and then nothing at all."""
    return data[: rng.randrange(len(data))]


def flipped(data: bytes, rng: random.Random) -> bytes:
    """One to eight bits flipped, half of the time in the header."""
    found = bytearray(data)
    reach = min(len(found), _HEADER) if rng.random() < 0.5 else len(found)
    for _ in range(rng.randint(1, 8)):
        found[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    return bytes(found)


def overwritten(data: bytes, rng: random.Random) -> bytes:
    """A run of bytes replaced by zeros, ones or noise."""
    start = rng.randrange(len(data))
    length = min(rng.choice((1, 4, 16, 256, 4096)), len(data) - start)
    fill = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data[:start] + fill + data[start + length :]


def spliced(data: bytes, rng: random.Random) -> bytes:
    """A run of bytes removed, doubled, or noise put in."""
    start = rng.randrange(len(data))
    end = min(start + rng.choice((1, 3, 64, 1024)), len(data))
    what = rng.randrange(3)
    return data[:start] + (b"" if what == 0 else data[start:end] * 2 if what == 1 else rng.randbytes(end - start)) + data[end:]


def grown(data: bytes, rng: random.Random) -> bytes:
    """Bytes added at the end."""
    return data + rng.choice((bytes(100_000), rng.randbytes(64), data))


def numbered(data: bytes, rng: random.Random) -> bytes:
    """One number of the header replaced, as binary of 2, 4 or 8 bytes."""
    size, order = rng.choice((2, 4, 8)), rng.choice("<>")
    if len(data) <= size:
        return truncated(data, rng)
    start = rng.randrange(min(len(data), _HEADER) - size)
    if rng.random() < 0.7:
        start -= start % 2
    value = rng.choice(EDGES) % 2 ** (8 * size)
    if rng.random() < 0.1 and size > 2:
        number = rng.choice((float("nan"), float("inf"), 1e30, -1.0, 1e-38))
        raw = struct.pack(order + ("f" if size == 4 else "d"), number)
    else:
        raw = struct.pack(order + {2: "H", 4: "I", 8: "Q"}[size], value)
    return data[:start] + raw + data[start + size :]


def reworded(data: bytes, rng: random.Random) -> bytes:
    """One number that stands as text replaced; near the beginning half of the time."""
    found = list(re.finditer(rb"-?\d+\.?\d*(?:[eE][-+]?\d+)?", data))
    if not found:
        return numbered(data, rng)
    chosen = rng.choice(found[:12] if rng.random() < 0.5 else found)
    return data[: chosen.start()] + rng.choice(WORDS).encode() + data[chosen.end() :]


BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (truncated, flipped, overwritten, spliced, grown, numbered, numbered, reworded)
"""Mutations of any file."""

_WORDS = ("", "x", "\x1b[31m<b>&", "../../x", "9" * 5000)
_NUMBERS = (True, -1, 0, 1, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"))
_VALUES: tuple[Any, ...] = (None, *_NUMBERS, *_WORDS, [], {}, [[[]]], [1] * 1000)


def edited(value: Any, rng: random.Random) -> Any:
    """A JSON value with one of its parts replaced, removed or added."""
    place: list[Any] = []
    _collect(value, place)
    if not place:
        return rng.choice(_VALUES)
    holder, key = rng.choice(place)
    what = rng.random()
    if what < 0.15:
        del holder[key]
    elif what < 0.2 and isinstance(holder, dict):
        holder["unknown"] = rng.choice(_VALUES)
    elif what < 0.3 and isinstance(holder[key], (int, float)) and not isinstance(holder[key], bool):
        holder[key] = -holder[key]
    else:
        holder[key] = rng.choice(_VALUES)
    return value


def edited_json(text: str, rng: random.Random) -> str:
    """A JSON text with one part of its value changed; now and then nested far too deeply."""
    if rng.random() < 0.03:
        return "[" * 200_000
    return json.dumps(edited(json.loads(text), rng))


def edited_safetensors(data: bytes, rng: random.Random) -> bytes:
    """A safetensors file with one part of nint's own header, or of the list of its tensors, changed."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    if rng.random() < 0.75 and "__metadata__" in header:
        header["__metadata__"]["nint"] = edited_json(header["__metadata__"]["nint"], rng)
    else:
        header = edited(header, rng)
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data[8 + length :]


def _collect(value: Any, found: list[Any]) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items)[:60]:
        found.append((value, key))
        _collect(item, found)


def inside_npz(data: bytes, rng: random.Random) -> bytes:
    """An NPZ file with one of its members damaged and the archive whole."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    members[name] = rng.choice(BYTES)(members[name], rng)
    if rng.random() < 0.1:
        members[rng.choice(("x", "../x.npy", "values", "coords"))] = members.pop(name)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def inside_gzip(data: bytes, rng: random.Random) -> bytes:
    """A gzip file whose contents are damaged and whose checksum is right."""
    return gzip.compress(rng.choice(BYTES)(gzip.decompress(data), rng))


def inside_png(data: bytes, rng: random.Random) -> bytes:
    """A PNG with the contents of one chunk damaged, all lengths and checksums right."""
    chunks, place = [], 8
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += length + 12
    number = rng.choice((0, 0, rng.randrange(len(chunks))))
    name, body = chunks[number]
    if body:
        chunks[number] = name, rng.choice((flipped, overwritten, numbered))(body, rng)
    found = data[:8]
    for name, body in chunks:
        found += len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
    return found


INSIDE = {".npz": inside_npz, ".nii.gz": inside_gzip, ".png": inside_png}
"""Ending -> a mutation that leaves the container whole."""


def damaged(data: bytes, name: str, rng: random.Random) -> tuple[bytes, str]:
    """A damaged version of a file.

    Args:
        data: The bytes of a valid file, at least one.
        name: Its name, which decides what can be done to it besides its bytes.
        rng: Decides what is done.

    Returns:
        The bytes, and what was done.
    """
    known = (".nii.gz", ".jsonl", ".json", ".safetensors")
    suffix = next((ending for ending in known if name.endswith(ending)), "." + name.rsplit(".", 1)[-1])
    if suffix == ".json" and rng.random() < 0.8:
        return edited_json(data.decode(), rng).encode(), "edited"
    if suffix == ".jsonl" and rng.random() < 0.8:
        lines = data.decode().splitlines()
        number = rng.randrange(len(lines))
        lines[number] = edited_json(lines[number], rng)
        return ("\n".join(lines) + "\n").encode(), "edited"
    if suffix == ".safetensors" and rng.random() < 0.8:
        return edited_safetensors(data, rng), "edited"
    if suffix in INSIDE and rng.random() < 0.5:
        return INSIDE[suffix](data, rng), "inside"
    mutation = rng.choice(BYTES)
    return mutation(data, rng), mutation.__name__
