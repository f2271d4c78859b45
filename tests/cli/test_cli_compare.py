"""`nint compare` from its words to its files."""

import json
import shlex
import shutil

import pytest
import torch
from PIL import Image

from nint.bench import unfinished
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
    assert "4: samplers 2, fields 1, inputs 1, seeds 2" in text
    assert "Iterations to a target" in text and "PSNR 50" in text
    assert "not reached (" in text
    names = {path.name for path in out.iterdir()}
    field = "siren_size=2x16"
    pictures = {"curves-psnr.png", "curves-ssim.png", f"reconstructions-{field}.png", f"selection-{field}.png"}
    assert names == {".nint.json", "runs.jsonl", "table.md", "runs", *pictures}
    report = (out / "table.md").read_text(encoding="utf-8")
    assert "siren:size=2x16 0.001 (as given)" in report
    assert "Nothing of ours is marked as best: with 1 input and 2 seeds" in report
    assert f"--out {out}" in report
    records = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
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
        (["--seeds", "0"], "--seeds 0 is out of range"),
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
    assert "failed: sample:camera uniform siren:size=2x16 seed 0: Training diverged at step" in text
    assert "- `uniform` failed: Training diverged at step" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_several_inputs_have_differences_and_marks(capsys, tmp_path):
    words = ["compare", "sample:camera", "sample:coins", *WORDS[2:], "--lr", "1e-3", "--baseline", "full"]
    code, text, _ = call(capsys, *words, "--out", tmp_path)
    assert code == 0
    assert "8: samplers 2, fields 1, inputs 2, seeds 2" in text
    assert "difference from full, mean [95% interval] p" in text
    report = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert report.startswith("# sample:camera, sample:coins\n")
    assert "over 2 inputs and 2 seeds" in report and "p value of a paired t-test" in report
    assert (tmp_path / "reconstructions-sample_coins-siren_size=2x16.png").exists()
    again = call(capsys, *words, "--out", tmp_path, "--resume")
    assert again[0] == 0
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 8
    code, _, complaint = call(capsys, *words, "--out", tmp_path, "--resume", "--baseline", "int")
    assert (code, "The baseline 'int' is not among the samplers" in complaint) == (2, True)


def test_a_comparison_of_version_0_1_0_is_not_gone_on_with(capsys, tmp_path):
    line = {
        "field": "siren:size=2x16",
        "sampler": "full",
        "seed": 0,
        "error": "bad day",
        "record": {"identity": {"steps": 20}, "curve": []},
    }
    (tmp_path / "runs.jsonl").write_text(json.dumps(line) + "\n")
    code, text, complaint = call(capsys, *WORDS, "--out", tmp_path, "--resume")
    assert (code, text, complaint.count("\n")) == (2, "", 1)
    assert "in the form of nint 0.1.0" in complaint
    assert call(capsys, *WORDS, "--out", tmp_path, "--force", "--seeds", "1", "--steps", "1")[0] == 0


