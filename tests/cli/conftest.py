from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Runs a command line in this process, in an empty folder; PyTorch's threads are put back afterwards."""
    import torch

    from nint.cli.main import main

    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        finally:
            torch.set_num_threads(threads)
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts a command line in a process of its own."""

    def run(*arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "nint.cli.main", *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


@pytest.fixture
def broken_plugin(tmp_path: Path) -> Path:
    """A folder for the import path with an installed package whose sampler cannot be imported; `imported` appears beside it if tried."""
    folder = tmp_path / "site"
    info = folder / "nint_broken-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nint-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[nint.samplers]\nbroken = nint_broken:Broken\n")
    code = "import pathlib\npathlib.Path(__file__).with_name('imported').touch()\nraise RuntimeError('nothing works\\nhere')\n"
    (folder / "nint_broken.py").write_text(code)
    return folder


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished tiny run; read it only."""
    from nint.cli.main import main

    folder = tmp_path_factory.mktemp("fitted") / "run"
    assert main(["fit", "sample:camera", "--max-side", "32", "--size", "2x16", "--steps", "10", "--quiet", "--out", str(folder)]) == 0
    return folder
