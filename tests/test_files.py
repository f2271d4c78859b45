"""Atomic writing and the one container."""

import json
import math
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from nint.errors import UsageError
from nint.files import (
    check_file,
    check_regular,
    load_tensors,
    loads,
    quiet_stderr,
    read_bytes,
    read_json,
    reason_of,
    save_tensors,
    write_atomically,
    write_json,
    write_text,
)
from nint.signals.grid.files import write_folder
from nint.signals.image.write import write_image


def test_a_round_trip_keeps_tensors_and_header(tmp_path):
    tensors = {"a": torch.arange(6).reshape(2, 3), "b/c": torch.tensor([math.nan, 0.1]), "h": torch.ones(2).half(), "t": torch.eye(3).T[1:]}
    header = {"text": 'grün " \n', "number": 0.1, "list": [1, None, True], "deep": {"x": {}}}
    path = tmp_path / "new" / "x.safetensors"
    save_tensors(path, tensors, header)
    back, found = load_tensors(path)
    assert found == header and back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype and torch.equal(torch.nan_to_num(back[name]), torch.nan_to_num(tensor))


def test_numbers_that_json_does_not_know_become_null(tmp_path):
    value = {"a": [math.nan, math.inf, -math.inf, 1.5], "b": (0, {"c": math.nan})}
    write_json(tmp_path / "x.json", value)
    expected = {"a": [None, None, None, 1.5], "b": [0, {"c": None}]}
    assert json.loads((tmp_path / "x.json").read_text()) == expected
    save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(1)}, value)
    assert load_tensors(tmp_path / "x.safetensors")[1] == expected


def test_missing_folders_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match="There is no file"):
        load_tensors(tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match=r"is a folder; give the \.safetensors file in it"):
        load_tensors(tmp_path)
    for metadata in (None, {"format": "pt"}):
        save_file({"a": torch.ones(2)}, tmp_path / "foreign.safetensors", metadata=metadata)
        with pytest.raises(UsageError, match="not one of nint's"):
            load_tensors(tmp_path / "foreign.safetensors")
    save_file({"a": torch.ones(2)}, tmp_path / "odd.safetensors", metadata={"nint": "{not json"})
    with pytest.raises(UsageError, match="not a readable model or checkpoint"):
        load_tensors(tmp_path / "odd.safetensors")


def test_truncated_and_other_files_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"a": torch.ones(50)}, {"x": 1})
    whole = path.read_bytes()
    for content in (b"", whole[:7], whole[:40], whole[:-1], b"\x89PNG\r\n\x1a\n" + b"0" * 100, b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="not a readable model or checkpoint"):
            load_tensors(path)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def crash(target):
        target.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, crash)

    def full(target):
        target.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UsageError, match="No space left on device"):
        write_atomically(path, full)
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_container_is_an_error_of_writing(tmp_path, monkeypatch):
    import safetensors.torch
    from safetensors import SafetensorError

    def full(tensors, target, metadata=None):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(UsageError, match="No space left on device"):
        save_tensors(tmp_path / "x.safetensors", {"a": torch.ones(2)}, {})
    assert list(tmp_path.iterdir()) == []


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    seen = []
    write_atomically(path, lambda target: (target.write_text("new"), seen.append((path.read_text(), target.parent, target.suffix)))[0])
    assert seen == [("old", tmp_path, ".txt")] and path.read_text() == "new"


WRITERS = {
    "a.json": lambda path: write_json(path, {}),
    "a.safetensors": lambda path: save_tensors(path, {"a": torch.ones(2)}, {}),
    "a.png": lambda path: write_image(np.eye(4, dtype=np.uint8), path),
    "folder": lambda path: write_folder(path, lambda folder: (folder / "x").touch()),
}


