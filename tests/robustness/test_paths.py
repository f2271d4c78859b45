"""Outputs never cost the user a file: the cases that once did, random pairs of paths over a tree, and one process a folder."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from robustness.paths import COMPARED, TINY, plant, run_cases, tried
from robustness.paths import main_of as call

from nint.runs.contents import FIT, of_fit
from nint.runs.folder import LOCK, OutputFolder
from nint.runs.manifest import MANIFEST

OLD = Path(__file__).resolve().parents[1] / "data" / "v0.1.0" / "image"


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    folder = tmp_path_factory.mktemp("paths")
    plant(folder / "tree", OLD)
    (folder / "tree").rename(folder / "master")
    return folder / "master"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("fit reconstruction.png --out .", "reconstruction.png is also the input"),
        ("fit curve.png --out .", "curve.png is also the input"),
        ("fit error.png --out . --force", "error.png is also the input"),
        ("fit p.png --out new --force --json p.png", "--json p.png is also the input p.png"),
        ("fit p.png --out new --force --json mine.json", "--json mine.json exists and is not a record"),
        ("fit a.npy --out . --force --no-pictures", "snapshots is not a folder that nint wrote"),
        ("fit snapshots --kind video --out . --force --no-pictures", "snapshots"),
        ("fit frames --out frames", "--out frames is also the input frames"),
        ("fit frames --out linked-frames/deep", "lies inside the input frames"),
        ("fit linked-frames --out frames", "--out frames is also the input linked-frames"),
        ("fit run/reconstruction.png --out run --force", "is also the input"),
        ("fit p.png --out run --force --init run/model.safetensors", "model.safetensors is also the input"),
        ("compare p.png --out .", "runs is not a folder that nint wrote"),
        ("compare curves-siren.png --out . --force", "curves-siren.png is also the input"),
        ("compare p.png --out full-of-names --force", "is not a file that nint wrote"),
        ("decode cloud points.csv --at points.csv --force", "points.csv is also the input"),
        ("decode cloud linked-points.csv --at points.csv --force", "is also the input"),
        ("decode run hard.png --force", "hard.png is also the input"),
        ("decode run link.png --force", "link.png is not a regular file"),
        ("report run --out p.png", "ends in .html"),
    ],
)
def test_what_once_cost_a_file_is_refused(master, tmp_path, command, said):
    words = command.split()
    words += {"fit": TINY, "compare": COMPARED}.get(words[0], [])
    # the tree is where it was planted, as the models in it record what they were fitted to
    outcome = tried(words, master, master.parent)
    assert outcome.good and (outcome.code, outcome.said.count("\n")) == (2, 1), outcome
    assert said in outcome.said


def test_random_pairs_of_paths_change_nothing_of_the_users():
    outcomes = run_cases(25, 3, OLD)
    assert [vars(outcome) for outcome in outcomes if not outcome.good] == []
    assert {outcome.code for outcome in outcomes} >= {0, 2}


def test_force_removes_exactly_what_nint_wrote(master):
    outcome = tried(["fit", "curve.png", *TINY, "--out", "run", "--force"], master, master.parent)
    tree = master.parent / "tree"
    assert outcome.good and outcome.code == 0
    assert (tree / "run" / "mine.txt").read_text() == (tree / "run" / "snapshots" / "mine.txt").read_text() == "mine"
    listed = json.loads((tree / "run" / MANIFEST).read_text())
    there = {path.relative_to(tree / "run").as_posix() for path in (tree / "run").rglob("*") if path.is_file()}
    assert set(listed["files"]) == there - {MANIFEST, "mine.txt", "snapshots/mine.txt"}
    assert (listed["folders"], listed["writing"], listed["command"]) == (["snapshots"], [], "fit")


@pytest.mark.parametrize("command", ["fit p.png", "compare p.png", "bench table1 --scale smoke"])
def test_a_folder_has_one_process_at_a_time(master, command):
    words = command.split()
    words += {"fit": TINY, "compare": COMPARED}.get(words[0], [])
    with OutputFolder(master.parent / "held", FIT, of_fit(pictures=False, report=False, log=False)) as held:
        code, said = call(["fit", str(master / "p.png"), *TINY, "--out", str(held.path)])
        assert (code, said.count("\n")) == (2, 1) and "Another nint process is writing into" in said
        (held / MANIFEST).unlink()
        words = [str(master / word) if word == "p.png" else word for word in words]
        code, said = call([*words, "--out", str(held.path)])
        assert (code, said.count("\n")) == (2, 1) and "Another nint process is writing into" in said
    assert not held.path.exists()


def test_the_lock_dies_with_its_process(tmp_path):
    hold = (
        "import sys, time\nfrom nint.runs.contents import FIT\nfrom nint.runs.folder import OutputFolder\n"
        "with OutputFolder(sys.argv[1], FIT, ('run.json',)):\n    print('held', flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path / "o")], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        code, said = call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", str(tmp_path / "o")])
        assert code == 2 and "Another nint process" in said
        child.kill()
    assert (tmp_path / "o" / LOCK).exists()
    # What a killed process leaves before its first checkpoint counts as fresh, for both ways to go on.
    (tmp_path / "o" / ".nint-tmp-half.safetensors").write_bytes(b"half")
    for more in (["--resume"], ["--force"]):
        assert call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", str(tmp_path / "o"), *more]) == (0, "")
    assert not list((tmp_path / "o").glob(".nint-tmp-*"))


def test_a_folder_without_results_counts_as_fresh(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("o/snapshots").mkdir(parents=True)
    Path("o/snapshots/step-000001.npz").write_bytes(b"half of it")
    lists = {"nint": "0.1.0", "command": "fit", "files": [], "folders": ["snapshots"], "writing": ["snapshots/step-*.npz", "run.json"]}
    Path("o", MANIFEST).write_text(json.dumps(lists))
    assert call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", "o"]) == (0, "")
    assert "selected.npy" in Path("o/snapshots/step-000001.npz").read_bytes().decode("latin-1")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"nint": "0.1.0", "command": "fit", "files": ["../p.png"], "folders": [], "writing": []}', "[" * 200_000],
)
def test_a_damaged_list_is_one_sentence_and_nothing_is_lost(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    Path("o").mkdir()
    Path("o", MANIFEST).write_text(text)
    Path("o/run.json").write_text("mine")
    code, said = call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", "o", "--force"])
    assert (code, said.count("\n")) == (2, 1) and "should list the files that nint wrote there" in said
    assert sorted(path.name for path in Path("o").iterdir()) == [MANIFEST, "run.json"]
    assert Path("o", MANIFEST).read_text() == text


def test_a_list_is_not_believed_about_what_nint_never_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", "o"]) == (0, "")
    Path("o/thesis.tex").write_text("mine")
    lists = json.loads(Path("o", MANIFEST).read_text())
    lists["files"].append("thesis.tex")
    lists["writing"] = ["*", "**/*"]
    Path("o", MANIFEST).write_text(json.dumps(lists))
    assert call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", "o", "--force"]) == (0, "")
    assert Path("o/thesis.tex").read_text() == "mine"


def test_a_name_that_is_not_utf8_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    code, said = call(["fit", "sample:camera", "--max-side", "8", *TINY, "--out", name])
    assert (code, said.count("\n")) == (2, 1) and "is a name that is not UTF-8" in said
    assert list(tmp_path.iterdir()) == []
