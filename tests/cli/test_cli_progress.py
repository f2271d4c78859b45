from __future__ import annotations

import io
import math
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from nint.cli import estimate
from nint.cli.announce import budget_text
from nint.cli.estimate import Speed, seconds_for, steps_in, steps_to_go
from nint.cli.progress import ProgressBar, completed_fraction, describe, seconds_left
from nint.cli.show import Show
from nint.monitors.evaluate import Evaluate
from nint.report.words import duration, memory, metric, metric_label
from nint.runs.build import build_run
from nint.runs.job import make_job
from nint.samplers import SAMPLERS
from nint.training.budgets import Budget
from nint.training.engine import train, train_step


def a_run(budget: Budget, sampler: str = "uniform", total_steps: int = 100, side: int = 16):
    pixels = np.random.default_rng(0).random((side, side))
    job = make_job(pixels, field="siren:size=1x8", sampler=sampler, total_steps=total_steps, device="cpu")
    return build_run(job, budget)


def test_the_bar_shows_step_psnr_speed_and_time_left():
    run = a_run(Budget(steps=6))
    text = io.StringIO()
    with ProgressBar(Console(file=text, force_terminal=True, width=120)) as bar:
        train(run, [Evaluate(1), bar])
    last = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in re.split(r"[\r\n]", text.getvalue()) if "step" in line][-1]
    assert "step 6/6" in last and f"PSNR {run.curve[-1]['psnr']:.2f} dB" in last
    assert re.search(r"\d steps/s", last) and "ETA 0:00:00" in last


def test_no_terminal_no_bar():
    text = io.StringIO()
    with ProgressBar(Console(file=text)) as bar:
        train(a_run(Budget(steps=2)), [bar])
    assert text.getvalue() == ""


def test_the_bar_is_redrawn_at_most_ten_times_a_second(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]
    monkeypatch.setattr("nint.cli.progress.time.monotonic", lambda: now[0])
    run = a_run(Budget(steps=1000))
    with ProgressBar(Console(file=io.StringIO(), force_terminal=True)) as bar:
        bar.start(run)
        drawn = []
        monkeypatch.setattr(bar, "_draw", lambda run: (drawn.append(now[0]), setattr(bar, "_drawn", now[0])))
        for _ in range(1000):
            now[0] += 0.001
            bar.after_step(run)
    assert 8 <= len(drawn) <= 10


def test_time_left_follows_the_first_limit():
    run = a_run(Budget(steps=50))
    run.teacher.step = 10
    assert (completed_fraction(run), seconds_left(run, 4.0)) == (0.2, 10.0)
    assert describe(run, 4.0) == "step 10/50  4.0 steps/s  ETA 0:00:10"

    run.budget, run.clock.training_s = Budget(seconds=20), 5.0
    assert (completed_fraction(run), seconds_left(run, 4.0)) == (0.25, 15.0)
    assert describe(run, 4.0) == "step 10  4.0 steps/s  ETA 0:00:15"

    run.budget = Budget(steps=50, seconds=20)
    assert (completed_fraction(run), seconds_left(run, 4.0)) == (0.25, 10.0)

    run.budget = Budget(psnr=30)
    assert (completed_fraction(run), seconds_left(run, 4.0)) == (0.1, 22.5)
    assert "ETA at most 0:00:22" in describe(run, 4.0)
    assert seconds_left(run, 0.0) is None


@pytest.mark.parametrize("name", SAMPLERS.names(plugins=False))
def test_the_expected_work_is_close_to_what_is_spent(name: str):
    """With a forward as the unit of time, a backward at 2 and no update, the estimate is `Run.units`."""
    run = a_run(Budget(steps=100), name, side=64)
    guessed = seconds_for(run, Speed(1 / 4096, 3 / 4096, 0.0), 100)
    for _ in range(100):
        train_step(run)
    assert guessed == pytest.approx(run.forward_equivalents, rel=0.1)


def test_steps_and_seconds_are_estimated_alike():
    run = a_run(Budget(), "nint")
    speed = Speed(1e-6, 3e-6, 1e-4)
    for steps in (1, 7, 80):
        assert steps_in(run, speed, seconds_for(run, speed, steps) * (1 + 1e-9)) == steps
    assert steps_in(run, speed, 0.0) == 0
    assert seconds_for(run, speed, 0) == 0


def test_long_runs_are_sampled(monkeypatch: pytest.MonkeyPatch):
    run = a_run(Budget(), "int:interval=every-10", total_steps=20_000)
    speed = Speed(1e-6, 0.0, 0.0)
    exact = seconds_for(run, speed, 20_000)
    monkeypatch.setattr(estimate, "_MAX_STEPS", 4_000)
    assert seconds_for(run, speed, 20_000) == pytest.approx(exact, rel=0.1)
    assert steps_in(run, speed, exact) == pytest.approx(20_000, rel=0.01)


def test_measured_speeds_are_positive_and_memory_covers_the_process():
    run = a_run(Budget(), "nint")
    speed = estimate.measure(run)
    assert 0 < speed.forward < speed.training < 1 and 0 < speed.update < 10
    assert estimate.memory_for(run) > 50 * 2**20


def test_steps_to_go():
    assert steps_to_go(Budget(steps=50), 20, 100) == 30
    assert steps_to_go(Budget(), 20, 100) == 80
    assert steps_to_go(Budget(psnr=30), 20, 100) == 80
    assert steps_to_go(Budget(seconds=3), 20, 100) is None
    assert steps_to_go(Budget(steps=10), 20, 100) == 0


def test_budgets_in_words():
    assert budget_text(Budget(), 100) == "100 steps"
    assert budget_text(Budget(steps=50), 5000) == "50 steps; schedules are laid out for 5,000 steps"
    assert budget_text(Budget(seconds=60), 100) == "60 s of training; schedules are laid out for 100 steps"
    assert budget_text(Budget(psnr=30), 100) == "30 dB or 100 steps, whichever comes first"
    assert budget_text(Budget(100, 60, 30), 100) == "30 dB, 100 steps or 60 s of training, whichever comes first"


def test_numbers_in_words():
    assert [duration(s) for s in (0.0234, 0.44, 9.94, 9.96, 59.4, 200, 7500)] == [
        "0.023 s",
        "0.4 s",
        "9.9 s",
        "10 s",
        "59 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [memory(b) for b in (12, 40_000, 2**29, 3 * 2**29)] == ["12 B", "39 KiB", "512 MiB", "1.5 GiB"]
    assert [metric("psnr", 31.416), metric("ssim", 0.5), metric("psnr", math.inf), metric("psnr", math.nan)] == [
        "31.42 dB",
        "0.5000",
        "infinite",
        "-",
    ]

    assert [metric_label(name) for name in ("psnr", "si_snr", "psnr_held_out")] == ["PSNR", "SI-SNR", "PSNR held out"]


def test_tables_survive_a_pipe(tmp_path: Path):
    long = "x" * 300
    with open(tmp_path / "out.txt", "w") as file:
        show = Show(file)
        show.facts([("label", "value"), ("empty", ""), ("[bold]", ":smile: [red]text[/red]")])
        show.line(long)
    text = (tmp_path / "out.txt").read_text()
    assert text == f"label   value\n[bold]  :smile: [red]text[/red]\n{long}\n"
