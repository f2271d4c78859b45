"""`nint bench` from its words to its files, on experiments made for the purpose."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
import torch
from PIL import Image

from nint.bench import execute, experiments
from nint.bench.execute import run_all
from nint.bench.runs import RunSpec
from nint.cli import interrupts
from nint.cli.main import main


@dataclass(frozen=True)
class Fake:
    """An experiment of two runs on an image."""

    name: str
    samplers: tuple[str, ...] = ("uniform", "full")
    seconds: float | None = None
    keep: bool = False
    caption: str = "What a fake shows."

    def specs(self, scale, inputs, seeds):
        budget = {"steps": 6} if self.seconds is None else {"seconds": self.seconds}
        source = inputs.image("kodim01")
        return [
            RunSpec(source, "siren:size=1x8", sampler, seed=seed, square=12, keep=self.keep, group=f"{self.name}/{seed}", **budget)
            for seed in range(seeds)
            for sampler in self.samplers
        ]

    def write(self, store, scale, inputs, seeds, out, facts):
        records = store.records()
        path = out / f"{self.name}.md"
        lines = [f"{spec.sampler} {records[spec.key].get('psnr')}" for spec in self.specs(scale, inputs, seeds)]
        path.write_text("\n".join([facts["command"], *inputs.remarks, *lines]))
        return [path]


TABLE1, FIG1, TABLE2 = Fake("table1"), Fake("fig1", samplers=("full",), keep=True), Fake("table2", samplers=("nint",), seconds=0.05)
HERE = {"workers": 1, "scheduler": None}
BROKEN = Fake("table3", samplers=("nimt",))


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    table = {part.name: f"{__name__}:{name}" for name, part in (("TABLE1", TABLE1), ("TABLE2", TABLE2), ("BROKEN", BROKEN), ("FIG1", FIG1))}
    monkeypatch.setattr(experiments, "EXPERIMENTS", table)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def call(capsys, *words):
    """(exit code, standard output, standard error)."""
    code = main(["bench", *map(str, words)])
    caught = capsys.readouterr()
    return code, caught.out, caught.err


def lines_of(out):
    return [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]


def test_runs_are_made_once_and_written(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text, complaint = call(capsys, "table1", "fig1", "--scale", "smoke", "--seeds", 2, "--threads", 1)
    assert (code, complaint) == (0, "")
    out = tmp_path / "nint-bench" / "smoke"
    assert {path.name for path in out.iterdir()} == {".nint.json", "runs.jsonl", "runs", "inputs.json", "table1.md", "fig1.md", "claims.md"}
    assert "No --data: every input is one of nint's samples" in text
    assert "nint-bench/smoke: table1.md" in text
    records = lines_of(out)
    assert len(records) == 4
    assert {record["command"] for record in records} == {"nint bench table1 fig1 --scale smoke --seeds 2 --threads 1"}
    assert {record["threads"] for record in records} == {1}
    assert sorted(len(record["interleaved_with"]) for record in records) == [2, 2, 2, 2]
    code, text, _ = call(capsys, "table1", "fig1", "--scale", "smoke", "--seeds", 2)
    assert code == 0
    assert "4, 4 of them in nint-bench/smoke already" in text
    assert len(lines_of(out)) == 4


def test_a_table_keeps_what_a_figure_needs_later(capsys, tmp_path):
    call(capsys, "table1", "--scale", "smoke", "--out", tmp_path)
    assert len(list((tmp_path / "runs").glob("*/model.safetensors"))) == 1
    call(capsys, "fig1", "--scale", "smoke", "--out", tmp_path)
    assert len(lines_of(tmp_path)) == 2


def test_data_are_remembered_and_a_table_needs_no_files_afterwards(capsys, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    Image.linear_gradient("L").save(data / "kodim01.png")
    assert call(capsys, "table1", "--scale", "smoke", "--data", data, "--out", out)[0] == 0
    (data / "kodim01.png").unlink()
    (out / "table1.md").unlink()
    code, _, complaint = call(capsys, "table1", "--scale", "smoke", "--out", out)
    assert (code, complaint) == (0, "")
    assert "uniform" in (out / "table1.md").read_text()
    assert {record["spec"]["input"] for record in lines_of(out)} == {str(data / "kodim01.png")}
    assert len(lines_of(out)) == 2
    (out / "inputs.json").write_text("{")
    code, _, complaint = call(capsys, "table1", "--scale", "smoke", "--out", out)
    assert (code, "give --data again" in complaint) == (2, True)


def test_workers_and_scheduler_are_passed_on(capsys, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(execute, "run_all", lambda specs, store, **how: asked.append(how) or run_all(specs, store, **how | HERE))
    assert call(capsys, "table1", "--scale", "smoke", "--out", tmp_path / "one", "--threads", 1, "--workers", 3)[0] == 0
    assert call(capsys, "table1", "--scale", "smoke", "--out", tmp_path / "two", "--scheduler", "tcp://here:1")[0] == 0
    assert [(how["workers"], how["scheduler"], how["threads"]) for how in asked] == [(3, None, 1), (1, "tcp://here:1", None)]


def test_budgets_of_seconds(capsys, tmp_path):
    assert call(capsys, "table2", "--scale", "smoke", "--out", tmp_path)[0] == 0
    record = lines_of(tmp_path)[0]
    assert record["stopped"] == "used 0.05 s"
    assert call(capsys, "table2", "--scale", "smoke", "--out", tmp_path, "--workers", 2)[0] == 0  # nothing is left to run
    code, text, complaint = call(capsys, "table1", "table2", "--scale", "smoke", "--out", tmp_path / "other", "--workers", 2)
    assert (code, text) == (2, "")
    assert "table2 cannot run so" in complaint
    assert "time each other" in complaint
    assert not (tmp_path / "other").exists()


def test_list_tells_what_there_is_and_runs_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, text, _ = call(capsys, "list", "--scale", "smoke", "--seeds", 3)
    assert code == 0
    rows = [line.split() for line in text.splitlines()]
    assert [row[:2] for row in rows[1:5]] == [["table1", "6"], ["table2", "3"], ["table3", "3"], ["fig1", "3"]]
    assert rows[5][:2] == ["together", "12"]
    assert "What a fake shows." in text
    assert "about 0.2 s" in text
    assert list(tmp_path.iterdir()) == []
    assert call(capsys, "fig1", "--list")[1].count("fig1") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tabel1"], "Did you mean 'table1'"),
        ([], "needs NAME"),
        (["table1", "--scale", "cpuu"], "Did you mean 'cpu'"),
        (["table1", "--data", "missing"], "--data missing is not there"),
        (["table1", "--data", "."], "holds none of the data sets"),
        (["table1", "--seeds", "0"], "--seeds 0"),
        (["table1", "--workers", "0"], "--workers 0"),
        (["table1", "--workers", "2", "--scheduler", "tcp://here:1"], "give one of them"),
        (["table1", "--threads", "0"], "--threads 0"),
        (["table1", "--sedes", "2"], "--seeds"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    code, text, complaint = call(capsys, *words)
    assert (code, text) == (2, "")
    assert message in complaint
    assert complaint.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_folders_of_other_commands_are_refused(capsys, tmp_path):
    tiny = ["sample:camera", "--max-side", "8", "--steps", "1"]
    assert main(["fit", *tiny, "--size", "1x4", "--quiet", "--out", str(tmp_path / "fit")]) == 0
    assert main(["compare", *tiny, "--size", "1x4", "--samplers", "full", "--seeds", "1", "--out", str(tmp_path / "compare")]) == 0
    for folder, holds in (("fit", "holds a run of nint fit"), ("compare", "holds a comparison")):
        assert holds in call(capsys, "table1", "--scale", "smoke", "--out", tmp_path / folder)[2]


def test_failed_runs_are_told(capsys, tmp_path):
    code, text, _ = call(capsys, "table3", "--scale", "smoke", "--out", tmp_path)
    assert code == 1
    assert "failed: sample:astronaut nimt siren:size=1x8 seed 0: There is no sampler called 'nimt'." in text
    code, text, complaint = call(capsys, "table1", "table3", "--scale", "smoke", "--out", tmp_path)
    assert (code, complaint) == (0, "")
    assert text.count("failed:") == 1


def test_a_damaged_line_is_told_and_its_run_repeated(capsys, tmp_path):
    call(capsys, "table1", "--scale", "smoke", "--out", tmp_path)
    path = tmp_path / "runs.jsonl"
    path.write_text(path.read_text()[:-40])
    code, _, complaint = call(capsys, "table1", "--scale", "smoke", "--out", tmp_path)
    assert (code, complaint.count("\n")) == (0, 1)
    assert "Line 2 of" in complaint
    assert len(path.read_text().splitlines()) == 3


def test_ctrl_c_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    asked = []

    def pressed(self):
        asked.append(1)
        if len(asked) == 8:
            self._note(2, None)
        return self.received is not None

    monkeypatch.setattr(interrupts.Interrupts, "__call__", pressed)
    code, text, _ = call(capsys, "table1", "--scale", "smoke", "--seeds", 4, "--out", tmp_path)
    assert code == 130
    assert f"go on with the same command: nint bench table1 --scale smoke --out {tmp_path} --seeds 4" in text
    before = len(lines_of(tmp_path))
    assert 0 < before < 8
    monkeypatch.undo()
    monkeypatch.setattr(experiments, "EXPERIMENTS", {"table1": f"{__name__}:TABLE1"})
    assert call(capsys, "table1", "--scale", "smoke", "--seeds", 4, "--out", tmp_path)[0] == 0
    assert len(lines_of(tmp_path)) == 8


def test_the_report(capsys, tmp_path):
    code, text, _ = call(capsys, "table1", "--scale", "smoke", "--out", tmp_path, "--html")
    assert code == 0
    assert (tmp_path / "report.html").exists()
    assert "report.html" in text


def test_help(capsys):
    code, text, _ = call(capsys, "--help")
    assert code == 0
    assert "NAME ..." in text
    assert main(["--help"]) == 0
    assert "bench" in capsys.readouterr().out
