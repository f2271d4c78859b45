"""Files that are damaged or claim more than they hold: one sentence, and nothing large is allocated for them."""

import gzip
import json
import logging
import math
import os
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from nint.errors import UsageError
from nint.signals.grid import grid_layout
from nint.signals.grid.array import ArrayLayout, load_array
from nint.signals.grid.volume import load_volume
from nint.signals.grid.volume_layout import VolumeLayout
from nint.signals.kinds import KINDS
from nint.signals.limits import MAX_POINTS, check_decoded, check_points
from nint.signals.open import open_signal

MEBIBYTE = 2**20


def numbers(shape, dtype="float32"):
    return (np.random.default_rng(0).random(shape) * 100).astype(dtype)


def refused(path, **options):
    """The one sentence with which a file is refused, and that little is allocated before it."""
    tracemalloc.start()
    try:
        with pytest.raises(UsageError, match=path.name) as error:
            open_signal(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 64 * MEBIBYTE
    finally:
        tracemalloc.stop()
    text = str(error.value)
    assert text.isprintable() and "b'" not in text
    return text


@pytest.mark.parametrize("closing", [b"]", b"\x00", b"\xff", b"("])
def test_npy_whose_header_ends_in_another_byte(closing, tmp_path):
    np.save(tmp_path / "a.npy", numbers((5, 6)))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(data.replace(b"}", closing, 1))
    assert "not a readable .npy file" in refused(tmp_path / "a.npy")


@pytest.mark.parametrize("shape", ["(1000000000, 1000000000)", "(50, 61)", "(-5, 60)"])
def test_npy_that_claims_more_than_it_holds(shape, tmp_path):
    np.save(tmp_path / "a.npy", numbers((50, 60)))
    data = (tmp_path / "a.npy").read_bytes()
    head, body = data[:128], data[128:]
    (tmp_path / "a.npy").write_bytes(head.replace(b"(50, 60)", shape.encode())[:127].ljust(127) + b"\n" + body)
    assert "damaged or cut short: it has 12,128 bytes" in refused(tmp_path / "a.npy")


def save_zarr(path, array, chunks, **changes):
    zarr = pytest.importorskip("zarr", reason="zarr is the extra 'large'")
    zarr.create_array(path, data=array, chunks=chunks)
    file = path / "zarr.json"
    meta = json.loads(file.read_text())
    if "chunk_shape" in changes:
        meta["chunk_grid"]["configuration"]["chunk_shape"] = changes["chunk_shape"]
    if "shape" in changes:
        meta["shape"] = changes["shape"]
    file.write_text(json.dumps(meta))
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chunk_shape": [0, 16]}, "is not a readable zarr array|its chunks have the shape"),
        ({"chunk_shape": [3, 5]}, "a chunk cannot be read|is not a readable zarr array"),
        ({"shape": [10**9, 10**9]}, "claims to hold 1,000,000,000,000,000,000 points, more than the limit of 268,435,456; --max-points"),
        ({"shape": [10**9, 10**9], "chunk_shape": [10**9, 10**9]}, "chunks of 1000000000x1000000000 float32, more than"),
        ({"shape": [-4, 8]}, "is not a readable zarr array|is damaged|is empty"),
    ],
)
def test_zarr_whose_header_lies(changes, said, tmp_path):
    text = refused(save_zarr(tmp_path / "a.zarr", numbers((8, 8)), (4, 4), **changes))
    assert any(part in text for part in said.split("|")), text


def test_a_large_zarr_of_which_every_chunk_is_there_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("nint.signals.limits.MAX_POINTS", 60)
    path = save_zarr(tmp_path / "a.zarr", numbers((8, 8)), (4, 4))
    assert open_signal(path).layout.grid == (8, 8)
    path = save_zarr(tmp_path / "b.zarr", numbers((8, 8)), (4, 4), shape=[24, 24])
    assert "claims to hold 576 points, more than the limit of 60" in refused(path)
    assert open_signal(path, max_points=576).layout.grid == (24, 24)


def test_a_pipe_in_place_of_a_chunk(tmp_path):
    path = save_zarr(tmp_path / "a.zarr", numbers((8, 8)), (4, 4))
    os.mkfifo(path / "c" / "pipe")
    with pytest.raises(UsageError, match="is a named pipe, not a regular file"):
        open_signal(path)


def nifti(shape, body):
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + b"\0" * 4 + body


