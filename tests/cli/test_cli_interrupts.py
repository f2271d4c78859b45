"""Ctrl-C, SIGTERM and kill -9: nothing is lost, and going on gives the bits of an uninterrupted run."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nint.cli.interrupts import Interrupts

TINY = ("sample:camera", "--max-side", "32", "--size", "2x16", "--no-pictures", "--device", "cpu", "--threads", "1", "--recipe", "paper")
FOREVER = ("--steps", "1000000", "--eval-every", "1000000")


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    give_up = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < give_up, f"{path} never came"
        time.sleep(0.02)
    time.sleep(0.1)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_same_as_uninterrupted(cli, folder: Path, steps: int) -> None:
    words = ("--steps", steps, "--eval-every", 1_000_000, "--quiet")
    assert cli("fit", *TINY, *words, "--out", folder, "--resume").code == 0
    assert cli("fit", *TINY, *words, "--out", "whole").code == 0
    resumed, whole = weights(folder), weights(Path("whole"))
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    record, expected = (json.loads((path / "run.json").read_text()) for path in (folder, Path("whole")))
    for key in ("steps", "forward_equivalents", "points_forwarded", "points_backwarded", "points_in_jvps", "psnr"):
        assert record[key] == expected[key], key


def test_ctrl_c_saves_and_says_how_to_go_on(cli, start, tmp_path: Path):
    process = start("fit", *TINY, *FOREVER, "--out", "cut")
    wait_for(tmp_path / "cut" / "checkpoint.safetensors", process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Stopped after step" in err and "interrupted" in out
    steps = json.loads((tmp_path / "cut" / "run.json").read_text())["steps"]

    command = err.partition("Continue with: ")[2].splitlines()[0]
    expected = ("nint", "fit", *TINY, *FOREVER, "--out", "cut", "--resume")
    assert sorted(shlex.split(command)) == sorted(expected)
    assert_same_as_uninterrupted(cli, tmp_path / "cut", steps + 5)


def test_after_kill_9_the_last_checkpoint_goes_on(cli, start, tmp_path: Path):
    process = start("fit", *TINY, *FOREVER, "--out", "cut", "--quiet")
    wait_for(tmp_path / "cut" / "checkpoint.safetensors", process)
    process.kill()
    process.communicate()
    assert not (tmp_path / "cut" / "model.safetensors").exists()
    assert_same_as_uninterrupted(cli, tmp_path / "cut", 25)


def test_sigterm_saves_too(cli, tmp_path: Path):
    checkpoint = tmp_path / "cut" / "checkpoint.safetensors"

    def stop_soon() -> None:
        while not checkpoint.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    watcher = threading.Thread(target=stop_soon)
    watcher.start()
    code, _, err = cli("fit", *TINY, *FOREVER, "--out", "cut", "--json", "record.json", "--quiet")
    watcher.join()
    assert code == 143
    assert "Stopped after step" in err and err.count("\n") == 1
    assert json.loads((tmp_path / "record.json").read_text())["stopped"] == "interrupted"
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_second_ctrl_c_aborts_unless_it_is_the_same_press(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    now = [100.0]
    monkeypatch.setattr("nint.cli.interrupts.time.monotonic", lambda: now[0])
    with Interrupts() as interrupts:
        assert (interrupts(), interrupts.exit_code) == (False, 0)
        signal.raise_signal(signal.SIGINT)
        assert (interrupts(), interrupts.exit_code) == (True, 130)
        now[0] += 0.1
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        now[0] += 1
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert interrupts.exit_code == 130
    assert capfd.readouterr().err.count("press Ctrl-C again to abort at once") == 1


def test_an_abort_points_to_the_last_checkpoint(cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nint.fitting.train", lambda run, monitors: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, err = cli("fit", *TINY, "--steps", 5, "--quiet")
    assert (code, err) == (130, "nint: Aborted. Nothing had been saved yet.\n")
    assert not Path("nint-out").exists()
    code, _, err = cli("fit", *TINY, "--steps", 5, "--quiet", "--force", "--out", "other")
    assert code == 130 and "Nothing had been saved" in err
