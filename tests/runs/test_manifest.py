"""What is nint's in a folder: by the list in it, or by name and content where a version without a list wrote it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from nint.cli.main import main
from nint.errors import UsageError
from nint.runs.contents import BENCH, COMPARE, FIT, of_bench, of_comparison, of_fit
from nint.runs.folder import OutputFolder
from nint.runs.manifest import MANIFEST, Manifest, fits, read_manifest, recognised, write_manifest

DATA = Path(__file__).resolve().parents[1] / "data" / "v0.1.0"
CORES = {"model.safetensors", "checkpoint.safetensors", "run.json"}


def drawn(path, inches=(5, 3)):
    Figure(figsize=inches, dpi=150).savefig(path)


@pytest.mark.parametrize(
    ("name", "pattern", "does"),
    [
        ("run.json", "run.json", True),
        ("runXjson", "run.json", False),
        ("snapshots/step-000001.npz", "snapshots/step-*.npz", True),
        ("snapshots/deep/step-000001.npz", "snapshots/step-*.npz", False),
        ("runs/a/b/model.safetensors", "runs/**/model.safetensors", True),
        ("runs/model.safetensors", "runs/**/model.safetensors", True),
        ("my/runs/model.safetensors", "runs/**/model.safetensors", False),
        ("tables/1.md", "table*.md", False),
    ],
)
def test_patterns(name, pattern, does):
    assert fits(name, [pattern]) is does


def test_everything_a_command_writes_is_something_that_it_may_write():
    for names, contents in [
        (of_fit(pictures=True, report=True, log=True), FIT),
        (of_comparison(report=True, log=True), COMPARE),
        (of_bench([f"table{n}" for n in range(1, 11)] + [f"fig{n}" for n in range(1, 11)], report=True), BENCH),
    ]:
        assert all(fits(name, contents.may) for name in names)
        assert all(fits(core, contents.may) for core in contents.cores)


def test_a_list_comes_back_without_what_has_gone_or_became_a_link(tmp_path):
    for name in ("run.json", "curve.png"):
        (tmp_path / name).write_text("x")
    (tmp_path / "error.png").symlink_to("run.json")
    write_manifest(tmp_path, Manifest("fit", ("curve.png", "error.png", "model.safetensors", "run.json"), ("snapshots",)))
    assert read_manifest(tmp_path) == Manifest("fit", ("curve.png", "run.json"))
    assert read_manifest(tmp_path / "nowhere") is None


@pytest.mark.parametrize("kind", ["image", "audio", "points"])
def test_a_run_of_an_older_version_is_recognised(tmp_path, kind):
    shutil.copytree(DATA / kind, tmp_path / "o")
    (tmp_path / "o" / "mine.txt").write_text("mine")
    assert set(recognised(tmp_path / "o", FIT).files) == CORES
    assert recognised(tmp_path / "o", COMPARE) is None
    (tmp_path / "o" / "run.json").write_text("{}")
    assert set(recognised(tmp_path / "o", FIT).files) == CORES - {"run.json"}
    (tmp_path / "o" / "checkpoint.safetensors").unlink()
    assert recognised(tmp_path / "o", FIT) is None  # a model alone may be the user's own


def test_pictures_without_a_list_are_believed_only_where_they_look_like_nints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DATA / "image", "o")
    Image.fromarray(np.zeros((3, 3), np.uint8)).save("o/reconstruction.png")
    drawn("o/error.png")
    drawn("o/curve.png")  # the user's own, of another size
    assert set(recognised(Path("o"), FIT).files) == CORES
    drawn("o/curve.png", (9, 3.6))
    assert set(recognised(Path("o"), FIT).files) == CORES | {"reconstruction.png", "error.png", "curve.png"}
    words = ["fit", "sample:camera", "--max-side", "8", "--size", "1x4", "--steps", "1", "--quiet", "--out", "o"]
    assert main([*words, "--force"]) == 0
    with Image.open("o/reconstruction.png") as image:
        assert image.size == (8, 8)


def test_a_users_pictures_are_kept_from_a_run_of_an_older_version(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DATA / "image", "o")
    drawn("o/curve.png")
    before = Path("o/curve.png").read_bytes()
    words = ["fit", "sample:camera", "--max-side", "8", "--size", "1x4", "--steps", "1", "--quiet", "--out", "o", "--force"]
    assert main(words) == 2 and "o/curve.png is not a file that nint wrote there" in capsys.readouterr().err
    assert not Path("o", MANIFEST).exists()
    assert main([*words, "--no-pictures"]) == 0
    assert Path("o/curve.png").read_bytes() == before


def test_a_refused_command_leaves_no_trace(tmp_path):
    with pytest.raises(UsageError, match="no"), OutputFolder(tmp_path / "new" / "deep", FIT, ("run.json",)) as folder:
        assert (folder.path.is_dir(), folder.fresh, folder.known) == (True, True, False)
        raise UsageError("no")
    assert list(tmp_path.iterdir()) == []
    shutil.copytree(DATA / "image", tmp_path / "o")
    with pytest.raises(UsageError, match="no"), OutputFolder(tmp_path / "o", FIT, ("run.json",)) as folder:
        assert (folder.fresh, folder.known) == (False, True)
        raise UsageError("no")
    assert {path.name for path in (tmp_path / "o").iterdir()} == CORES


def test_what_was_written_is_listed_also_after_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="crash"), OutputFolder(tmp_path / "o", FIT, ("run.json", "snapshots/step-*.npz")) as folder:
        (folder / "snapshots").mkdir()
        (folder / "snapshots" / "step-000001.npz").write_text("x")
        raise RuntimeError("crash")
    assert read_manifest(tmp_path / "o") == Manifest("fit", ("snapshots/step-000001.npz",), ("snapshots",))
    (tmp_path / "o" / "snapshots" / "mine.npz").write_text("mine")
    with OutputFolder(tmp_path / "o", FIT, ("run.json", "snapshots/step-*.npz")) as folder:
        assert (folder.fresh, folder.known) == (True, True)
        folder.clear()
        assert [path.name for path in (folder / "snapshots").iterdir()] == ["mine.npz"]


def test_the_kernel_study_goes_on_in_its_own_folder(tmp_path):
    names = ("runs.jsonl", "kernel.md", "kernel.json", "kernel.png", "kernel-photo-paper.md", "kernel-photo-paper.tex")
    texts = {
        ".md": "# What the kernel is worth\n",
        ".json": '{"effects": [], "command": ""}',
        ".jsonl": '{"spec": {}, "experiment": "bench"}\n',
    }
    for listed in (True, False):
        folder = tmp_path / str(listed)
        with OutputFolder(folder, BENCH, of_bench(["kernel"], report=False)):
            for name in names:
                path = folder / name
                drawn(path) if path.suffix == ".png" else path.write_text(texts.get(path.suffix, ""))
        if not listed:
            (folder / MANIFEST).unlink()
            (folder / ".nint.lock").unlink(missing_ok=True)
        with OutputFolder(folder, BENCH, of_bench(["kernel"], report=False)) as again:
            assert not again.fresh
        assert set((read_manifest(folder) or recognised(folder, BENCH)).files) == set(names)
