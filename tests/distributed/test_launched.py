"""Real processes under torchrun on one machine. Few starts, since each process takes seconds to load PyTorch; several checks in each."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import nint
from nint.runs.contents import CHECKPOINT

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without torch.distributed")


def torchrun(processes: int, *command: str) -> list[str]:
    return [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), *command]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}


def waves(rows: int, columns: int) -> np.ndarray:
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    return np.stack([np.sin(9 * y) * np.cos(7 * x), np.sin(24 * y * x)], axis=-1).astype(np.float32)


def test_four_processes(tmp_path: Path):
    big = waves(61, 50)
    np.save(tmp_path / "big.npy", big)
    Image.fromarray((127 * (1 + waves(30, 41)[..., 0])).astype(np.uint8)).save(tmp_path / "photo.png")
    for name, value in (("holes", np.nan), ("infinite", np.inf)):
        spoilt = big.copy()
        spoilt[-1, -1, 0] = value
        np.save(tmp_path / f"{name}.npy", spoilt)
    np.save(tmp_path / "flat.npy", np.zeros((40, 40), np.float32))
    np.save(tmp_path / "tiny.npy", np.arange(3.0))
    command = torchrun(4, str(HERE / "launched_checks.py"), str(tmp_path))
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, env=environment(), check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split("\n")[:-1] == [f"held: {what}" for what in ("top", "fit", "resume", "refusals", "example")]


OPTIONS = {
    "field": "siren:size=2x16,weight_scale=1",
    "sampler": "nint",
    "total_steps": 100000,
    "lr": 1e-3,
    "optimizer": "adam",
}


@contextlib.contextmanager
def two_processes(data: Path, out: Path) -> Iterator[subprocess.Popen[str]]:
    """A run of two processes that has written its first checkpoint."""
    options = [word for name, value in OPTIONS.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = torchrun(2, "-m", "nint", "fit", str(data), "--out", str(out), *options, "--quiet")
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    try:
        deadline = time.monotonic() + 900
        while not (out / CHECKPOINT).exists():
            assert started.poll() is None and time.monotonic() < deadline, started.communicate()
            time.sleep(0.05)
        yield started
    finally:
        if started.poll() is None:
            started.kill()


def check_sentence(complaints: str) -> None:
    sentences = [line for line in complaints.splitlines() if line.startswith("nint: ")]
    assert len(sentences) == 1, complaints
    assert "Another process of this run was lost at step" in sentences[0]
    assert "--resume" in sentences[0]


def test_a_lost_process_ends_all_with_one_sentence_and_the_run_goes_on_alone(tmp_path: Path):
    np.save(tmp_path / "big.npy", waves(80, 80))
    out = tmp_path / "out"
    with two_processes(tmp_path / "big.npy", out) as started:
        os.kill(process_of_rank(started.pid, 1), signal.SIGKILL)
        said, complaints = started.communicate(timeout=600)
    assert started.returncode != 0
    assert said == ""
    check_sentence(complaints)
    assert sorted(path.name for path in out.iterdir() if path.name != ".nint.json") == [CHECKPOINT]
    resumed = nint.fit(tmp_path / "big.npy", out=out, resume=True, budget=6, snapshots=False, **OPTIONS)
    alone = nint.fit(tmp_path / "big.npy", budget=6, snapshots=False, **OPTIONS)
    assert resumed.record["steps"] == 6
    for found, wanted in zip(resumed.field.parameters(), alone.field.parameters(), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_process_that_is_told_to_end_does_not_wait_for_one_that_does_not_answer(tmp_path: Path):
    np.save(tmp_path / "big.npy", waves(80, 80))
    with two_processes(tmp_path / "big.npy", tmp_path / "out") as started:
        silent, told = process_of_rank(started.pid, 1), process_of_rank(started.pid, 0)
        os.kill(silent, signal.SIGSTOP)
        time.sleep(0.5)  # the other now waits in the middle of a step
        os.kill(told, signal.SIGTERM)
        deadline = time.monotonic() + 300  # far from twenty seconds on a busy machine, and from the ten minutes of gloo's own limit
        while is_running(told):
            assert started.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(silent, signal.SIGKILL)
        _, complaints = started.communicate(timeout=600)
    assert started.returncode != 0
    check_sentence(complaints)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def process_of_rank(launcher: int, rank: int) -> int:
    """The process that a launcher started for a rank."""
    for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        with contextlib.suppress(OSError):
            if f"RANK={rank}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                return int(pid)
    raise AssertionError(f"no process of rank {rank}")


def test_other_commands_are_refused_under_a_launcher(monkeypatch, capsys):
    from nint.cli.main import main

    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    assert main(["decode", "x", "y.png"]) == 2
    assert "only nint fit shares them" in capsys.readouterr().err
    assert main(["fit", "x.npy", "--html"]) == 2
    assert "nint report" in capsys.readouterr().err
    assert main(["fit", "x.npy", "--max-kilobytes", "3"]) == 2
    assert "--max-kilobytes does not work over several processes; leave it away and see nint pack" in capsys.readouterr().err
    assert main(["fit", "x.npy", "--live"]) == 2
    assert "nint watch" in capsys.readouterr().err
    monkeypatch.setenv("RANK", "1")
    assert main(["decode", "x", "y.png"]) == 2
    assert main(["fit", "x.npy", "--html"]) == 2
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert main(["list", "samplers"]) == 0