def test_ctrl_c_before_the_first_run_names_a_command_that_works(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(interrupts.Interrupts, "__call__", lambda self: self._note(2, None) or True)
    code, text, _ = call(capsys, *WORDS, "--out", tmp_path)
    assert code == 130
    assert "Stopped after 0 of 4 runs" in text
    command = text.rstrip().splitlines()[-1].partition("go on with: nint ")[2].split()
    monkeypatch.undo()
    assert call(capsys, *command)[0] == 0


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


TWO = [*WORDS[:-2], "uniform", "full", "--seeds", "1", "--steps", "100", "--threads", "1"]


def stopped_in_its_first_group(capsys, monkeypatch, *words):
    """Two runs that are stopped with their states saved: what is said."""
    asked = []

    def pressed(self):
        asked.append(1)
        if len(asked) == 8:
            self._note(2, None)
        return self.received is not None

    with monkeypatch.context() as patch:
        patch.setattr(unfinished, "EVERY_S", 0.0)
        patch.setattr(interrupts.Interrupts, "__call__", pressed)
        code, text, _ = call(capsys, *words)
    assert code == 130
    assert "Stopped after 0 of 2 runs" in text
    return text


def sat(out):
    """Sampler -> the steps at which its run went on; and the quality that it ended with."""
    records = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    steps = {record["spec"]["sampler"]: [sitting["step"] for sitting in record.get("sittings", [])] for record in records}
    return steps, {record["spec"]["sampler"]: record["psnr"] for record in records}


def states(out):
    return sorted((out / "runs").glob("*/checkpoint.safetensors"))


def test_stopped_in_its_first_group_it_goes_on_where_it_stood(capsys, tmp_path, monkeypatch):
    out = tmp_path / "out"
    text = stopped_in_its_first_group(capsys, monkeypatch, *TWO, "--force", "--tensorboard", "--out", out)
    assert len(states(out)) == 2
    assert not (out / "runs.jsonl").exists()
    logs = set((out / "tensorboard").rglob("events*"))
    again = shlex.split(text.rstrip().splitlines()[-1].partition("go on with: nint ")[2])
    assert again[-1] == "--resume" and "--force" not in again
    assert call(capsys, *again)[0] == 0
    steps, quality = sat(out)
    assert all(len(at) == 1 and at[0] >= 20 for at in steps.values())
    assert not states(out)
    assert logs < set((out / "tensorboard").rglob("events*"))
    assert call(capsys, *TWO, "--out", tmp_path / "whole")[0] == 0
    assert sat(tmp_path / "whole") == ({"uniform": [], "full": []}, quality)


def test_the_same_command_without_resume_goes_on_too_and_force_starts_afresh(capsys, tmp_path, monkeypatch):
    stopped_in_its_first_group(capsys, monkeypatch, *TWO, "--out", tmp_path)
    before = states(tmp_path)
    text = stopped_in_its_first_group(capsys, monkeypatch, *TWO, "--out", tmp_path)  # as after a kill
    assert states(tmp_path) == before
    assert call(capsys, *TWO, "--out", tmp_path)[0] == 0
    assert all(len(at) == 2 for at in sat(tmp_path)[0].values())

    other = tmp_path / "other"
    text = stopped_in_its_first_group(capsys, monkeypatch, *TWO, "--out", other)
    assert "--resume" in text
    assert call(capsys, *TWO, "--out", other, "--force")[0] == 0
    assert sat(other)[0] == {"uniform": [], "full": []}


def test_a_file_that_is_given_twice_is_said_and_counts_once(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    Image.linear_gradient("L").resize((16, 16)).save("x/0.png")
    words = ["--samplers", "uniform", "full", "--seeds", "2", "--steps", "2", "--size", "1x8", "--threads", "1"]
    code, text, _ = call(capsys, "compare", "x/0.png", "./x/0.png", *words, "--out", "out")
    assert code == 0
    assert "./x/0.png is left out: it is the same as x/0.png." in text
    assert "4: samplers 2, fields 1, inputs 1, seeds 2" in text
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "./x/0.png is left out" in table
    assert "with 1 input and 2 seeds there are 2 runs a row" in table
    assert "p=" not in table


def test_help(capsys):
    code, text, _ = call(capsys, "compare", "--help")
    assert code == 0
    assert "--samplers SAMPLER ..." in text
    assert "--checkpoints" in text
    assert "compare" in call(capsys, "--help")[1]


def test_stopped_before_its_first_run_it_names_a_command_that_works(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["compare", "sample:camera", "--max-side", "8", "--size", "1x4", "--steps", "1", "--seeds", "1", "--samplers", "full"]
    for more in ([], ["--force"], ["--resume"]):
        with monkeypatch.context() as pressed:
            pressed.setattr("nint.cli.interrupts.Interrupts.__call__", lambda self: True)
            code, text, complaint = call(capsys, *words, "--out", "o", *more)
        if more == ["--resume"]:  # there is nothing to resume, not even a folder
            assert code == 2 and "no comparison to resume" in complaint
            continue
        assert code == 1 and "Stopped after 0 of 1 runs" in text
        again = shlex.split(text.partition("go on with: ")[2])
        code, text, _ = call(capsys, *again[1:])
        assert code == 0 and "Stopped" not in text
        shutil.rmtree("o")


def test_what_is_missing_is_named(cli):
    assert cli("compare", "x.png", "--steps", "3").err == "nint: compare needs --out DIR; see nint compare --help.\n"
