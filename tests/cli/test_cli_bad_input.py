"""What cannot be done is told in one sentence with exit code 2, before anything is written."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

QUICK = ("--size", "2x8", "--steps", "2", "--no-pictures", "--device", "cpu")


def refused(outcome, *parts: str) -> None:
    assert outcome.code == 2, outcome
    assert outcome.out == ""
    assert outcome.err.startswith("nint: ") and outcome.err.count("\n") == 1
    for part in parts:
        assert part in outcome.err, (part, outcome.err)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def noise(path: Path, shape: tuple[int, ...] = (8, 8)) -> Path:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)).save(path)
    return path


def bomb(path: Path) -> Path:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b""))
    return path


def test_bad_inputs_of_fit(cli, tmp_path: Path):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("These are no pixels, although the ending says so.")
    (tmp_path / "notes.txt").write_text("hello")
    whole = noise(tmp_path / "noise.png", (64, 64)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (1, 1)).save(tmp_path / "one.png")
    Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / "flat.png")
    bomb(tmp_path / "bomb.png")
    (tmp_path / "things").mkdir()
    before = contents(tmp_path)
    for name, part in [
        ("missing.png", "There is no file 'missing.png'."),
        ("empty.png", "is empty"),
        ("text.png", "is not an image"),
        ("notes.txt", "ending"),
        ("cut.png", "cut"),
        ("one.png", "single pixel"),
        ("flat.png", "same value"),
        ("bomb.png", "more than the limit"),
        ("things", "folder"),
        ("sample:camra", "Did you mean 'camera'?"),
    ]:
        refused(cli("fit", name, *QUICK), part)
    assert contents(tmp_path) == before
    assert not (tmp_path / "nint-out").exists()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("--size 5y256", ["5y256", "for example 5x256"]),
        ("--size 0x8", ["0x8"]),
        ("--field siren:size=3x8 --size 2x8", ["--size 2x8 disagree"]),
        ("--batch-share 0", ["--batch-share 0 is out of range", "above 0"]),
        ("--batch-share 1.5", ["--batch-share 1.5 is out of range", "at most 1"]),
        ("--batch-share nan", ["--batch-share nan is out of range"]),
        ("--sampler nint:batch_share=0.5 --batch-share 0.2", ["--batch-share 0.2 disagree"]),
        ("--sampler full --batch-share 0.5", ["full", "--batch-share"]),
        ("--batch-share 0.5 --batch-size 5", ["give one of them"]),
        ("--batch-size 0", ["--batch-size 0 is out of range"]),
        ("--hold-out 1", ["--hold-out 1 is out of range"]),
        ("--kind smell", ["smell"]),
        ("--lr nan", ["--lr nan is out of range"]),
        ("--lr 0", ["--lr 0 is out of range"]),
        ("--lr inf", ["--lr inf is out of range"]),
        ("--sampler nimt", ["'nimt'", "Did you mean 'nint'?"]),
        ("--sampler nint:random_shre=0.5", ["'random_shre'", "Did you mean 'random_share'?"]),
        ("--sampler nint:random_share=much", ["random_share=much", "number"]),
        ("--sampler nint:random_share", ["name:key=value"]),
        ("--sampler nint:interval=sometimes", ["sometimes"]),
        ("--field sirene", ["Did you mean 'siren'?"]),
        ("--field siren:omega=3", ["Did you mean 'omega_0'?"]),
        ("--optimizer adm", ["Did you mean 'adam'?"]),
        ("--loss l3", ["l3"]),
        ("--lr-schedule cosin", ["Did you mean 'cosine'?"]),
        ("--steps 0", ["--steps 0 is out of range"]),
        ("--seconds -1", ["--seconds -1 is out of range"]),
        ("--psnr nan", ["--psnr nan is out of range"]),
        ("--total-steps 0", ["--total-steps 0 is out of range"]),
        ("--seed -1", ["--seed -1 is out of range"]),
        ("--threads 0", ["--threads 0"]),
        ("--eval-every 0", ["--eval-every 0"]),
        ("--max-side 0", ["--max-side 0 is out of range"]),
        ("--device gpu", ["gpu", "auto, cpu, cuda or mps"]),
        ("--device tpu:0", ["tpu:0"]),
        ("--init nowhere", ["nowhere"]),
        ("--resume", ["no run to resume"]),
        ("--json .", ["folder"]),
    ],
)
def test_bad_settings_of_fit(cli, tmp_path: Path, words: str, parts: list[str]):
    noise(tmp_path / "a.png")
    refused(cli("fit", "a.png", *words.split()), *parts)
    assert list(contents(tmp_path)) == ["a.png"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none(cli, tmp_path: Path):
    noise(tmp_path / "a.png")
    refused(cli("fit", "a.png", "--device", "cuda"), "CUDA", "--device auto or cpu")
    assert list(contents(tmp_path)) == ["a.png"]


def test_an_output_that_cannot_be(cli, tmp_path: Path):
    noise(tmp_path / "a.png")
    (tmp_path / "file").write_text("mine")
    refused(cli("fit", "a.png", *QUICK, "--out", "file"), "file is a file")
    refused(cli("fit", "a.png", *QUICK, "--out", "file/deeper"), "Cannot write into")
    refused(cli("fit", "a.png", *QUICK, "--json", "file/deeper.json"), "Cannot write --json")
    refused(cli("fit", "a.png", *QUICK, "--json", "/dev/null"), "not a regular file")
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(contents(tmp_path)) == ["a.png", "file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_without_permission(cli, tmp_path: Path):
    noise(tmp_path / "a.png")
    (tmp_path / "closed").mkdir(mode=0o500)
    refused(cli("fit", "a.png", *QUICK, "--out", "closed/run"), "Cannot write into")
    assert list(contents(tmp_path)) == ["a.png"]


def test_a_run_is_not_overwritten_unless_asked(cli, tmp_path: Path):
    noise(tmp_path / "a.png")
    assert cli("fit", "a.png", *QUICK, "--quiet").code == 0
    (tmp_path / "nint-out" / "a" / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    refused(cli("fit", "a.png", *QUICK), "holds another run", "--out", "--resume", "--force")
    refused(cli("fit", "a.png", *QUICK, "--resume", "--force"), "give one of them")
    refused(cli("fit", "a.png", *QUICK, "--force", "--init", "a.png"), "a.png")
    assert contents(tmp_path) == before
    assert cli("fit", "a.png", *QUICK, "--seed", "1", "--force", "--quiet").code == 0
    after = contents(tmp_path)
    assert after["nint-out/a/notes.txt"] == b"mine"
    assert after["nint-out/a/model.safetensors"] != before["nint-out/a/model.safetensors"]


def test_resuming_with_other_settings_lists_them(cli, tmp_path: Path):
    noise(tmp_path / "a.png")
    noise(tmp_path / "b.png", (9, 8))
    quick = (*QUICK, "--recipe", "paper")
    assert cli("fit", "a.png", *quick, "--quiet").code == 0
    before = contents(tmp_path)
    outcome = cli("fit", "a.png", *quick, "--resume", "--seed", "3", "--lr", "0.5", "--sampler", "uniform")
    refused(outcome, "seed was 0, now 3", "lr was 0.0001, now 0.5", "sampler was nint, now uniform")
    refused(cli("fit", "b.png", *quick, "--resume", "--out", "nint-out/a"), "input was a.png, now b.png")
    assert contents(tmp_path) == before


def test_the_record_of_another_run_is_kept(cli, fitted, tmp_path: Path):
    before = (fitted / "run.json").read_bytes()
    words = ("fit", "sample:camera", "--max-side", 12, "--size", "1x4", "--steps", 1, "--out", tmp_path / "another", "--force")
    outcome = cli(*words, "--json", fitted / "run.json")
    assert outcome.code == 2 and "is the record of another run; choose another file" in outcome.err
    assert (fitted / "run.json").read_bytes() == before and not (tmp_path / "another").exists()


def test_a_json_file_of_somebody_else_is_kept(cli, tmp_path: Path):
    noise(tmp_path / "a.png")
    (tmp_path / "mine.json").write_text('{"precious": 1}')
    refused(cli("fit", "a.png", *QUICK, "--json", "mine.json"), "mine.json exists")
    refused(cli("fit", "a.png", *QUICK, "--json", "a.png"), "a.png is also the input")
    refused(cli("fit", "a.png", *QUICK, "--json", "a.png", "--force"), "a.png is also the input")
    refused(cli("fit", "a.png", *QUICK, "--json", "mine.json", "--force"), "mine.json exists")
    refused(cli("fit", "a.png", *QUICK, "--out", "o", "--json", "o/model.safetensors"), "a file of the run itself")
    assert sorted(contents(tmp_path)) == ["a.png", "mine.json"]
    assert (tmp_path / "mine.json").read_text() == '{"precious": 1}'
    for out in ("first", "second"):  # what is there the second time is a record of ours
        assert cli("fit", "a.png", *QUICK, "--quiet", "--json", "ours.json", "--out", out).code == 0
        assert json.loads((tmp_path / "ours.json").read_text())["steps"] == 2


def test_corrupt_and_foreign_models(cli, tmp_path: Path, fitted: Path):
    good = (fitted / "model.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.safetensors").write_text("no model")
    (tmp_path / "empty.safetensors").touch()
    save_file({"w": torch.zeros(2)}, str(tmp_path / "foreign.safetensors"))
    (tmp_path / "folder").mkdir()
    before = contents(tmp_path)
    for model, part in [
        ("missing.safetensors", "There is no model"),
        ("cut.safetensors", "cut.safetensors"),
        ("text.safetensors", "text.safetensors"),
        ("empty.safetensors", "empty.safetensors"),
        ("foreign.safetensors", "not one of nint's"),
        ("folder", "folder without a model"),
    ]:
        refused(cli("inspect", model), part)
        refused(cli("decode", model, "out.png"), part)
        refused(cli("eval", model, "sample:camera"), part)
        refused(cli("fit", "sample:camera", "--max-side", "16", *QUICK, "--init", model), part)
    assert contents(tmp_path) == before


def test_a_model_of_another_shape_cannot_start_a_run(cli, tmp_path: Path, fitted: Path):
    refused(cli("fit", "sample:camera", "--max-side", "16", "--size", "2x8", "--init", fitted), "another shape")
    assert contents(tmp_path) == {}


def test_a_finished_model_cannot_be_resumed_as_a_checkpoint(cli, tmp_path: Path, fitted: Path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.safetensors").write_bytes((fitted / "model.safetensors").read_bytes())
    before = contents(tmp_path)
    words = ("--max-side", "32", "--size", "2x16", "--steps", "20", "--out", "run", "--resume")
    refused(cli("fit", "sample:camera", *words), "is a model, not a checkpoint", "--init")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("there.png", "--force"),
        ("out.gif", "use .png"),
        ("out", "use .png"),
        ("nowhere/out.png", "no folder nowhere"),
        (".", "folder"),
        ("out.png --scale 0", "--scale 0 is out of range"),
        ("out.png --scale nan", "--scale nan is out of range"),
        ("out.png --scale 2 --height 5", "not both"),
        ("out.png --height 0", "--height 0 is out of range"),
        ("out.png --crop 0 0 40 40", "crop=0,0,40,40"),
        ("out.png --crop -1 0 4 4", "crop=-1,0,4,4"),
        ("out.png --height 1000000000 --width 1000000000", "does not fit in memory"),
        ("out.png --device gpu", "gpu"),
    ],
)
def test_bad_options_of_decode(cli, tmp_path: Path, fitted: Path, words: str, part: str):
    (tmp_path / "there.png").write_text("mine")
    refused(cli("decode", fitted, *words.split()), part)
    assert contents(tmp_path) == {"there.png": b"mine"}


def test_bad_options_of_eval(cli, tmp_path: Path, fitted: Path):
    (tmp_path / "mine.json").write_text("[]")
    refused(cli("eval", fitted, "sample:astronaut"), "channels")
    refused(cli("eval", fitted, "missing.png"), "There is no file")
    refused(cli("eval", fitted, "sample:camera", "--json", "mine.json"), "mine.json exists")
    assert contents(tmp_path) == {"mine.json": b"[]"}


def test_divergence_says_where_and_keeps_the_checkpoint(cli, tmp_path: Path):
    words = ("--max-side", "32", "--size", "2x8", "--steps", "50", "--sampler", "uniform")
    outcome = cli("fit", "sample:camera", *words, "--lr", "1e9", "--quiet")
    refused(outcome, "Training diverged at step", "lower learning rate", "nint-out/camera/checkpoint.safetensors")
    assert (tmp_path / "nint-out" / "camera" / "checkpoint.safetensors").exists()
    assert not (tmp_path / "nint-out" / "camera" / "model.safetensors").exists()
    # It is a whole checkpoint, which inspect can read.
    assert "checkpoint after step" in cli("inspect", "nint-out/camera").out


def test_what_a_message_quotes_from_a_file_is_readable_and_short(cli, tmp_path: Path):
    (tmp_path / "bad.csv").write_bytes(b"x,y,v\n1,2,3\n1,2,\x1b[31m\x07" + b"9" * 5000 + b"z\n")
    outcome = cli("fit", "bad.csv", *QUICK)
    refused(outcome, "bad.csv", "line 3")
    assert outcome.err.rstrip("\n").isprintable() and len(outcome.err) < 1100
