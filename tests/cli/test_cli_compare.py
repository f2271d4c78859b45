"""`nint compare` from its words to its files."""

import json

import pytest
import torch

from nint.cli import interrupts
from nint.cli.main import main

WORDS = ["compare", "sample:camera", "--max-side", "32", "--size", "2x16", "--steps", "20", "--seeds", "2", "--samplers", "uniform", "full"]


@pytest.fixture(autouse=True)
def keep_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def call(capsys, *words):
    """(exit code, standard output, standard error)."""
    code = main([*map(str, words)])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


def test_a_comparison_prints_its_tables_and_writes_its_files(capsys, tmp_path):
    out = tmp_path / "deep" / "out"
    code, text, complaint = call(capsys, *WORDS, "--lr", "1e-3", "--targets", "6", "50", "--out", out, "--threads", "1")
    assert (code, complaint) == (0, "")
    assert "sample:camera, 32x32 grey image" in text
    assert "siren:size=2x16, learning rate 0.001 (as given)" in text
    assert "schedules read 20 total steps" in text
    assert "4: samplers 2, fields 1, seeds 2" in text
    assert "6 dB     uniform" in text
    assert "50 dB    every sampler   not reached" in text
    names = {path.name for path in out.iterdir()}
    field = "siren_size=2x16"
    pictures = {"curves-psnr.png", "curves-ssim.png", f"reconstructions-{field}.png", f"selection-{field}.png"}
    assert names == {"runs.jsonl", "table.md", "runs", *pictures}
    report = (out / "table.md").read_text(encoding="utf-8")
    assert "0.001 for every field" in report
    assert f"--out {out}" in report
    records = [json.loads(line)["record"] for line in (out / "runs.jsonl").read_text().splitlines()]
    assert len(records) == 4
    assert {record["threads"] for record in records} == {1}
    assert records[0]["command"].startswith("nint compare sample:camera --")
    assert "--samplers uniform full" in records[0]["command"]


def test_resume_and_force(capsys, tmp_path):
    assert call(capsys, *WORDS, "--out", tmp_path)[0] == 0
    code, text, complaint = call(capsys, *WORDS, "--out", tmp_path)
    assert (code, text.count("PSNR")) == (2, 0)
    assert "holds another comparison" in complaint
    assert complaint.count("\n") == 1
    before = (tmp_path / "runs.jsonl").read_bytes()
    (tmp_path / "runs.jsonl").write_bytes(before + b"{ half a li")
    code, text, complaint = call(capsys, *WORDS, "--out", tmp_path, "--resume")
    assert code == 0
    assert "Line 5 of" in complaint
    assert (tmp_path / "runs.jsonl").read_bytes() == before + b"{ half a li"  # nothing was repeated
    assert call(capsys, *WORDS, "--out", tmp_path, "--force", "--steps", "2")[0] == 0
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seconds", "3"], "either --steps or --seconds"),
        (["--samplers", "nimt"], "Did you mean 'nint'"),
        (["--fields", "siren:sise=2x8"], "Did you mean 'size'"),
        (["--size", "2y16"], "5x256"),
        (["--seeds", "0"], "at least 1"),
        (["--targets", "high"], "high"),
        (["--checkpoints", "99"], "whole steps from 1 to 20"),
        (["--threads", "0"], "--threads 0"),
        (["--sampler", "nint"], "--samplers"),
        (["--device", "gpu"], "cpu"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(capsys, tmp_path, words, message):
    code, text, complaint = call(capsys, *WORDS, "--out", tmp_path / "out", *words)
    assert (code, text) == (2, "")
    assert message in complaint
    assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_input_and_out_are_needed(capsys, tmp_path):
    code, _, complaint = call(capsys, *WORDS)
    assert code == 2
    assert complaint.count("\n") == 1
    code, _, complaint = call(capsys, "compare", "--out", tmp_path / "out", "--steps", "2")
    assert code == 2
    assert "INPUT" in complaint
    code, _, complaint = call(capsys, "compare", "missing.png", "--out", tmp_path / "out", "--steps", "2")
    assert (code, "missing.png" in complaint) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_runs_that_fail_are_told(capsys, tmp_path):
    code, text, _ = call(capsys, *WORDS, "--seeds", "1", "--lr", "1e4", "--optimizer", "sgd", "--out", tmp_path)
    assert code == 1  # not one run succeeded
    assert "failed: uniform on siren:size=2x16, seed 0: Training diverged at step" in text
    assert "## Failed runs" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_ctrl_c_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    asked = []

    def pressed(self):
        asked.append(1)
        if len(asked) == 12:
            self._note(2, None)
        return self.received is not None

    monkeypatch.setattr(interrupts.Interrupts, "__call__", pressed)
    code, text, _ = call(capsys, *WORDS, "--seeds", "4", "--out", tmp_path)
    assert code == 130
    assert "go on with: nint compare sample:camera" in text
    assert text.rstrip().endswith("--resume")
    monkeypatch.undo()
    code, text, _ = call(capsys, *WORDS, "--seeds", "4", "--out", tmp_path, "--resume")
    assert code == 0
    assert "Stopped" not in text


def test_help(capsys):
    code, text, _ = call(capsys, "compare", "--help")
    assert code == 0
    assert "--samplers SAMPLER ..." in text
    assert "--checkpoints" in text
    assert "compare" in call(capsys, "--help")[1]
