"""A short series of `make fuzz` with a fixed seed, and the harness itself: what it counts as wrong."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the harness needs Linux (fork, pidfd, resource limits)")

ROOT = Path(__file__).resolve().parent.parent.parent
FUZZ = ROOT / "tests" / "robustness" / "fuzz.py"


def test_a_short_series_finds_nothing():
    pytest.importorskip("soundfile")
    pytest.importorskip("trimesh")
    # In a process of its own, because this one may have threads, which a fork must not have. The time limit only ends what hangs for good.
    command = [sys.executable, str(FUZZ), "--cases", "20", "--seed", "1", "--timeout", "300"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    failures = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, "\n".join(f"{f['wrong']} {f['label']}: {f['error'][-300:]}" for f in failures) or done.stderr


def outcome(code: int | None = 0, err: str = "", peak: int = 0):
    from robustness.child import Outcome

    return Outcome(code, 1.0, peak, "", err)


@pytest.mark.parametrize(
    ("ended", "wrong"),
    [
        ({}, []),
        ({"code": 2, "err": "nint: 'a.png' is empty.\n"}, []),
        ({"code": 2, "err": "nint: one.\nnint: two.\n"}, ["noise"]),
        ({"code": 0, "err": "nint: a remark.\n"}, []),
        ({"code": 0, "err": "libpng warning: bad\n"}, ["noise"]),
        ({"code": 1, "err": "Traceback (most recent call last):\n"}, ["traceback"]),
        ({"code": 1, "err": "nint: failed\n"}, ["code"]),
        ({"code": -11}, ["killed"]),
        ({"code": None}, ["hang"]),
        ({"peak": 3 * 2**30}, ["memory"]),
        ({"code": 2, "err": "nint: '\x1b[31m' is not known.\n"}, ["bytes"]),
    ],
)
def test_what_is_counted(ended: dict[str, object], wrong: list[str]):
    from robustness.cases import Case
    from robustness.fuzz import problems

    assert problems(Case("files", "", ["fit", "a.png"]), outcome(**ended), {}, {}) == wrong


def test_files_that_change_are_counted():
    from robustness.cases import Case
    from robustness.fuzz import problems

    before = {"here/a.png": "1", "here/run/run.json": "1", "here/run/notes.txt": "1", "neighbour.txt": "1"}
    case = Case("paths", "", ["fit", "a.png", "--out", "run", "--force"], writable=("run",), inputs=("a.png",))
    for path, wrong in [
        ("here/a.png", ["changed"]),
        ("here/run/notes.txt", ["changed"]),
        ("neighbour.txt", ["changed"]),
        ("here/run/run.json", []),
        ("here/run/curve.png", []),
        ("here/curve.png", ["litter"]),
    ]:
        assert problems(case, outcome(), before, before | {path: "2"}) == wrong, path
    assert problems(case, outcome(), before, {name: value for name, value in before.items() if name != "here/a.png"}) == ["changed"]
    inside = Case("paths", "", ["fit", "frames", "--out", "frames/new"], writable=("frames/new",), inputs=("frames",))
    assert problems(inside, outcome(), {}, {"here/frames/new": "folder"}) == ["litter"]


def test_a_case_of_a_number_is_always_the_same(tmp_path: Path):
    from robustness.corpus import write_signals
    from robustness.mutations import damaged

    write_signals(tmp_path)
    for name in ("a.png", "a.npz", "a.nii.gz", "a.csv"):
        data = (tmp_path / name).read_bytes()
        found = {damaged(data, name, random.Random(seed)) for seed in range(30)}
        assert found == {damaged(data, name, random.Random(seed)) for seed in range(30)}
        assert len({content for content, _ in found if content != data}) > 20