@pytest.fixture
def umask():
    """Sets the umask of this process for one test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="no modes here")
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077, 0o027])
@pytest.mark.parametrize("name", WRITERS)
def test_new_files_have_the_mode_that_the_system_gives_and_replaced_ones_that_of_the_old(tmp_path, umask, name, mask):
    umask(mask)
    path, plain = tmp_path / name, tmp_path / "plain"
    plain.mkdir() if name == "folder" else plain.touch()  # what the system makes of this mask
    WRITERS[name](path)
    assert path.stat().st_mode == plain.stat().st_mode
    for mode in (0o600, 0o640, 0o664) if name != "folder" else (0o700, 0o770):
        if name == "folder":
            (path / "x").unlink()
        path.chmod(mode)
        WRITERS[name](path)
        assert path.stat().st_mode & 0o777 == mode
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted([name, "plain"])


@pytest.mark.skipif(os.name == "nt", reason="no modes here")
def test_what_replaces_a_private_file_is_private_while_it_is_written(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    path.chmod(0o640)
    seen = []
    write_atomically(path, lambda target: seen.append(target.stat().st_mode & 0o777))
    assert seen == [0o600] and path.stat().st_mode & 0o777 == 0o640


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="Cannot write to"):
        write_json(tmp_path / "file" / "x.json", {})


@pytest.mark.skipif(getattr(os, "geteuid", lambda: 1)() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        write_json(tmp_path / "locked" / "x.json", {})


def test_files_that_hold_nothing_are_refused(tmp_path):
    (tmp_path / "full").write_bytes(b"ab")
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    assert read_bytes(tmp_path / "full", "a test file") == b"ab"
    faults = {".": "is a folder; give a test file", "none": "There is no file", "pipe": "not a regular", "empty": "is empty"}
    for name, said in faults.items():
        for read in (read_bytes, check_file):
            with pytest.raises(UsageError, match=said):
                read(tmp_path / name, "a test file")


DEEP = "[" * 200_000


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 200_000, DEEP + "]" * 200_000])
def test_json_that_is_nested_too_deeply_is_refused_in_one_sentence(tmp_path, text):
    with pytest.raises(UsageError, match=r"^run.json holds JSON that is nested too deeply to be read\.$"):
        loads(text, "run.json")
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UsageError, match="nested too deeply"):
        read_json(tmp_path / "run.json")
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors", metadata={"nint": text})
    with pytest.raises(UsageError, match="not a readable model or checkpoint"):
        load_tensors(tmp_path / "x.safetensors")


def test_reading_json(tmp_path):
    write_json(tmp_path / "x.json", {"a": [1, "ü"]})
    assert read_json(tmp_path / "x.json") == {"a": [1, "ü"]}
    (tmp_path / "x.json").write_bytes(b'{"a": \xff}')
    with pytest.raises(UsageError, match="is not text in UTF-8"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(UsageError, match="holds what is not JSON"):
        read_json(tmp_path / "x.json")
    with pytest.raises(UsageError, match="There is no file"):
        read_json(tmp_path / "none.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_sockets_and_devices_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "link.csv").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for name, what in (("pipe.csv", "a named pipe"), ("link.csv", "a device")):
        with pytest.raises(UsageError, match=f"is {what}, not a regular file"):
            check_regular(tmp_path / name)
    for name in ("folder", "file", "missing"):
        check_regular(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        check_regular(tmp_path / "file" / "below")


def test_standard_error_is_quiet_only_within(capfd):
    os.write(2, b"before ")
    with quiet_stderr():
        os.write(2, b"from C ")
        with quiet_stderr():
            os.write(2, b"deeper ")
        os.write(2, b"again ")
    with pytest.raises(ValueError, match="inner"), quiet_stderr():
        raise ValueError("inner")
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_reasons_hold_no_bytes_of_the_file():
    for text, expected in (
        ("not a TIFF file header=b'\\x89\\x00'", "not a TIFF file unknown bytes"),
        ('broken chunk b"ab\\xff".', "broken chunk unknown bytes"),
        ("two\nlines\x07 of it.", "two lines? of it"),
        ("invalid literal: '\\x10'", "invalid literal: '?'"),
        ("invalid description '" + "{" * 30 + "'", "invalid description (...)"),
        ("", "ValueError"),
    ):
        assert reason_of(ValueError(text)) == expected
    assert len(reason_of(ValueError("x" * 1000))) < 170


def test_whole_numbers_of_json_that_no_float_holds_are_infinite():
    """Where a number is checked for being finite, `math.isfinite` of such an integer would raise."""
    assert loads(f"[{2**62}, {-(2**62)}, 7]", "run.json") == [2**62, -(2**62), 7]
    assert loads("1" + "0" * 400, "run.json") == float("inf")


def test_text_with_names_that_are_not_utf8_can_be_written(tmp_path):
    name = os.fsdecode(b"lat\xe9.png") if os.name != "nt" else "lat\udce9.png"
    write_text(tmp_path / "a.md", f"# {name}\r\n")
    assert (tmp_path / "a.md").read_bytes() == "# lat\N{REPLACEMENT CHARACTER}.png\r\n".encode()
    write_json(tmp_path / "a.json", {"source": name})
    assert read_json(tmp_path / "a.json") == {"source": name}  # which JSON can hold


def test_reasons_hold_no_addresses():
    assert reason_of(ValueError("cannot identify image file <_io.BytesIO object at 0x7f00a1>")) == "cannot identify image file (data)"