def test_nifti_that_claims_more_than_it_holds(tmp_path):
    pytest.importorskip("nibabel", reason="NIfTI is the extra 'volume'")
    good = numbers((5, 6, 7), "int16")
    (tmp_path / "good.nii.gz").write_bytes(gzip.compress(nifti((5, 6, 7), good.tobytes(order="F"))))
    assert load_volume(tmp_path / "good.nii.gz").layout.grid == (5, 6, 7)
    assert open_signal(tmp_path / "good.nii.gz", max_points=210).layout.grid == (5, 6, 7)
    with pytest.raises(UsageError, match="claims to hold 210 points, more than the limit of 209"):
        open_signal(tmp_path / "good.nii.gz", max_points=209)
    zeros = bytes(2000 * 2000 * 10)
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(nifti((2000, 2000, 1000), zeros)))
    assert "claims to hold 4,000,000,000 points" in refused(tmp_path / "a.nii.gz")
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(nifti((500, 500, 500), b"short")))
    assert "is damaged or cut short: its header claims 238 MiB of content" in refused(tmp_path / "b.nii.gz")
    (tmp_path / "c.nii").write_bytes(nifti((2000, 2000, 1000), b"short"))
    assert "is damaged or cut short: it has 357 bytes, but its header claims 2000x2000x1000 int16" in refused(tmp_path / "c.nii")


@pytest.mark.parametrize("ending", sorted({ending for kind in KINDS.values() for ending in kind.endings}))
def test_pipes_and_devices_are_refused_for_every_kind(ending, tmp_path):
    os.mkfifo(tmp_path / f"pipe{ending}")
    (tmp_path / f"zero{ending}").symlink_to("/dev/zero")
    for name, what in (("pipe", "a named pipe"), ("zero", "a device")):
        for kind in (None, *KINDS):
            with pytest.raises(UsageError, match=f"is {what}, not a regular file"):
                open_signal(tmp_path / f"{name}{ending}", kind=kind)


def test_a_name_that_is_not_utf_8(tmp_path):
    path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b"v\xff.npy"))
    with open(path, "wb") as file:
        np.save(file, numbers((5, 6)))
    signal = open_signal(path)
    assert signal.name == "v\N{REPLACEMENT CHARACTER}.npy" and signal.name.encode()


def test_limits_are_told_with_what_raises_them():
    check_points(MAX_POINTS, "a.nii.gz")
    with pytest.raises(UsageError, match="'a' claims to hold 11 points, more than the limit of 10; --max-points raises it"):
        check_points(11, "a", 10)
    with pytest.raises(UsageError, match="max_points=0 is out of range"):
        check_points(11, "a", 0)
    check_decoded((2**15, 2**16))
    with pytest.raises(UsageError, match="A decoded size of 100000x100000 has 1e"):
        check_decoded((100_000, 100_000))


@pytest.mark.parametrize(
    "options", [{"scale": 1e30}, {"scale": 1e308}, {"shape": (2**63 - 1,) * 3}, {"shape": (10**400, 1, 1)}, {"shape": (5000,) * 3}]
)
def test_decoded_sizes_that_no_one_can_wait_for(options):
    for layout in (VolumeLayout((4, 5, 6), None, "<f4", 0.0, 1.0), ArrayLayout((4, 5, 6), None, "<f4", 0.0, 1.0)):
        with pytest.raises(UsageError, match="ask for a smaller"):
            layout.decode(lambda coords: coords[:, :1], **options)


@pytest.mark.parametrize("slice", ["z:99999999999999999999999", "z:" + "9" * 5000, "z:-1", "t:1", "z"])
def test_slices_that_cannot_be(slice):
    with pytest.raises(UsageError, match=r"^slice=.* cannot be read"):
        VolumeLayout((4, 5, 6), None, "<f4", 0.0, 1.0).decode(lambda coords: coords[:, :1], slice=slice)


def test_a_long_decoding_is_said_first(monkeypatch, caplog):
    monkeypatch.setattr(grid_layout, "_LONG_S", -1.0)
    monkeypatch.setattr(grid_layout, "block_points", lambda channels: 10)
    with caplog.at_level(logging.WARNING, "nint"):
        ArrayLayout((10, 12), None, "<f4", 0.0, 1.0).decode(lambda coords: torch.zeros(len(coords), 1))
    assert [record.getMessage() for record in caplog.records] == ["nint: decoding 120 points takes about 1 minutes."]


def test_in_dims_that_agrees_with_three_axes(tmp_path):
    np.save(tmp_path / "vol.npy", numbers((5, 6, 7)))
    assert open_signal(tmp_path / "vol.npy", in_dims=3).layout == open_signal(tmp_path / "vol.npy").layout
    array = open_signal(tmp_path / "vol.npy", in_dims=2).layout
    assert (array.kind, array.grid, array.channels) == ("array", (5, 6), 7)
    with pytest.raises(UsageError, match="in_dims=2 does not fit a volume"):
        open_signal(tmp_path / "vol.npy", kind="volume", in_dims=2)
    assert load_array(tmp_path / "vol.npy", in_dims=3).layout.grid == (5, 6, 7)


def test_scaling_is_told(tmp_path):
    array = numbers((5, 6))
    np.save(tmp_path / "a.npy", array)
    scaling = open_signal(tmp_path / "a.npy").scaling()
    assert scaling == {"low": float(array.min()), "high": float(array.max())} and math.isfinite(scaling["high"])
