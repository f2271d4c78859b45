"""Damaged, foreign and future files give one sentence."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from nint.errors import UsageError
from nint.packing.container import MAGIC, VERSION, is_packed, join, split
from nint.packing.finetune import FineTuning
from nint.packing.unpack import unpack
from nint.runs.model import Fit


@pytest.fixture(scope="module")
def data(fit: Fit, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("packed") / "a.nint"
    fit.pack(path, bits=5, tuning=FineTuning(steps=0))
    return path.read_bytes()


def test_the_header_is_small(data: bytes):
    length = struct.unpack("<BIH", data[len(MAGIC) : len(MAGIC) + 7])[2]
    assert length < 350


def test_every_cut_and_every_flipped_byte_is_refused(data: bytes, tmp_path: Path):
    for cut in (*range(0, 40), len(data) // 2, len(data) - 4, len(data) - 1):
        with pytest.raises(UsageError, match=r"not a packed model|cut off"):
            unpack(data[:cut], "a.nint")
    for place in range(len(MAGIC), len(data), 37):
        harmed = bytearray(data)
        harmed[place] ^= 0x41
        with pytest.raises(UsageError, match=r"damaged|newer|version"):
            unpack(bytes(harmed), "a.nint")
    path = tmp_path / "a.nint"
    path.write_bytes(data[:-9])
    with pytest.raises(UsageError, match=r"a\.nint is damaged or cut off: its checksum does not match"):
        Fit.load(path)


def test_longer_files_are_refused(data: bytes):
    with pytest.raises(UsageError, match="checksum"):
        unpack(data + b"\0\0\0\0", "a.nint")


def test_a_newer_version_is_named(data: bytes):
    newer = data[: len(MAGIC)] + bytes([VERSION + 1]) + data[len(MAGIC) + 1 :]
    with pytest.raises(UsageError, match=f"of version {VERSION + 1}; this nint reads up to version {VERSION}"):
        unpack(newer, "a.nint")


def test_headers_that_lie_are_refused(data: bytes):
    header, stream = split(data, "a.nint")
    lies = [
        {"f": "siren:size=9x9000"},
        {"f": "siren:size=2x20"},
        {"f": "nothing"},
        {"f": None, "n": [["a", [10**9]]]},
        {"f": 7},
        {"t": []},
        {"t": [[31, 0]] * len(header["t"])},
        {"t": [["x"] * 7] * len(header["t"])},
        {"t": [[31, 10**6, *table[2:]] for table in header["t"]]},
        {"l": {"kind": "image"}},
        {"l": None},
        {"x": [["a", "O", [1], b"abc"]]},
        {"q": 5},
    ]
    for lie in lies:
        with pytest.raises(UsageError, match=r"\S"):
            unpack(join(header | lie, stream), "a.nint")
    for gone in "flqrtv":
        with pytest.raises(UsageError, match="not a complete packed model"):
            unpack(join({key: value for key, value in header.items() if key != gone}, stream), "a.nint")


def test_a_header_that_is_no_table_or_a_bomb_is_refused():
    for plain in (b"\x93\x01\x02\x03", b"\xc1", b"\0" * 2**24):
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        head = compressor.compress(plain) + compressor.flush()
        data = MAGIC + struct.pack("<BIH", 1, zlib.crc32(head), len(head)) + head
        with pytest.raises(UsageError, match="not a readable packed model"):
            unpack(data, "a.nint")


def test_only_packed_models_are_taken_for_one(tmp_path: Path, data: bytes):
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(b"\x89PNG")
    assert is_packed(tmp_path / "a") and not is_packed(tmp_path / "b") and not is_packed(tmp_path / "c") and not is_packed(tmp_path)


def test_a_header_of_more_than_two_bytes_of_length_comes_back(data: bytes):
    header, stream = split(data, "a.nint")
    noise = base64.b64encode(np.random.default_rng(0).bytes(80_000)).decode()
    long = join(header | {"extra": noise}, stream)
    assert long[len(MAGIC)] == 2 and data[len(MAGIC)] == 1  # what older versions read is written as before
    assert split(long, "a.nint") == (header | {"extra": noise}, stream)
    assert unpack(long, "a.nint")[1] == unpack(data, "a.nint")[1]
    with pytest.raises(UsageError, match="cut off"):
        split(long[:14], "a.nint")
    with pytest.raises(UsageError, match="more than the 1,048,576 that a packed model holds; leave some of it out"):
        join(header | {"extra": noise * 20}, stream)
